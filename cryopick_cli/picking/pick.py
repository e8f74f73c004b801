"""The life of a micrograph: array, view, network, sizes, junk, duplicates, centres, threshold, picks.

:func:`pick_micrograph` is the whole product for one micrograph in memory; files and many micrographs are in
``batch.py``, what has to be learnt of a data set first is in ``calibrate.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryopick_cli.formats.coordinates import log_odds, make_coordinates
from cryopick_cli.formats.micrograph import Micrograph
from cryopick_cli.imaging.junk import JunkMask
from cryopick_cli.model.weights import Model, OperatingPoint
from cryopick_cli.picking.calibrate import Calibration
from cryopick_cli.picking.candidates import least_distance, look, prepare_views, unit_length
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.detect import Candidates
from cryopick_cli.picking.recentre import may_move, recentre
from cryopick_cli.picking.threshold import adapt_threshold
from cryopick_cli.picking.view import View
from cryopick_cli.picking.weighing import Weighed, find_mask, judge_mask, weigh, weigh_places


@dataclass(frozen=True)
class Prepared:
    """A micrograph as the network is to see it, and where it seems to show no ice."""

    views: list[View]
    mask: JunkMask | None


@dataclass(frozen=True)
class Sight:
    """What is seen in a micrograph before anything is decided: candidates, and where there is no ice."""

    found: Candidates
    mask: JunkMask | None = None
    """None where it was not looked for, so that nothing lies on junk."""
    view: View | None = None
    """What the network was shown; None leaves candidates where they are found."""


def pick_micrograph(
    model: Model,
    micrograph: Micrograph,
    calibration: Calibration,
    config: PickConfig,
    sight: Sight | None = None,
) -> pd.DataFrame:
    """Pick the particles of one micrograph.

    Parameters
    ----------
    model : Model
        Network and weights on their device.
    micrograph : Micrograph
        (h, w) float32 with its pixel size, or None where that is unknown.
    calibration : Calibration
        Diameter, spread of sizes, threshold and mean particle of the data set, from
        :func:`~cryopick_cli.picking.calibrate.calibrate`.
    config : PickConfig
    sight : Sight, optional
        From :func:`examine`, where that was done already.

    Returns
    -------
    DataFrame
        Every candidate above the floor by falling score: ``x, y`` (centre, px of the micrograph),
        ``diameter_px``, ``diameter_A`` (NaN without pixel size), ``score`` (0 to 1), ``figure_of_merit``
        (log-odds of the score), ``accepted`` (score at or above the threshold, not too near to the edge and
        not on junk that is dropped), ``junk`` (share of the particle's disc on junk, 0 to 1),
        ``score_without_junk`` (the score where junk does not count) and ``threshold``. The last three are
        what a later cut must know.
    """
    if sight is None:
        prepared = prepare(model, micrograph, calibration, config)
        sight = examine(model, prepared, config)
    point = model.card.operating_point
    weighed = weigh(sight.found, micrograph, calibration.prior, point, config, sight.mask)
    weighed = centre(weighed, sight.view, micrograph, calibration, config)
    threshold = _threshold_of(weighed, calibration, point, config)
    accepted = weighed.eligible & (weighed.score >= threshold)
    return _as_table(
        weighed, micrograph.pixel_size, accepted=accepted, threshold=np.full(len(accepted), threshold)
    )


def _threshold_of(
    weighed: Weighed, calibration: Calibration, point: OperatingPoint, config: PickConfig
) -> float:
    """Give the micrograph's own threshold; the data set's where that was given or is for nothing seen."""
    typical = calibration.typical_score
    if typical is None:
        return calibration.threshold
    return adapt_threshold(
        weighed.score[weighed.eligible], typical, point, config.thresholding, config.target
    )


def prepare(model: Model, micrograph: Micrograph, calibration: Calibration, config: PickConfig) -> Prepared:
    """Do all that must be done before the network looks; it may be done in a thread of its own."""
    diameter, light = calibration.diameter_px(micrograph.pixel_size), calibration.light
    views = prepare_views(model, micrograph.array, diameter, config, light=light)
    return Prepared(views, find_mask(micrograph, calibration.prior, config, light=light))


def examine(model: Model, prepared: Prepared, config: PickConfig) -> Sight:
    """Look at a micrograph: run the network, and ask its candidates whether the mask of junk makes sense."""
    found, view = look(model, prepared.views, config), prepared.views[0]
    return Sight(found, judge_mask(prepared.mask, found, model.card.operating_point), view)


def centre(
    weighed: Weighed, view: View | None, micrograph: Micrograph, calibration: Calibration, config: PickConfig
) -> Weighed:
    """Move candidates of the first size, on ice, to where they fit the mean particle, if there is one."""
    prior, mean = calibration.prior, calibration.mean_particle
    if view is None or prior is None or mean is None:
        return weighed
    unit, settings = unit_length(micrograph.pixel_size), config.recentring
    diameter = prior.diameter / unit
    least = float(np.max(least_distance(weighed.found, micrograph.pixel_size, prior, config), initial=0.0))
    which = may_move(weighed.found, weighed.score_without_junk, diameter, least, settings)
    which &= (weighed.junk == 0) & ~prior.is_second(weighed.found.diameter * unit)
    found = recentre(weighed.found, which, view, mean, diameter, settings)
    return weigh_places(weighed, found, micrograph, prior, config)


def _as_table(weighed: Weighed, pixel_size: float | None, **columns: NDArray[Any]) -> pd.DataFrame:
    found = weighed.found
    return make_coordinates(
        found.x,
        found.y,
        diameter_px=found.diameter,
        diameter_A=found.diameter * (np.nan if pixel_size is None else pixel_size),
        score=weighed.score,
        figure_of_merit=log_odds(weighed.score),
        junk=weighed.junk,
        score_without_junk=weighed.score_without_junk,
        **columns,
    )
