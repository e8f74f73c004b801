"""CSV, TSV and Topaz tables: headers and their aliases, types, the contract's column order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cryopick_cli.errors import FormatError
from cryopick_cli.formats.coordinates import WriteOptions, empty_coordinates, log_odds, make_coordinates
from cryopick_cli.formats.delimited import read_delimited, write_csv, write_topaz, write_tsv
from cryopick_cli.formats.registry import Writer


def test_the_columns_stand_in_the_order_of_the_contract(tmp_path: Path) -> None:
    table = make_coordinates(
        [1.23456], [2], micrograph="m, 1.mrc", score=0.123456789, diameter_px=90, accepted=False
    )
    write_csv(tmp_path / "p.csv", table, WriteOptions())
    assert (tmp_path / "p.csv").read_text() == (
        "micrograph,x,y,diameter_px,diameter_A,score,accepted,figure_of_merit\n"
        '"m, 1.mrc",1.235,2.0,90.0,,0.123456789,False,\n'
    )
    read = read_delimited(tmp_path / "p.csv")
    assert read.loc[0, "micrograph"] == "m, 1.mrc"
    assert not read.loc[0, "accepted"]


@pytest.mark.parametrize(
    ("text", "x", "diameter"),
    [
        ("x,y,diameter\n10,20,72.5\n", 10, 72.5),
        ("x;y;diameter_px\n10;20;72.5\n", 10, 72.5),
        ("x\ty\n10\t20\n", 10, None),
        ("x y diameter\n  10   20 72.5\n", 10, 72.5),
        ("Y, X\n20, 10\n", 10, None),
        ("X-Coordinate,Y-Coordinate,Diameter,Other\n10,20,72.5,abc\n", 10, 72.5),
        ("image_name\tx_coord\ty_coord\tscore\nm1\t10\t20\t-1.5\n", 10, None),
        ("\ufeffx,y\r\n10,20\r\n\r\n", 10, None),
        ("\nx,y\n10,20", 10, None),
    ],
)
def test_headers_from_the_wild(tmp_path: Path, text: str, x: float, diameter: float | None) -> None:
    (tmp_path / "p.csv").write_bytes(text.encode())
    table = read_delimited(tmp_path / "p.csv")
    assert table["x"].tolist() == [x]
    assert table["y"].tolist() == [20]
    assert table["accepted"].all()
    assert (table["diameter_px"].tolist() == [diameter]) if diameter else table["diameter_px"].isna().all()


def test_names_that_look_like_numbers_stay_names(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_text("image_name\tx_coord\ty_coord\tscore\n0012\t1\t2\t0.5\n")
    assert read_delimited(tmp_path / "p.txt")["micrograph"].tolist() == ["0012"]


def test_references_keep_what_is_visible_and_ignored(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("x,y,diameter_px,visible,ignore\n1,2,90,0.75,true\n3,4,90,1,0\n")
    table = read_delimited(tmp_path / "r.csv")
    assert table["visible"].tolist() == [0.75, 1.0]
    assert table["ignore"].tolist() == [True, False]
    write_csv(tmp_path / "again.csv", table, WriteOptions())
    assert read_delimited(tmp_path / "again.csv").equals(table)


@pytest.mark.parametrize("write", [write_csv, write_tsv, write_topaz])
def test_scores_near_0_and_1_keep_their_log_odds(tmp_path: Path, write: Writer) -> None:
    score = np.array([0.9999996, 0.9999995, 1 / 3, 3e-7, 2e-7])
    table = make_coordinates(np.arange(5), 2, micrograph="m1", score=score, threshold=score)
    write(tmp_path / "p.txt", table, WriteOptions())
    read = read_delimited(tmp_path / "p.txt")
    np.testing.assert_array_equal(log_odds(read["score"].to_numpy()), log_odds(score))
    assert "threshold" not in read or read["threshold"].tolist() == score.tolist()


def test_no_picks(tmp_path: Path) -> None:
    write_csv(tmp_path / "p.csv", empty_coordinates(with_micrograph=True), WriteOptions())
    read = read_delimited(tmp_path / "p.csv")
    assert len(read) == 0
    assert "micrograph" in read.columns


def test_topaz_takes_whole_pixels_and_bare_names(tmp_path: Path) -> None:
    table = make_coordinates([1.6, 2.4], [3, 4], micrograph=["a/b/m1.mrc", "m2.mrc.gz"], score=[0.1, 0.9])
    write_topaz(tmp_path / "p.txt", table, WriteOptions())
    assert (tmp_path / "p.txt").read_text() == (
        "image_name\tx_coord\ty_coord\tscore\nm2\t2\t4\t0.9\nm1\t2\t3\t0.1\n"
    )


def test_scores_that_are_no_probabilities_are_figures_of_merit(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("x,y,score\n1,2,0.5\n3,4,\n5,6,-0.1\n")
    table = read_delimited(tmp_path / "p.csv")
    np.testing.assert_array_equal(table["figure_of_merit"], [0.5, np.nan, -0.1])
    assert table["score"].isna().all()
    (tmp_path / "both.csv").write_text("x,y,score,figure_of_merit\n1,2,1.5,3\n")
    table = read_delimited(tmp_path / "both.csv")
    assert table[["score", "figure_of_merit"]].to_numpy().tolist() == [[1.5, 3.0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("10,20\n30,40\n", "no column x and y .found 10, 20"),
        ("x,y\n1,2\n3\n", "line 3: found 1 values, expected 2"),
        ("x,y\n1,left\n", "column y does not hold float64"),
        ("x,y,accepted\n1,2,maybe\n", "column accepted: found 'maybe'"),
        ("x,y\n1,\n", "row 1 has no finite x and y"),
    ],
)
def test_errors_say_where(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(FormatError, match=message):
        read_delimited(tmp_path / "p.csv")
