"""What is learnt of a data set before it is picked: contrast, diameter, spread of sizes, threshold.

It is learnt from at most sixteen micrographs, chosen by their names, so that the picks of a micrograph do
not depend on the order of the files, on the number of workers, or on the rest of the run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cryopick_cli.errors import ConfigError
from cryopick_cli.formats.micrograph import Micrograph
from cryopick_cli.imaging.junk import JunkConfig
from cryopick_cli.model.weights import Model, OperatingPoint
from cryopick_cli.picking.consistency import ConsistencyConfig, SizePrior, estimate_prior
from cryopick_cli.picking.detect import Candidates, DetectConfig, detect
from cryopick_cli.picking.duplicates import suppress_duplicates
from cryopick_cli.picking.edges import AUTO, HELP, METAVAR, parse_edge
from cryopick_cli.picking.junk import FLAG, MODES
from cryopick_cli.picking.scale import ScaleConfig, ScaleEstimate, search_views, vote
from cryopick_cli.picking.threshold import choose_threshold
from cryopick_cli.picking.view import prepare_view
from cryopick_cli.units import Length, suggest_box_size

Floats = NDArray[np.float64]

# Evidence for light particles over that for dark ones from which they are taken to be light.
_LIGHT_IS_SURE = 3.0


@dataclass(frozen=True, kw_only=True)
class PickConfig:
    """All decisions between micrograph and picks."""

    diameter: Length | None = field(
        default=None,
        metadata={
            "help": "Particle diameter with its unit. auto finds it.",
            "metavar": "auto|120A|90px",
            "auto": True,
        },
    )
    threshold: float | None = field(
        default=None,
        metadata={
            "option": ("-t", "--threshold"),
            "help": "Score from which a candidate is accepted. auto finds it.",
            "metavar": "auto|0..1",
            "auto": True,
        },
    )
    min_distance: float | None = field(
        default=None,
        metadata={
            "help": "Smallest distance between picks in Å. Default: half the diameter.",
            "metavar": "Å",
        },
    )
    contrast: str = field(
        default="auto",
        metadata={
            "help": "Whether particles are darker or lighter than the ice. auto finds it.",
            "choices": ("auto", "dark", "light"),
        },
    )
    calibration_micrographs: int = field(
        default=16,
        metadata={
            "help": "Micrographs from which diameter and threshold are learnt, at most.",
            "metavar": "N",
        },
    )
    seed: int = field(default=0, metadata={"help": "Seed of the choice of these micrographs."})
    scale: ScaleConfig = field(default_factory=ScaleConfig)
    detection: DetectConfig = field(default_factory=DetectConfig)
    consistency: ConsistencyConfig = field(default_factory=ConsistencyConfig)
    junk: str = field(
        default=FLAG,
        metadata={
            "help": "What becomes of candidates on carbon, gold, ice balls and the like: drop accepts none, "
            "flag lowers their scores, keep changes nothing.",
            "choices": MODES,
        },
    )
    edge: str = field(default=AUTO, metadata={"help": HELP, "metavar": METAVAR})
    masking: JunkConfig = field(default_factory=JunkConfig)

    def __post_init__(self) -> None:
        """Refuse settings without meaning."""
        if self.min_distance is not None and not self.min_distance >= 0:
            raise ConfigError(f"--min-distance: found {self.min_distance}, expected 0 or more Å")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ConfigError(f"--threshold: found {self.threshold}, expected auto or a number from 0 to 1")
        if self.contrast not in ("auto", "dark", "light"):
            raise ConfigError(f"--contrast: found {self.contrast!r}, expected auto, dark or light")
        if self.junk not in MODES:
            raise ConfigError(f"--junk: found {self.junk!r}, expected {', '.join(MODES)}")
        parse_edge(self.edge)
        if self.calibration_micrographs < 1:
            raise ConfigError(
                f"--calibration-micrographs: found {self.calibration_micrographs}, expected 1 or more"
            )

    def check_unit(self, pixel_size: float | None) -> None:
        """Refuse lengths given in Å for a micrograph of unknown pixel size.

        Raises
        ------
        ConfigError
            If the diameter, the smallest distance or the edge is in Å and the pixel size is unknown.
        """
        edge = parse_edge(self.edge)
        in_angstrom = self.min_distance is not None or any(
            length is not None and length.unit == "A" for length in (self.diameter, edge)
        )
        if pixel_size is None and in_angstrom:
            raise ConfigError(
                "unknown pixel size, expected one, as --diameter, --min-distance or --edge is in Å; give "
                "--pixel-size"
            )


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What was learnt of a data set; lengths in ``unit``, Å, or px where no pixel size is known."""

    unit: str
    prior: SizePrior | None
    threshold: float
    light: bool = False
    """Whether particles are lighter than the ice."""
    micrographs: tuple[str, ...] = ()
    estimate: ScaleEstimate | None = None

    def diameter_px(self, pixel_size: float | None) -> float | None:
        """Give the particle's diameter in pixels of a micrograph, None where it is unknown."""
        if self.prior is None:
            return None
        return self.prior.diameter / unit_length(pixel_size)

    def box_size_px(self, pixel_size: float | None) -> int | None:
        """Suggest the edge of the box to extract, px; None where the diameter is unknown."""
        diameter = self.diameter_px(pixel_size)
        return None if diameter is None else suggest_box_size(diameter)


def unit_length(pixel_size: float | None) -> float:
    """Give the length of a pixel in the unit that diameters are compared in: Å where known, else 1 px."""
    return 1.0 if pixel_size is None else pixel_size


def choose_sample(names: Iterable[str], config: PickConfig) -> list[str]:
    """Choose the micrographs to calibrate on by a hash of name and seed, so that order does not matter."""

    def rank(name: str) -> bytes:
        return hashlib.sha256(f"{config.seed}:{name}".encode()).digest()

    return sorted(sorted(set(names), key=rank)[: config.calibration_micrographs])


def calibrate(
    model: Model, sample: Sequence[Micrograph], names: Sequence[str], config: PickConfig
) -> Calibration:
    """Learn diameter, spread and threshold from a sample of micrographs with one unit of length.

    Parameters
    ----------
    model : Model
    sample : sequence of Micrograph
        At least one; all with known pixel size, or none.
    names : sequence of str
        Their names, for the record.
    config : PickConfig
    """
    point = model.card.operating_point
    lengths = [unit_length(micrograph.pixel_size) for micrograph in sample]
    light = is_light(model, sample, config)
    estimate = None if config.diameter else _search_diameter(model, sample, config, light=light)
    diameters = [_expected_diameter(micrograph, estimate, config) for micrograph in sample]
    found = [
        find_candidates(model, micrograph.array, diameter, config, light=light)
        for micrograph, diameter in zip(sample, diameters, strict=True)
    ]
    prior = _learn_prior(found, lengths, point, config)
    if diameters[0] is not None and config.diameter is not None:
        given = diameters[0] * lengths[0]
        prior = SizePrior(given, config.consistency.narrowest if prior is None else prior.spread)
    threshold = config.threshold
    if threshold is None:
        scores = [
            weigh(candidates, micrograph.pixel_size, prior, point, config)[1]
            for candidates, micrograph in zip(found, sample, strict=True)
        ]
        threshold = choose_threshold(np.concatenate(scores), point)
    return Calibration(
        unit="px" if sample[0].pixel_size is None else "Å",
        prior=prior,
        threshold=threshold,
        light=light,
        micrographs=tuple(names),
        estimate=estimate,
    )


def is_light(model: Model, sample: Sequence[Micrograph], config: PickConfig) -> bool:
    """Tell whether the particles are lighter than the ice: which sign of the grey values shows more of them.

    Dark is what cryo-EM gives, so light particles must be clearly the more likely ones.
    """
    if config.contrast != "auto":
        return config.contrast == "light"
    middle = replace(config.scale, short_sides_px=_middle(config.scale.short_sides_px))
    evidence = [0.0, 0.0]
    for micrograph in sample:
        for light in (False, True):
            for seen in search_views(model, micrograph.array, middle, config.detection, light=light).values():
                evidence[light] += float((expit(seen.logit) ** 3 * seen.diameter).sum())
    return evidence[True] > _LIGHT_IS_SURE * evidence[False]


def find_candidates(
    model: Model,
    array: NDArray[np.float32],
    diameter_px: float | None,
    config: PickConfig,
    *,
    light: bool = False,
) -> Candidates:
    """Run the network at the scale that suits the particle; give candidates in the micrograph's pixels.

    Without a diameter the whole view has the middle one of the searched short sides.
    """
    working = model.card.operating_point.working_diameter_px
    if diameter_px is None:
        factor = min(array.shape) / _middle(config.scale.short_sides_px)[0]
    else:
        factor = diameter_px / working
    factor = max(factor, 1 / config.scale.largest_enlargement)
    view = prepare_view(array, factor, working, model.card.network.normalise, light=light)
    return view.to_micrograph(detect(model, view.array, config.detection))


def weigh(
    found: Candidates,
    pixel_size: float | None,
    prior: SizePrior | None,
    point: OperatingPoint,
    config: PickConfig,
) -> tuple[Candidates, Floats]:
    """Score candidates by network and size, and leave one a particle.

    Returns
    -------
    candidates : Candidates
        Those above the floor, without duplicates, by falling score.
    score : (n,) float64
        Probability times the size prior's factor.
    """
    score = calibrated_score(found.logit, point)
    distance = 0.5 * float(np.median(found.diameter)) if len(found.x) else 0.0
    if prior is not None:
        score = score * prior.factor(found.diameter * unit_length(pixel_size))
        distance = 0.5 * prior.diameter / unit_length(pixel_size)
    if config.min_distance is not None:
        distance = Length(config.min_distance, "A").in_px(pixel_size)
    above = np.flatnonzero(score >= config.detection.floor)
    found, score = found.select(above), score[above]
    kept = suppress_duplicates(found.x, found.y, score, distance)
    return found.select(kept), score[kept]


def calibrated_score(logit: Floats, point: OperatingPoint) -> Floats:
    """Turn the network's logits into probabilities with the temperature and offset of its card."""
    return np.asarray(expit(logit / point.temperature + point.offset), dtype=np.float64)


def _middle(sides: tuple[int, ...]) -> tuple[int]:
    return (sorted(sides)[len(sides) // 2],)


def _search_diameter(
    model: Model, sample: Sequence[Micrograph], config: PickConfig, *, light: bool
) -> ScaleEstimate | None:
    """Find the diameter by the vote of all scales over all micrographs of the sample."""
    found = []
    for micrograph in sample:
        views = search_views(model, micrograph.array, config.scale, config.detection, light=light)
        unit = unit_length(micrograph.pixel_size)
        found.append({side: (candidates, unit) for side, candidates in views.items()})
    return vote(found, config.scale)


def _expected_diameter(
    micrograph: Micrograph, estimate: ScaleEstimate | None, config: PickConfig
) -> float | None:
    """Give the diameter in px of a micrograph: the given one, else the estimate, None without either."""
    if config.diameter is not None:
        return config.diameter.in_px(micrograph.pixel_size)
    return None if estimate is None else estimate.diameter / unit_length(micrograph.pixel_size)


def _learn_prior(
    found: Sequence[Candidates], lengths: Sequence[float], point: OperatingPoint, config: PickConfig
) -> SizePrior | None:
    diameter = np.concatenate([c.diameter * length for c, length in zip(found, lengths, strict=True)])
    score = np.concatenate([calibrated_score(c.logit, point) for c in found])
    return estimate_prior(diameter, score, config.consistency)
