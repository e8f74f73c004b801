"""The life of a micrograph: array -> view -> network -> size prior -> duplicates -> threshold -> picks.

:func:`pick_micrograph` is the whole product for one micrograph in memory; files and many micrographs are in
``batch.py``, what has to be learnt of a data set first is in ``calibrate.py``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from cryopick_cli.formats.coordinates import make_coordinates
from cryopick_cli.formats.micrograph import Micrograph
from cryopick_cli.model.weights import Model
from cryopick_cli.picking.calibrate import Calibration
from cryopick_cli.picking.candidates import find_candidates, weigh
from cryopick_cli.picking.config import PickConfig
from cryopick_cli.picking.detect import Candidates


def pick_micrograph(
    model: Model,
    micrograph: Micrograph,
    calibration: Calibration,
    config: PickConfig,
    found: Candidates | None = None,
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

    Returns
    -------
    DataFrame
        Every candidate above the floor by falling score: ``x, y`` (centre, px of the micrograph),
        ``diameter_px``, ``diameter_A`` (NaN without pixel size), ``score`` (0 to 1), ``figure_of_merit``
        (log-odds of the score), ``accepted`` (score at or above the threshold).
    """
    if found is None:
        diameter = calibration.diameter_px(micrograph.pixel_size)
        found = find_candidates(model, micrograph.array, diameter, config, light=calibration.light)
    found, score = weigh(found, micrograph.pixel_size, calibration.prior, model.card.operating_point, config)
    pixel_size = np.nan if micrograph.pixel_size is None else micrograph.pixel_size
    bounded = np.clip(score, 1e-6, 1 - 1e-6)
    return make_coordinates(
        found.x,
        found.y,
        diameter_px=found.diameter,
        diameter_A=found.diameter * pixel_size,
        score=score,
        figure_of_merit=np.log(bounded / (1 - bounded)),
        accepted=score >= calibration.threshold,
    )
