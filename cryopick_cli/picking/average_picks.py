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
from cryopick_cli.picking.mean_particle import Rings, add_rings, measure_rings, no_rings, stand_alone


def average_picks(
    model: Model, genuine: Sequence[Genuine], prior: SizePrior, config: PickConfig, *, light: bool
) -> Rings:
    """Measure the rings about the best picks of the micrographs that show most of them.

    Which they are goes by network and size alone, so that it does not depend on how picks are cut.

    Returns
    -------
    Rings
        ``config.cross_check.reach`` diameters far.
    """
    point, reach = model.card.operating_point, config.cross_check.reach
    pairs = [(one, find_lone(one, prior, point, config)) for one in genuine]
    richest = sorted(pairs, key=lambda pair: -len(pair[1].x))[: config.cross_check.micrographs]

    def measure(pair: tuple[Genuine, Candidates]) -> Rings:
        one, picks = pair
        diameter = prior.diameter / unit_length(one.micrograph.pixel_size)
        view = prepare_views(model, one.micrograph.array, diameter, config, light=light)[0]
        x, y = view.places_in_view(picks.x, picks.y)
        return measure_rings(view.array, x, y, view.across_px(diameter), reach)

    shown = [pair for pair in richest if len(pair[1].x)]
    measured = ahead(measure, shown, lambda pair: pair[0].micrograph.array.size)
    return add_rings([no_rings(reach), *(rings.result() for rings in measured)])


def find_lone(one: Genuine, prior: SizePrior, point: OperatingPoint, config: PickConfig) -> Candidates:
    """Give the best picks of a micrograph that are sure, of the first size, and have no near neighbour."""
    pixel_size, limits = one.micrograph.pixel_size, config.recentring
    kept, score = rank(one.found, pixel_size, prior, point, replace(config, min_distance=None))
    sure = one.found.select(kept[score >= limits.sure])
    unit = unit_length(pixel_size)
    alone = stand_alone(sure.x, sure.y, prior.diameter / unit, config.cross_check.alone)
    first = ~prior.is_second(sure.diameter * unit)
    return sure.select(np.flatnonzero(alone & first)[: limits.picks])
