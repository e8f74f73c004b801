"""BOX files: corners, rounding, the score column, odd boxes, what other programs write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryopick_cli.errors import FormatError
from cryopick_cli.formats.box import read_box, write_box
from cryopick_cli.formats.coordinates import WriteOptions, empty_coordinates, make_coordinates


def test_the_row_is_the_corner_the_edge_twice_and_the_score(tmp_path: Path) -> None:
    table = make_coordinates([100.4, 20], [49.6, 30], score=[0.4, 0.9])
    write_box(tmp_path / "m.box", table, WriteOptions(box_size_px=64))
    assert (tmp_path / "m.box").read_text() == "-12\t-2\t64\t64\t0.9\n68\t18\t64\t64\t0.4\n"


def test_scores_stand_in_full_and_without_an_exponent(tmp_path: Path) -> None:
    score = np.array([0.9999995, 1 / 3, 3e-7])
    write_box(tmp_path / "m.box", make_coordinates(np.arange(3), 2, score=score), WriteOptions(box_size_px=8))
    assert "e" not in (tmp_path / "m.box").read_text()
    assert read_box(tmp_path / "m.box")["score"].tolist() == score.tolist()


@pytest.mark.parametrize("box_size", [1, 63, 64])
def test_whole_centres_come_back_exactly_from_even_and_odd_boxes(tmp_path: Path, box_size: int) -> None:
    table = make_coordinates([0, 17, 400], [3, 0, 9])
    write_box(tmp_path / "m.box", table, WriteOptions(box_size_px=box_size))
    read = read_box(tmp_path / "m.box")
    assert read["x"].tolist() == [0, 17, 400]
    assert read["y"].tolist() == [3, 0, 9]
    assert read["box_size_px"].tolist() == [box_size] * 3
    assert read["score"].isna().all()
    assert read["diameter_px"].isna().all()


@pytest.mark.parametrize(
    ("text", "x", "score"),
    [
        ("68\t18\t64\t64\n", 100.0, np.nan),  # e2boxer
        ("68.25\t18.5\t63.5\t64.0\n", 100.0, np.nan),  # crYOLO
        ("  68   18   64   64   -3\n", 100.0, np.nan),  # EMAN 1
        ("68,18,64,64,0.75\n", 100.0, 0.75),
        ("# x y w h\n100\t50\t0\t0\n", 100.0, np.nan),  # crYOLO without a box size
    ],
)
def test_what_other_programs_write(tmp_path: Path, text: str, x: float, score: float) -> None:
    (tmp_path / "m.box").write_text(text)
    read = read_box(tmp_path / "m.box")
    assert read.loc[0, "x"] == x
    np.testing.assert_equal(read.loc[0, "score"], score)


def test_no_picks_are_an_empty_file(tmp_path: Path) -> None:
    write_box(tmp_path / "m.box", empty_coordinates(), WriteOptions())
    assert (tmp_path / "m.box").read_bytes() == b""
    assert len(read_box(tmp_path / "m.box")) == 0


def test_rejected_picks_are_left_out(tmp_path: Path) -> None:
    table = make_coordinates([1, 2], [3, 4], accepted=[False, True])
    write_box(tmp_path / "m.box", table, WriteOptions(box_size_px=2))
    assert read_box(tmp_path / "m.box")["x"].tolist() == [2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 2 3\n", "line 1: found 3 numbers, expected 4"),
        ("1 2 3 4\n1 2 3 4 5\n", "line 2: found 5 numbers, expected 4"),
        ("x y w h\n1 2 3 4\n", "line 1 is no row of numbers"),
        ("1 2 64 64 -1\n50 60 64 64 -2\n", "ends of filaments"),
    ],
)
def test_files_that_are_no_boxes(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "m.box").write_text(text)
    with pytest.raises(FormatError, match=message):
        read_box(tmp_path / "m.box")
