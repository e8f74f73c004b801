"""The life of a micrograph: array -> view -> network -> sizes -> duplicates -> junk -> threshold -> picks.

:func:`pick_micrograph` is the whole product for one micrograph in memory; files and many micrographs are in
``batch.py``, what has to be learnt of a data set first is in ``calibrate.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryopick_cli.formats.coordinates import make_coordinates
from cryopick_cli.formats.micrograph import Micrograph
from cryopick_cli.imaging.junk import JunkMask, find_junk
from cryopick_cli.model.weights import Model
from cryopick_cli.picking.calibrate import Calibration
from cryopick_cli.picking.candidates import calibrated_score, find_candidates, rank
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.detect import Candidates
from cryopick_cli.picking.edges import edge_px, is_inside
from cryopick_cli.picking.junk import allowed, fade_of, junk_of


def pick_micrograph(
    model: Model,
    micrograph: Micrograph,
    calibration: Calibration,
    config: PickConfig,
    found: Candidates | None = None,
    mask: JunkMask | None = None,
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
    found : Candidates, optional
        The network's candidates, where calibration has found them already.
    mask : JunkMask, optional
        Where there is no ice, from :func:`find_mask`; without it no candidate lies on junk.

    Returns
    -------
    DataFrame
        Every candidate above the floor by falling score: ``x, y`` (centre, px of the micrograph),
        ``diameter_px``, ``diameter_A`` (NaN without pixel size), ``score`` (0 to 1), ``figure_of_merit``
        (log-odds of the score), ``accepted`` (score at or above the threshold, not too near to the edge and
        not on junk that is dropped), ``junk`` (share of the particle's disc on junk, 0 to 1).
    """
    if found is None:
        diameter = calibration.diameter_px(micrograph.pixel_size)
        found = find_candidates(model, micrograph.array, diameter, config, light=calibration.light)
    point = model.card.operating_point
    evidence = calibrated_score(found.logit, point)
    junk = junk_of(mask, found.x, found.y, found.diameter, evidence)
    kept, score = rank(
        found, micrograph.pixel_size, calibration.prior, point, config, fade_of(junk, config.junk)
    )
    found, junk = found.select(kept), junk[kept]
    accepted = (score >= calibration.threshold) & allowed(junk, config.junk)
    accepted &= _is_inside(found, micrograph, calibration, config)
    return _as_table(found, score, micrograph.pixel_size, accepted=accepted, junk=junk)


def _as_table(
    found: Candidates, score: NDArray[np.float64], pixel_size: float | None, **columns: NDArray[Any]
) -> pd.DataFrame:
    bounded = np.clip(score, 1e-6, 1 - 1e-6)
    return make_coordinates(
        found.x,
        found.y,
        diameter_px=found.diameter,
        diameter_A=found.diameter * (np.nan if pixel_size is None else pixel_size),
        score=score,
        figure_of_merit=np.log(bounded / (1 - bounded)),
        **columns,
    )


def find_mask(micrograph: Micrograph, calibration: Calibration, config: PickConfig) -> JunkMask | None:
    """Find where a micrograph shows no ice; None where the size of particles, and so of junk, is unknown."""
    diameter = calibration.diameter_px(micrograph.pixel_size)
    if diameter is None:
        return None
    return find_junk(micrograph.array, diameter, config.masking, light=calibration.light)


def _is_inside(
    found: Candidates, micrograph: Micrograph, calibration: Calibration, config: PickConfig
) -> NDArray[np.bool_]:
    """Tell which candidates are as far from the edge as is asked for."""
    height, width = micrograph.array.shape
    box = calibration.box_size_px(micrograph.pixel_size)
    return is_inside(found.x, found.y, (height, width), edge_px(config.edge, micrograph.pixel_size, box))
