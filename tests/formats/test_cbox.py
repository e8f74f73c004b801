"""CBOX files: crYOLO 1.8's form and the old one, all candidates, what is no particle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import starfile

from cryopick_cli.errors import FormatError
from cryopick_cli.formats.cbox import read_cbox, write_cbox
from cryopick_cli.formats.coordinates import WriteOptions, empty_coordinates, make_coordinates

# As crYOLO 1.8 and later write it: corners, <NA> where there is nothing.
CRYOLO = """
data_global

_cbox_format_version 1.0
 

data_cryolo

loop_
_CoordinateX #1
_CoordinateY #2
_CoordinateZ #3
_Width #4
_Height #5
_Depth #6
_EstWidth #7
_EstHeight #8
_Confidence #9
_NumBoxes #10
_Angle #11
1183.0 2561.5 <NA> 220 220 <NA> 204.8 198.2 0.912 <NA> <NA>
10.25 -8.5 <NA> 220 220 <NA> 190 190 0.305 1.0 <NA>
 

data_cryolo_include

loop_
_slice_index #1
 
"""  # noqa: W293


def test_cryolos_form(tmp_path: Path) -> None:
    (tmp_path / "m.cbox").write_text(CRYOLO)
    table = read_cbox(tmp_path / "m.cbox")
    assert table["x"].tolist() == [1293.0, 120.25]
    assert table["y"].tolist() == [2671.5, 101.5]
    assert table["diameter_px"].tolist() == pytest.approx([201.5, 190])
    assert table["score"].tolist() == [0.912, 0.305]
    assert table["box_size_px"].tolist() == [220, 220]
    assert table["accepted"].all()


def test_written_files_hold_every_candidate_in_the_table_s_order(tmp_path: Path) -> None:
    table = make_coordinates(
        [100.25, 50], [10, 20.5], score=[0.2, 0.8], diameter_px=[40.5, 41], accepted=[False, True]
    )
    write_cbox(tmp_path / "m.cbox", table, WriteOptions(box_size_px=60))
    read = read_cbox(tmp_path / "m.cbox")
    for column in ("x", "y", "score", "diameter_px"):
        assert read[column].tolist() == table[column].tolist()
    blocks = starfile.read(tmp_path / "m.cbox", always_dict=True)
    assert list(blocks) == ["global", "cryolo", "cryolo_include"]
    assert blocks["cryolo"]["CoordinateX"].tolist() == [70.25, 20.0]


def test_scores_stand_in_full(tmp_path: Path) -> None:
    score = np.array([0.9999995, 1 / 3, 3e-7])
    table = make_coordinates(np.arange(3), 2, score=score, diameter_px=5)
    write_cbox(tmp_path / "m.cbox", table, WriteOptions(box_size_px=8))
    assert read_cbox(tmp_path / "m.cbox")["score"].tolist() == score.tolist()
    found = starfile.read(tmp_path / "m.cbox", always_dict=True)["cryolo"]["Confidence"]
    assert found.tolist() == score.tolist()


def test_an_unknown_size_and_score_stay_unknown(tmp_path: Path) -> None:
    write_cbox(tmp_path / "m.cbox", make_coordinates([5], [6]), WriteOptions(box_size_px=8))
    read = read_cbox(tmp_path / "m.cbox")
    assert np.isnan(read.loc[0, "diameter_px"])
    assert np.isnan(read.loc[0, "score"])


def test_the_old_form(tmp_path: Path) -> None:
    (tmp_path / "m.cbox").write_text("100\t50\t64\t64\t0.9\t70\t74\n20.5\t30.25\t64\t64\t0.4\t60\t60\n")
    table = read_cbox(tmp_path / "m.cbox")
    assert table["x"].tolist() == [132, 52.5]
    assert table["score"].tolist() == [0.9, 0.4]
    assert table["diameter_px"].tolist() == [72, 60]
    (tmp_path / "m.cbox").write_text("100 50 64 64 0.9\n")
    assert np.isnan(read_cbox(tmp_path / "m.cbox").loc[0, "diameter_px"])


def test_no_picks(tmp_path: Path) -> None:
    write_cbox(tmp_path / "m.cbox", empty_coordinates(), WriteOptions())
    assert len(read_cbox(tmp_path / "m.cbox")) == 0
    (tmp_path / "cryolo.cbox").write_text("")
    assert len(read_cbox(tmp_path / "cryolo.cbox")) == 0


def test_filaments_and_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "f.cbox").write_text(CRYOLO.replace("_Angle", "_filamentid"))
    with pytest.raises(FormatError, match="holds filaments"):
        read_cbox(tmp_path / "f.cbox")
    (tmp_path / "s.cbox").write_text("data_\nloop_\n_rlnCoordinateX\n1\n")
    with pytest.raises(FormatError, match="is no CBOX file"):
        read_cbox(tmp_path / "s.cbox")
