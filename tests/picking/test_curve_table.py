"""The threshold curve as a table: its columns, counts a micrograph, and one block a kind."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from cryopick_cli.picking.calibrate import Calibration
from cryopick_cli.picking.curve_table import COLUMNS, make_curve_table, write_curve_table
from cryopick_cli.picking.threshold import CurvePoint

CURVE = (CurvePoint(0.05, 30, 0.5), CurvePoint(0.1, 9, 0.0))


def calibration(*decoys: str) -> Calibration:
    return Calibration(unit="Å", prior=None, threshold=0.3, curve=CURVE, decoys=decoys)


def test_every_kind_has_its_curve_with_picks_in_all_and_a_micrograph(tmp_path: Path) -> None:
    write_curve_table(tmp_path, {"Å": calibration("a", "b", "c", "d"), "64x64 px": calibration("e")})
    table = pd.read_csv(tmp_path / "threshold_curve.csv")
    assert tuple(table.columns) == COLUMNS
    assert table.to_numpy().tolist() == [
        ["Å", 0.05, 30, 7.5, 0.5],
        ["Å", 0.1, 9, 2.25, 0.0],
        ["64x64 px", 0.05, 30, 30.0, 0.5],
        ["64x64 px", 0.1, 9, 9.0, 0.0],
    ]


def test_where_nothing_was_learnt_the_table_is_empty() -> None:
    """Also for records of runs that did not name the micrographs with decoys."""
    for calibrations in ({}, {"Å": calibration()}):
        table = make_curve_table(calibrations)
        assert tuple(table.columns) == COLUMNS
        assert table.empty
