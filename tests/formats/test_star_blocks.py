"""STAR syntax, alone and in agreement with the starfile package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import starfile
from hypothesis import given
from hypothesis import strategies as st

from cryopick_cli.errors import FormatError
from cryopick_cli.formats.star_blocks import find_block, quoted, read_star_blocks, star_table

MIXED = """# a comment

data_general
_rlnFinalResolution  3.2
_rlnName 'two words'

data_

loop_
_rlnMicrographName #1
_rlnCoordinateX #2
_rlnComment #3
0012 1.5 ""
"my mic.mrc" <NA> it's
data_1/m.mrc 2 x
"""


def test_values_stay_text_and_blocks_keep_their_order(tmp_path: Path) -> None:
    (tmp_path / "f.star").write_text(MIXED)
    general, table = read_star_blocks(tmp_path / "f.star")
    assert general.name == "general"
    assert general.columns == {"rlnFinalResolution": ["3.2"], "rlnName": ["two words"]}
    assert table.texts("rlnMicrographName") == ["0012", "my mic.mrc", "data_1/m.mrc"]
    assert table.texts("rlnComment") == ["", "it's", "x"]
    np.testing.assert_array_equal(table.floats("rlnCoordinateX"), [1.5, np.nan, 2.0])
    assert len(table) == 3
    assert find_block([general, table], "rlnCoordinateX") is table
    assert find_block([general, table], "rlnOther") is None


def test_windows_line_ends_and_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "f.star").write_bytes(b"\xef\xbb\xbfdata_\r\n\r\nloop_\r\n_rlnX #1\r\n1\r\n")
    assert read_star_blocks(tmp_path / "f.star")[0].texts("rlnX") == ["1"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("data_\nloop_\n_a\n_b\n1 2\n3\n", "line 6: found 1 values, expected 2"),
        ("data_\nloop_\n_a\n_a\n", "line 4 repeats the column _a"),
        ("hello\n", "line 1 stands before any data_"),
        ("data_\n_a\n", "found 0 values of _a"),
        ("data_\n1 2\n", "expected a label"),
        ("# nothing\n", "no STAR file"),
    ],
)
def test_errors_name_the_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "f.star").write_text(text)
    with pytest.raises(FormatError, match=message):
        read_star_blocks(tmp_path / "f.star")


def test_missing_binary_and_wrong_values(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="cannot be opened"):
        read_star_blocks(tmp_path / "f.star")
    (tmp_path / "b.star").write_bytes(b"\0" * 1024)
    with pytest.raises(FormatError, match="zero bytes"):
        read_star_blocks(tmp_path / "b.star")
    (tmp_path / "c.star").write_text("data_x\nloop_\n_a\n1\nleft\n")
    block = read_star_blocks(tmp_path / "c.star")[0]
    with pytest.raises(FormatError, match=r"row 2 of _a in data_x is no number .found 'left'"):
        block.floats("a")
    with pytest.raises(FormatError, match=r"no column _b in data_x .found _a"):
        block.texts("b")


def test_agrees_with_starfile(tmp_path: Path) -> None:
    path = tmp_path / "f.star"
    rows = [("a.mrc", "1.500000", "2"), ("b.mrc", "-3.250000", "4")]
    labels = ["rlnMicrographName", "rlnCoordinateX", "rlnClassNumber"]
    path.write_text(star_table("particles", labels, rows))
    theirs = starfile.read(path)
    ours = read_star_blocks(path)[0]
    assert theirs["rlnMicrographName"].tolist() == ours.texts("rlnMicrographName")
    assert theirs["rlnCoordinateX"].tolist() == ours.floats("rlnCoordinateX").tolist()
    again = tmp_path / "again.star"
    starfile.write({"particles": theirs}, again)
    assert read_star_blocks(again)[0].floats("rlnClassNumber").tolist() == [2.0, 4.0]


names = st.text(st.characters(codec="utf-8", min_codepoint=33, exclude_characters="\"'#_"), min_size=1)
rows_of_three = st.lists(st.tuples(names, st.floats(-1e5, 1e5), names), max_size=20)


@given(rows=rows_of_three, name=st.sampled_from(["", "x"]))
def test_round_trip(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, float, str]], name: str
) -> None:
    path = tmp_path_factory.mktemp("star") / "f.star"
    texts = [(quoted(first), f"{number:.6f}", quoted(last)) for first, number, last in rows]
    path.write_text(star_table(name, ["a", "b", "c"], texts), encoding="utf-8", newline="\n")
    (read,) = read_star_blocks(path)
    assert read.name == name
    assert read.texts("a") == [first for first, _, _ in rows]
    assert read.texts("c") == [last for _, _, last in rows]
    np.testing.assert_allclose(read.floats("b"), [number for _, number, _ in rows], atol=5e-7)
