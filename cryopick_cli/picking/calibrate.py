"""What is learnt of a data set before it is picked: contrast, diameter, sizes, threshold, mean particle.

It is learnt from at most sixteen micrographs, chosen by their names, so that the picks of a micrograph do
not depend on the order of the files, on the number of workers, or on the rest of the run.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeVar

import numpy as np

from cryopick_cli.formats.micrograph import Micrograph
from cryopick_cli.imaging.junk import JunkMask
from cryopick_cli.model.weights import Model, OperatingPoint
from cryopick_cli.picking.ahead import ahead
from cryopick_cli.picking.average_picks import average_picks
from cryopick_cli.picking.candidates import Floats, calibrated_score, look, prepare_views, unit_length
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.consistency import (
    ANY_SIZE,
    ConsistencyConfig,
    SizePrior,
    estimate_prior,
    find_second_mode,
    size_agreement,
)
from cryopick_cli.picking.contrast import is_light, look_both_ways, prepare_middle
from cryopick_cli.picking.cross_check import CrossCheckConfig, scale_space_diameter
from cryopick_cli.picking.decoys import (
    COPIES,
    Decoys,
    Genuine,
    choose_copied,
    look_at_decoys,
    prepare_decoys,
    score_decoys,
)
from cryopick_cli.picking.duplicates import count_overlapping, suppress_duplicates
from cryopick_cli.picking.junk import KEEP
from cryopick_cli.picking.recentre import MeanParticle, draw_mean_particle
from cryopick_cli.picking.scale import Looks, ScaleEstimate, prepare_search, search, sides_of, vote
from cryopick_cli.picking.threshold import (
    CurvePoint,
    Evidence,
    choose_threshold,
    find_evidence,
    threshold_curve,
)
from cryopick_cli.picking.view import View
from cryopick_cli.picking.weighing import Weighed, diameter_px, find_mask, judge_mask, suggested_box_px, weigh
from cryopick_cli.progress import Advance, unheard

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What was learnt of a data set; lengths in ``unit``, Å, or px where no pixel size is known."""

    unit: str
    prior: SizePrior | None
    threshold: float
    """The data set's; each micrograph has one near to it where ``typical_score`` is known."""
    typical_score: float | None = None
    """What confident picks score; None where the threshold was given or no particle is seen."""
    light: bool = False
    """Whether particles are lighter than the ice."""
    micrographs: tuple[str, ...] = ()
    estimate: ScaleEstimate | None = None
    seems_empty: bool = False
    """Whether candidates score low and have no size in common, so that only what is sure is picked."""
    evidence: Evidence | None = None
    """What that was judged by; None in records of versions that did not note it."""
    counts: tuple[int, int] = (0, 0)
    """Picks of the sample that have the first size, and the second where there are two."""
    false_discovery_rate: float | None = None
    """Estimated share of false picks at the threshold, from decoys; None where nothing is picked."""
    curve: tuple[CurvePoint, ...] = ()
    """Picks and their estimated share of false ones over the threshold, in the micrographs with decoys."""
    decoys: tuple[str, ...] = ()
    """The micrographs with decoys."""
    scale_space_diameter: float | None = None
    """A second opinion on the diameter, in which the network has no say; see `cross_check`."""
    mean_particle: MeanParticle | None = None
    """What picks are centred on; None where too few have shown one, and they stay where they are found."""

    def diameter_px(self, pixel_size: float | None) -> float | None:
        """Give the particle's diameter in pixels of a micrograph, None where it is unknown."""
        return diameter_px(self.prior, pixel_size)

    def sizes_differ(self, config: CrossCheckConfig) -> bool:
        """Tell whether the second opinion on the diameter is far from the first."""
        if self.prior is None or self.scale_space_diameter is None:
            return False
        factor = self.prior.diameter / self.scale_space_diameter
        return max(factor, 1 / factor) >= config.far_apart

    def box_size_px(self, pixel_size: float | None) -> int | None:
        """Suggest the edge of the box to extract, px; None where the diameter is unknown."""
        return suggested_box_px(self.prior, pixel_size)


class _Cut(NamedTuple):
    """What the candidates of the sample are worth, and where they are cut."""

    weighed: list[Weighed]
    score: Floats
    """Of every candidate that could become a pick, as is its ``size``, a diameter in the data set's unit."""
    size: Floats
    threshold: float
    evidence: Evidence
    empty: bool


def calibrate(
    model: Model,
    sample: Sequence[Micrograph],
    names: Sequence[str],
    config: PickConfig,
    advance: Advance = unheard,
) -> Calibration:
    """Learn what is learnt of a data set from a sample of micrographs with one unit of length.

    Parameters
    ----------
    model : Model
    sample : sequence of Micrograph
        At least one; all with known pixel size, or none.
    names : sequence of str
        Their names, for the record.
    config : PickConfig
    advance : callable
        Told each of the :func:`count_looks` times that a micrograph was looked at.
    """

    def told(items: Iterable[Item]) -> Iterator[Item]:
        for name, item in zip(names, items, strict=True):
            yield item
            advance(name)

    light = config.contrast == "light"
    seen: list[Looks] = [{} for _ in sample]
    if config.contrast == "auto":
        both = look_both_ways(model, told(prepare_middle(model, sample, config)), config)
        light = is_light(*both)
        seen = both[light]
    estimate = None
    if config.diameter is None:
        rest = _prepare_rest(model, sample, seen, config, light=light)
        estimate = _search_diameter(model, sample, seen, told(rest), config)
    genuine = _look(model, sample, names, estimate, config, light=light, advance=advance)
    point = model.card.operating_point
    prior = _learn_prior(genuine, point, config)
    masks = told(_find_masks(genuine, prior, config, light=light))
    genuine = [
        replace(one, mask=judge_mask(mask.result(), one.found, point))
        for one, mask in zip(genuine, masks, strict=True)
    ]
    cut = _weigh_and_cut(genuine, prior, point, config)
    if prior is not None and _is_crowded(genuine, cut, prior, config.consistency):
        prior = replace(prior, spacing=config.consistency.crowded_spacing)
        cut = _weigh_and_cut(genuine, prior, point, config)
    decoys = score_decoys(genuine, prior, point, config)
    found = Calibration(
        unit="px" if sample[0].pixel_size is None else "Å",
        prior=prior,
        threshold=cut.threshold,
        typical_score=None if cut.empty or config.threshold is not None else cut.evidence.typical_score,
        light=light,
        micrographs=tuple(names),
        estimate=estimate,
        seems_empty=cut.empty,
        evidence=cut.evidence,
        counts=_count_by_size(cut.size[cut.score >= cut.threshold], prior),
        false_discovery_rate=decoys.false_discovery_rate(cut.threshold),
        curve=threshold_curve(decoys),
        decoys=tuple(choose_copied(names, config)),
    )
    return _measure_picks(model, genuine, found, config)


def count_looks(names: Sequence[str], config: PickConfig) -> int:
    """Count how often micrographs are looked at to calibrate on these: a measure of progress."""
    each = 2 + (config.contrast == "auto") + (config.diameter is None)  # candidates and junk in any case
    return each * len(names) + len(choose_copied(names, config))


def _look(
    model: Model,
    sample: Sequence[Micrograph],
    names: Sequence[str],
    estimate: ScaleEstimate | None,
    config: PickConfig,
    *,
    light: bool,
    advance: Advance,
) -> list[Genuine]:
    """Find the candidates of the sample and of its decoys, at the scale that suits the expected diameter."""
    copied = choose_copied(names, config)

    def prepare(index: int) -> tuple[list[View], Decoys | None]:
        name, micrograph = names[index], sample[index]
        diameter = _expected_diameter(micrograph, estimate, config)
        views = prepare_views(model, micrograph.array, diameter, config, light=light)
        if name not in copied:
            return views, None
        return views, prepare_decoys(model, name, micrograph, diameter, views, config)

    def pixels(index: int) -> int:
        return sample[index].array.size * (1 + COPIES * (names[index] in copied))

    genuine = []
    ready = ahead(prepare, range(len(sample)), pixels)
    for name, micrograph, one in zip(names, sample, ready, strict=True):
        views, decoys = one.result()
        found = look(model, views, config)
        advance(name)
        in_decoys = () if decoys is None else look_at_decoys(model, decoys, config)
        if in_decoys:
            advance(name)
        genuine.append(Genuine(name, micrograph, found, in_decoys))
    return genuine


def _find_masks(
    genuine: Sequence[Genuine], prior: SizePrior | None, config: PickConfig, *, light: bool
) -> Iterator[Future[JunkMask | None]]:
    """Find where the micrographs of the sample show no ice, where that changes scores."""

    def find(one: Genuine) -> JunkMask | None:
        return None if config.junk == KEEP else find_mask(one.micrograph, prior, config, light=light)

    return ahead(find, genuine, lambda one: one.micrograph.array.size)


def _weigh_and_cut(
    genuine: Sequence[Genuine], prior: SizePrior | None, point: OperatingPoint, config: PickConfig
) -> _Cut:
    """Weigh the candidates of the sample, tell whether particles are seen, and choose the threshold.

    Where none are, only what scores ``empty_threshold`` is picked, whatever the target, as what lies below is
    mostly false there.
    """
    weighed = [weigh(one.found, one.micrograph, prior, point, config, one.mask) for one in genuine]
    score, size = _pool(genuine, weighed)
    agreement = size_agreement(size, score, prior, config.consistency)
    evidence = find_evidence(score, agreement, len(genuine))
    empty = evidence.seems_empty(point)
    if config.threshold is not None:
        threshold = config.threshold
    elif empty:
        threshold = point.empty_threshold
    else:
        threshold = choose_threshold(score, point, config.thresholding, config.target)
    return _Cut(weighed, score, size, threshold, evidence, empty)


def _is_crowded(genuine: Sequence[Genuine], cut: _Cut, prior: SizePrior, config: ConsistencyConfig) -> bool:
    """Tell whether so many picks are near to each other that particles must overlap, and nearer ones too."""
    near, picks = 0, 0
    for one, seen in zip(cut.weighed, genuine, strict=True):
        which = one.eligible & (one.score >= cut.threshold)
        unit = unit_length(seen.micrograph.pixel_size)
        size = prior.nearest(one.found.diameter[which] * unit) / unit
        near += count_overlapping(one.found.x[which], one.found.y[which], config.crowded_distance * size)
        picks += int(which.sum())
    return picks >= config.crowded_fewest and near >= config.crowded_share * picks


def _pool(genuine: Sequence[Genuine], weighed: Sequence[Weighed]) -> tuple[Floats, Floats]:
    """Give score and diameter of every candidate that could become a pick."""
    scores = [one.score[one.eligible] for one in weighed]
    sizes = [
        one.found.diameter[one.eligible] * unit_length(seen.micrograph.pixel_size)
        for one, seen in zip(weighed, genuine, strict=True)
    ]
    return np.concatenate(scores), np.concatenate(sizes)


def _measure_picks(
    model: Model, genuine: Sequence[Genuine], found: Calibration, config: PickConfig
) -> Calibration:
    """Average picks: how large the mean one looks, and what picks are centred on."""
    if found.prior is None:
        return found
    far, near = average_picks(model, genuine, found.prior, config, light=found.light)
    looks = scale_space_diameter(far, config.cross_check)
    return replace(
        found,
        scale_space_diameter=None if looks is None else looks * found.prior.diameter,
        mean_particle=draw_mean_particle(near, config.cross_check.fewest_picks, config.recentring),
    )


def _prepare_rest(
    model: Model, sample: Iterable[Micrograph], seen: Iterable[Looks], config: PickConfig, *, light: bool
) -> Iterator[Future[dict[int, View]]]:
    """Prepare the views of each micrograph in which the diameter is searched and that were not seen yet."""

    def prepare(one: tuple[Micrograph, Looks]) -> dict[int, View]:
        micrograph, known = one
        sides = sides_of(micrograph.array.shape, config.scale.short_sides_px)
        return prepare_search(
            model, micrograph.array, [side for side in sides if side not in known], light=light
        )

    return ahead(prepare, zip(sample, seen, strict=True), lambda one: one[0].array.size)


def _search_diameter(
    model: Model,
    sample: Iterable[Micrograph],
    seen: Iterable[Looks],
    rest: Iterable[Future[dict[int, View]]],
    config: PickConfig,
) -> ScaleEstimate | None:
    """Find the diameter by the vote of all scales over all micrographs of the sample."""
    found = []
    for micrograph, known, ready in zip(sample, seen, rest, strict=True):
        looks = {**known, **search(model, ready.result(), config.detection)}
        unit = unit_length(micrograph.pixel_size)
        found.append({side: (candidates, unit) for side, candidates in looks.items()})
    return vote(found, config.scale)


def _expected_diameter(
    micrograph: Micrograph, estimate: ScaleEstimate | None, config: PickConfig
) -> float | None:
    """Give the diameter in px of a micrograph: the given one, else the estimate, None without either."""
    if config.diameter is not None:
        return config.diameter.in_px(micrograph.pixel_size)
    return None if estimate is None else estimate.diameter / unit_length(micrograph.pixel_size)


def _learn_prior(genuine: Sequence[Genuine], point: OperatingPoint, config: PickConfig) -> SizePrior | None:
    """Learn the size of the data set's particles, a second one where there clearly is one.

    A diameter given by the user is the first size; its spread is learnt all the same.
    """
    units = [unit_length(one.micrograph.pixel_size) for one in genuine]
    diameter = np.concatenate([one.found.diameter * unit for one, unit in zip(genuine, units, strict=True)])
    score = np.concatenate([calibrated_score(one.found.logit, point) for one in genuine])
    prior = estimate_prior(diameter, score, config.consistency)
    if config.diameter is not None:
        spread = config.consistency.narrowest if prior is None else prior.spread
        told, in_px = config.consistency, config.diameter.in_px(genuine[0].micrograph.pixel_size)
        prior = SizePrior(in_px * units[0], spread, spacing=told.spacing, least_factor=told.least_factor)
    if prior is None or config.size_prior == "soft":
        return prior
    if config.size_prior == "auto":
        return replace(prior, second=_find_second_size(genuine, units, prior, point, config))
    window = config.consistency.window if config.size_prior == "hard" else ANY_SIZE
    return replace(prior, window=window)


def _find_second_size(
    genuine: Sequence[Genuine],
    units: Sequence[float],
    prior: SizePrior,
    point: OperatingPoint,
    config: PickConfig,
) -> float | None:
    """Look for a second size among candidates of which none stands for another's particle."""
    sizes, weights = [], []
    for one, unit in zip(genuine, units, strict=True):
        score = calibrated_score(one.found.logit, point)
        kept = suppress_duplicates(one.found.x, one.found.y, score, 0.5 * one.found.diameter)
        sizes.append(one.found.diameter[kept] * unit)
        weights.append(score[kept] ** 2)
    return find_second_mode(
        np.concatenate(sizes), np.concatenate(weights), prior.diameter, config.consistency
    )


def _count_by_size(size: Floats, prior: SizePrior | None) -> tuple[int, int]:
    second = 0 if prior is None else int(prior.is_second(size).sum())
    return len(size) - second, second
