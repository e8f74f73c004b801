"""Candidates of a micrograph at the scale that suits its particles; what size and neighbours make of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from cryopick_cli.model.weights import Model, OperatingPoint
from cryopick_cli.picking.averaging import SYMMETRIES_OF, average_looks, turn_back, turn_view
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.consistency import SizePrior
from cryopick_cli.picking.detect import Candidates, detect
from cryopick_cli.picking.duplicates import suppress_duplicates
from cryopick_cli.picking.view import View, prepare_view

# A particle in the view measures no more than this share of the largest that the network covers.
_MOST_OF_LARGEST = 0.8

Floats = NDArray[np.float64]


def unit_length(pixel_size: float | None) -> float:
    """Give the length of a pixel in the unit that diameters are compared in: Å where known, else 1 px."""
    return 1.0 if pixel_size is None else pixel_size


def prepare_views(
    model: Model,
    array: NDArray[np.float32],
    diameter_px: float | None,
    config: PickConfig,
    *,
    light: bool = False,
) -> list[View]:
    """Prepare what the network is shown of a micrograph: a view, or one a scale where looks are averaged.

    The particle is as large in the view as suits the network. Without a diameter the whole view has the
    middle one of the searched short sides.
    """
    factor = working_factor(model, array.shape, diameter_px, config)
    scales = config.averaged_scales if config.quality == "best" else (1.0,)
    working, normalise = model.card.operating_point.working_diameter_px, model.card.network.normalise
    return [prepare_view(array, scale * factor, working, normalise, light=light) for scale in scales]


def look(model: Model, views: Sequence[View], config: PickConfig) -> Candidates:
    """Run the network on the views of a micrograph, turned as the quality has it, and average what it finds.

    Gives candidates in the micrograph's pixels.
    """
    floor = float(np.log(config.detection.floor / (1 - config.detection.floor)))
    symmetries = SYMMETRIES_OF[config.quality]
    return average_looks([_look_turned(model, view, s, config) for view in views for s in symmetries], floor)


def _look_turned(model: Model, view: View, symmetry: int, config: PickConfig) -> Candidates:
    """Run the network on a view turned by one symmetry of the square."""
    found = detect(model, turn_view(view.array, symmetry), config.detection)
    return view.to_micrograph(turn_back(found, view.array.shape, symmetry))


def working_factor(
    model: Model, shape: tuple[int, ...], diameter_px: float | None, config: PickConfig
) -> float:
    """Give how many pixels of a micrograph become one working pixel, along each side.

    The particle gets the network's working diameter, unless the view became too small for the network to
    see its surroundings, as in training; but never more than most of the largest one it knows.
    """
    if diameter_px is None:
        factor = min(shape) / config.scale.middle_px
    else:
        factor = diameter_px / model.card.operating_point.working_diameter_px
    if config.quality == "fast":
        factor *= config.fast_factor
    enough = max(1.0, min(shape) / config.scale.smallest_side_px)
    if diameter_px is not None:
        enough = max(enough, diameter_px / (_MOST_OF_LARGEST * model.card.network.largest_diameter_px))
    return max(min(factor, enough), 1 / config.scale.largest_enlargement)


def rank(
    found: Candidates,
    pixel_size: float | None,
    prior: SizePrior | None,
    point: OperatingPoint,
    config: PickConfig,
    fade: Floats | None = None,
) -> tuple[NDArray[np.int64], Floats]:
    """Tell which candidates stay, one a particle, and how they score by network and size.

    Parameters
    ----------
    fade : (n,) float64, optional
        A further factor on the score of each candidate. It decides which of several candidates for a
        particle stays, so that what fades does not take a better neighbour with it, and the order.

    Returns
    -------
    kept : (k,) int64
        Rows of those above the floor before they fade, without duplicates, by falling faded score.
    score : (k,) float64
        Probability times the size prior's factor, without ``fade``.
    """
    score = calibrated_score(found.logit, point)
    if prior is not None:
        score = score * prior.factor(found.diameter * unit_length(pixel_size))
    distance = least_distance(found, pixel_size, prior, config)
    faded = score if fade is None else score * fade
    above = np.flatnonzero(score >= config.detection.floor)
    kept = above[suppress_duplicates(found.x[above], found.y[above], faded[above], distance[above])]
    return kept, score[kept]


def least_distance(
    found: Candidates, pixel_size: float | None, prior: SizePrior | None, config: PickConfig
) -> Floats:
    """Give how near, px, each candidate lets another one come to it."""
    if config.min_distance is not None:
        return np.full(len(found.x), config.min_distance.in_px(pixel_size))
    if prior is not None:
        unit = unit_length(pixel_size)
        return np.asarray(prior.spacing * prior.nearest(found.diameter * unit) / unit)
    own = float(np.median(found.diameter)) if len(found.x) else 0.0
    return np.full(len(found.x), config.consistency.spacing * own)


def calibrated_score(logit: Floats, point: OperatingPoint) -> Floats:
    """Turn the network's logits into probabilities with the temperature and offset of its card."""
    return np.asarray(expit(logit / point.temperature + point.offset), dtype=np.float64)
