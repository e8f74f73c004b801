"""Find the particle's diameter without being told: look at several scales and let the sizes vote.

A particle of one size is found at neighbouring scales with the same diameter in the micrograph; a false alarm
is not. So the votes of all scales, on one axis of log diameter, peak at the particle's size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cryopick_cli.errors import ConfigError
from cryopick_cli.model.weights import Model
from cryopick_cli.picking.consistency import find_mode
from cryopick_cli.picking.detect import Candidates, DetectConfig, detect
from cryopick_cli.picking.view import View, prepare_view

# Short side of a view -> what is found in it, in the micrograph's pixels.
Looks = dict[int, Candidates]


@dataclass(frozen=True, kw_only=True)
class ScaleConfig:
    """The scales that are searched and how their votes are counted."""

    short_sides_px: tuple[int, ...] = field(
        default=(384, 768, 1536),
        metadata={"help": "Short sides of the views in which the diameter is searched, px."},
    )
    bandwidth: float = field(default=0.08, metadata={"help": "Kernel width of the votes, in log diameter."})
    largest_enlargement: float = field(
        default=2.0, metadata={"help": "How much a micrograph of small particles is enlarged at most."}
    )
    smallest_side_px: int = field(
        default=512,
        metadata={"help": "Short side below which a micrograph of large particles is not reduced, px."},
    )

    def __post_init__(self) -> None:
        """Refuse searches without a scale."""
        if not self.short_sides_px or min(self.short_sides_px) < 64:
            raise ConfigError(
                f"short_sides_px: found {self.short_sides_px}, expected one or more of at least 64"
            )
        if not min(self.bandwidth, self.largest_enlargement) > 0:
            raise ConfigError(
                f"bandwidth, largest_enlargement: found {self.bandwidth} and {self.largest_enlargement}, "
                "expected two positive numbers"
            )
        if self.smallest_side_px < 64:
            raise ConfigError(f"smallest_side_px: found {self.smallest_side_px}, expected at least 64")

    @property
    def middle_px(self) -> int:
        """The middle one of the short sides, px."""
        return sorted(self.short_sides_px)[len(self.short_sides_px) // 2]


@dataclass(frozen=True)
class ScaleEstimate:
    """The diameter by consensus of the scales, and what each scale by itself would have said."""

    diameter: float
    evidence: float
    by_scale: dict[int, float]


def sides_of(shape: tuple[int, ...], sides: Iterable[int]) -> list[int]:
    """Give the short sides, px, that views of a micrograph have: these, or its own where that is shorter."""
    return sorted({min(side, *shape) for side in sides})


def prepare_search(
    model: Model, array: NDArray[np.float32], sides: Iterable[int], *, light: bool = False
) -> dict[int, View]:
    """Prepare views of one micrograph, of these short sides in px."""
    working, normalise = model.card.operating_point.working_diameter_px, model.card.network.normalise
    return {
        side: prepare_view(array, min(array.shape) / side, working, normalise, light=light) for side in sides
    }


def search(model: Model, views: Mapping[int, View], detection: DetectConfig) -> Looks:
    """Find candidates in every view of a micrograph."""
    return {side: view.to_micrograph(detect(model, view.array, detection)) for side, view in views.items()}


def vote(found: Sequence[dict[int, tuple[Candidates, float]]], config: ScaleConfig) -> ScaleEstimate | None:
    """Let the candidates of all micrographs and scales vote for one diameter.

    Parameters
    ----------
    found : one dict a micrograph
        Short side -> candidates and the factor that brings their diameter to the unit of the vote.
    config : ScaleConfig

    Returns
    -------
    ScaleEstimate or None
        None where no scale shows a candidate.
    """
    by_scale: dict[int, float] = {}
    all_diameters, all_weights = [], []
    for side in sorted({side for micrograph in found for side in micrograph}):
        seen = [micrograph[side] for micrograph in found if side in micrograph]
        diameters = np.concatenate([candidates.diameter * unit for candidates, unit in seen])
        logits = np.concatenate([candidates.logit for candidates, _ in seen])
        if len(diameters) == 0:
            continue
        # Small false alarms are many and large ones are few, as many as fit: the factor evens that out.
        weights = expit(logits) ** 2 * diameters
        by_scale[side], _ = find_mode(diameters, weights, config.bandwidth)
        all_diameters.append(diameters)
        all_weights.append(weights)
    if not by_scale:
        return None
    mode, evidence = find_mode(np.concatenate(all_diameters), np.concatenate(all_weights), config.bandwidth)
    return ScaleEstimate(mode, evidence, by_scale)
