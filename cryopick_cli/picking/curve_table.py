"""The table `threshold_curve.csv`: what other thresholds would give, by kind of micrograph."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from cryopick_cli.formats.atomic import write_text
from cryopick_cli.picking.calibrate import Calibration
from cryopick_cli.picking.run_folder import CURVE_FILE

COLUMNS = ("kind", "threshold", "picks", "picks_per_micrograph", "false_discovery_rate")


def make_curve_table(calibrations: Mapping[str, Calibration]) -> pd.DataFrame:
    """Give picks and their estimated share of false ones over the threshold, in the micrographs with decoys.

    Parameters
    ----------
    calibrations : Mapping
        By kind of micrograph.

    Returns
    -------
    DataFrame
        ``COLUMNS``; empty where nothing could be calibrated.
    """
    lines = [
        (
            kind,
            point.threshold,
            point.picks,
            round(point.picks / len(one.decoys), 2),
            point.false_discovery_rate,
        )
        for kind, one in calibrations.items()
        for point in one.curve
        if one.decoys
    ]
    return pd.DataFrame(lines, columns=list(COLUMNS))


def write_curve_table(folder: Path, calibrations: Mapping[str, Calibration]) -> None:
    """Write the table into a run's folder, in place of an earlier one.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    text = make_curve_table(calibrations).to_csv(index=False, lineterminator="\n")
    write_text(folder / CURVE_FILE, text, overwrite=True)
