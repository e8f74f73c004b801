"""The life of a micrograph: array, view, network, centres, sizes, junk, duplicates, threshold, picks.

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
from cryopick_cli.picking.candidates import look, prepare_views, unit_length
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.detect import Candidates
from cryopick_cli.picking.recentre import recentre
from cryopick_cli.picking.threshold import adapt_threshold
from cryopick_cli.picking.view import View
from cryopick_cli.picking.weighing import Weighed, find_mask, judge_mask, weigh


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
        Diameter, spread of sizes and threshold of the data set, from
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
        sight = examine(model, prepared, calibration, micrograph.pixel_size, config)
    point = model.card.operating_point
    weighed = weigh(sight.found, micrograph, calibration.prior, point, config, sight.mask)
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


def examine(
    model: Model, prepared: Prepared, calibration: Calibration, pixel_size: float | None, config: PickConfig
) -> Sight:
    """Look at a micrograph: run the network, centre its candidates, ask them whether the mask makes sense."""
    found = look(model, prepared.views, config)
    found = centre(model, found, prepared.views[0], calibration, pixel_size, config)
    return Sight(found, judge_mask(prepared.mask, found, model.card.operating_point))


def centre(
    model: Model,
    found: Candidates,
    view: View,
    calibration: Calibration,
    pixel_size: float | None,
    config: PickConfig,
) -> Candidates:
    """Move candidates of the first size to where they fit the mean particle, where the data set has one."""
    prior, mean = calibration.prior, calibration.mean_particle
    if prior is None or mean is None:
        return found
    unit = unit_length(pixel_size)
    which = ~prior.is_second(found.diameter * unit)
    return recentre(found, view, mean, prior.diameter / unit, which, config.recentring, model.device.device)


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
