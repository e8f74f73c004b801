"""What size, junk, neighbours and edge make of a micrograph's candidates.

Calibration, decoys and picking share it, so that the threshold is learnt from the very scores that it cuts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cryopick_cli.formats.micrograph import Micrograph
from cryopick_cli.imaging.junk import JunkMask, find_junk
from cryopick_cli.model.weights import OperatingPoint
from cryopick_cli.picking.candidates import Floats, calibrated_score, rank, unit_length
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.consistency import SizePrior
from cryopick_cli.picking.detect import Candidates
from cryopick_cli.picking.edges import edge_px, is_inside
from cryopick_cli.picking.junk import allowed, fade_of, judged, junk_of
from cryopick_cli.units import suggest_box_size


@dataclass(frozen=True)
class Weighed:
    """Candidates by falling score, one a particle."""

    found: Candidates
    score: Floats
    """Probability times the factors for size and junk, 0 to 1."""
    score_without_junk: Floats
    """Probability times the factor for size alone."""
    junk: Floats
    """Share of each disc that lies on junk, 0 to 1."""
    eligible: NDArray[np.bool_]
    """Whether a score above the threshold makes a pick: neither on junk that is dropped nor near an edge."""


def weigh(
    found: Candidates,
    micrograph: Micrograph,
    prior: SizePrior | None,
    point: OperatingPoint,
    config: PickConfig,
    mask: JunkMask | None = None,
) -> Weighed:
    """Score candidates by network, size and junk, leave one a particle, and tell which may become picks."""
    junk = junk_of(mask, found.x, found.y, found.diameter)
    fade = fade_of(junk, config.junk)
    kept, score = rank(found, micrograph.pixel_size, prior, point, config, fade)
    weighed = Weighed(found.select(kept), score * fade[kept], score, junk[kept], np.ones(len(kept), np.bool_))
    return weigh_places(weighed, weighed.found, micrograph, prior, config)


def weigh_places(
    weighed: Weighed, found: Candidates, micrograph: Micrograph, prior: SizePrior | None, config: PickConfig
) -> Weighed:
    """Give candidates other places, and tell which may become picks there."""
    height, width = micrograph.array.shape
    box = config.box_size_px or suggested_box_px(prior, micrograph.pixel_size)
    margin = edge_px(config.edge, micrograph.pixel_size, box)
    inside = is_inside(found.x, found.y, (height, width), margin)
    return replace(weighed, found=found, eligible=allowed(weighed.junk, config.junk) & inside)


def find_mask(
    micrograph: Micrograph, prior: SizePrior | None, config: PickConfig, *, light: bool
) -> JunkMask | None:
    """Find where a micrograph shows no ice; None where the size of particles, and so of junk, is unknown.

    Of two sizes the larger counts, as for the smaller one the larger particles would be junk.
    """
    if prior is None:
        return None
    diameter = max(prior.diameter, prior.second or 0.0) / unit_length(micrograph.pixel_size)
    return find_junk(micrograph.array, diameter, config.masking, light=light)


def judge_mask(mask: JunkMask | None, found: Candidates, point: OperatingPoint) -> JunkMask | None:
    """Give the mask, all clear where its candidates speak against it, see :func:`.junk.judged`."""
    if mask is None:
        return None
    return judged(mask, found.x, found.y, found.diameter, calibrated_score(found.logit, point))


def diameter_px(prior: SizePrior | None, pixel_size: float | None) -> float | None:
    """Give the particle's diameter in pixels of a micrograph, None where it is unknown."""
    return None if prior is None else prior.diameter / unit_length(pixel_size)


def suggested_box_px(prior: SizePrior | None, pixel_size: float | None) -> int | None:
    """Suggest the edge of the box to extract, px; None where the diameter is unknown."""
    diameter = diameter_px(prior, pixel_size)
    return None if diameter is None else suggest_box_size(diameter)
