"""Average sure picks of the sample: choose those that stand alone, and measure the rings about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cryopick_cli.model.weights import Model, OperatingPoint
from cryopick_cli.picking.ahead import ahead
from cryopick_cli.picking.candidates import prepare_views, rank, unit_length
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.consistency import SizePrior
from cryopick_cli.picking.decoys import Genuine
from cryopick_cli.picking.detect import Candidates
from cryopick_cli.picking.edges import is_inside
from cryopick_cli.picking.junk import junk_of
from cryopick_cli.picking.mean_particle import Rings, add_rings, measure_rings, no_rings, stand_alone


def average_picks(
    model: Model, genuine: Sequence[Genuine], prior: SizePrior, config: PickConfig, *, light: bool
) -> tuple[Rings, Rings]:
    """Measure the rings about the best picks of the micrographs that show most of them.

    Which they are goes by network, size and junk alone, so that it does not depend on how picks are cut.

    Returns
    -------
    far, near : Rings
        As far as the cross-check of the diameter looks, and as far as the mean particle goes; the former of
        fewer picks, as those near an edge have no such surroundings.
    """
    point, reaches = model.card.operating_point, (config.cross_check.reach, config.recentring.reach)
    pairs = [(one, find_lone(one, prior, point, config)) for one in genuine]
    richest = sorted(pairs, key=lambda pair: -len(pair[1].x))[: config.cross_check.micrographs]

    def measure(pair: tuple[Genuine, Candidates]) -> list[Rings]:
        one, picks = pair
        diameter = prior.diameter / unit_length(one.micrograph.pixel_size)
        view = prepare_views(model, one.micrograph.array, diameter, config, light=light)[0]
        x, y = view.places_in_view(picks.x, picks.y)
        return [measure_rings(view.array, x, y, view.across_px(diameter), reach) for reach in reaches]

    shown = [pair for pair in richest if len(pair[1].x)]
    measured = [rings.result() for rings in ahead(measure, shown, lambda pair: pair[0].micrograph.array.size)]
    nothing = [no_rings(reach) for reach in reaches]
    far, near = (add_rings(of_reach) for of_reach in zip(nothing, *measured, strict=True))
    return far, near


def find_lone(one: Genuine, prior: SizePrior, point: OperatingPoint, config: PickConfig) -> Candidates:
    """Give the best sure picks of the first size, on ice, wholly inside and without near neighbours."""
    micrograph, limits = one.micrograph, config.recentring
    unit = unit_length(micrograph.pixel_size)
    usual = replace(prior, spacing=config.consistency.spacing)
    kept, score = rank(one.found, micrograph.pixel_size, usual, point, replace(config, min_distance=None))
    sure, diameter = one.found.select(kept[score >= limits.sure]), prior.diameter / unit
    height, width = micrograph.array.shape
    fit = (
        stand_alone(sure.x, sure.y, diameter, config.cross_check.alone)
        & ~prior.is_second(sure.diameter * unit)
        & is_inside(sure.x, sure.y, (height, width), 1.1 * limits.reach * diameter)
        & (junk_of(one.mask, sure.x, sure.y, sure.diameter) == 0)
    )
    return sure.select(np.flatnonzero(fit)[: limits.picks])
