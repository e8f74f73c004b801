"""Every format through one door: round trips of each, of all pairs, and what is refused."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryopick_cli.errors import ConfigError, FormatError, OutputError
from cryopick_cli.formats.coordinates import MicrographInfo, WriteOptions, empty_coordinates, make_coordinates
from cryopick_cli.formats.registry import FORMATS, find_format, format_of, read_coordinates, write_coordinates

NAME = "Movies/m1.mrc"
OPTIONS = WriteOptions(
    box_size_px=128, micrographs={NAME: MicrographInfo(shape=(8184, 11520), uid=1)}, overwrite=True
)
within = st.floats(0, 11519.0, allow_nan=False)
tables = st.lists(
    st.tuples(within, st.floats(0, 8183.0), st.floats(0.001, 0.999), st.floats(12.0, 900.0)), max_size=12
).map(
    lambda rows: make_coordinates(
        *np.array([row[:2] for row in rows]).reshape(-1, 2).T,
        micrograph=NAME,
        score=[row[2] for row in rows],
        diameter_px=[row[3] for row in rows],
    )
)


def through(folder: Path, table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Write and read a table in one format; names the micrograph again where the format does not."""
    path = folder / f"m{FORMATS[name].suffix}"
    write_coordinates(path, table, name, OPTIONS)
    read = read_coordinates(path, name)
    if "micrograph" not in read.columns:
        read.insert(0, "micrograph", pd.Series([NAME] * len(read), dtype=object))
    return read.assign(micrograph=NAME)


def assert_same_centres(table: pd.DataFrame, read: pd.DataFrame, *names: str) -> None:
    """Find each centre within 0.01 px, or half a pixel where a format holds whole pixels, and no others."""
    allowed = 0.01 + 0.5 * any(FORMATS[name].rounding != "none" for name in names)
    assert len(read) == len(table)
    written, back = (frame[["x", "y"]].to_numpy() for frame in (table, read))
    for centre in written:
        assert np.abs(back - centre).max(axis=1).min() <= allowed
    for centre in back:
        assert np.abs(written - centre).max(axis=1).min() <= allowed


@given(table=tables)
@pytest.mark.parametrize("name", FORMATS)
def test_centres_survive_every_format(
    tmp_path_factory: pytest.TempPathFactory, name: str, table: pd.DataFrame
) -> None:
    read = through(tmp_path_factory.mktemp("trip"), table, name)
    assert_same_centres(table, read, name)


@given(table=tables.filter(len))
@pytest.mark.parametrize("name", FORMATS)
def test_the_columns_a_format_keeps_survive(
    tmp_path_factory: pytest.TempPathFactory, name: str, table: pd.DataFrame
) -> None:
    table = table.assign(
        figure_of_merit=table["score"], box_size_px=128.0, diameter_A=table["diameter_px"] * 0.5
    )
    read = through(tmp_path_factory.mktemp("trip"), table, name)
    for column in FORMATS[name].keeps:
        np.testing.assert_allclose(np.sort(read[column]), np.sort(table[column]), atol=0.001, rtol=1e-6)


@settings(max_examples=8)  # for each of all pairs
@given(table=tables)
@pytest.mark.parametrize(("first", "second"), list(itertools.product(FORMATS, repeat=2)))
def test_centres_survive_every_pair_of_formats(
    tmp_path_factory: pytest.TempPathFactory, first: str, second: str, table: pd.DataFrame
) -> None:
    """Within 0.01 px of where they were, or of the whole pixel where a format says it holds whole ones."""
    folder = tmp_path_factory.mktemp("pair")
    (folder / "1").mkdir()
    (folder / "2").mkdir()
    once = through(folder / "1", table, first)
    assert_same_centres(table, once, first)
    twice = through(folder / "2", once, second)
    # What was rounded once is whole, so only a first rounding moves it.
    assert_same_centres(once, twice, second if FORMATS[first].rounding == "none" else "csv")
    assert_same_centres(table, twice, first, second)


@pytest.mark.parametrize("name", FORMATS)
def test_no_picks_survive_every_format(tmp_path: Path, name: str) -> None:
    read = through(tmp_path, empty_coordinates(with_micrograph=True), name)
    assert len(read) == 0


@pytest.mark.parametrize("name", FORMATS)
def test_rejected_candidates_are_written_only_where_the_format_says_so(tmp_path: Path, name: str) -> None:
    table = make_coordinates([10, 20], [10, 20], micrograph=NAME, score=0.5, accepted=[True, False])
    read = through(tmp_path, table, name)
    assert len(read) == (2 if FORMATS[name].rejected_too else 1)


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_is_overwritten_unless_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / f"m{FORMATS[name].suffix}"
    path.write_text("mine")
    table = make_coordinates([1], [2], micrograph=NAME)
    options = WriteOptions(box_size_px=64, micrographs=OPTIONS.micrographs)
    with pytest.raises(OutputError, match="is there already"):
        write_coordinates(path, table, name, options)
    assert path.read_text() == "mine"


@pytest.mark.parametrize("name", FORMATS)
def test_the_suffix_leads_to_a_reader_of_the_format(tmp_path: Path, name: str) -> None:
    one = FORMATS[name]
    known = format_of(f"deep/er/m{one.suffix}")
    assert known is not None
    assert known.read is one.read


@pytest.mark.parametrize("name", ["star", "box", "cbox", "eman2", "warp"])
def test_two_micrographs_do_not_go_into_a_file_for_one(tmp_path: Path, name: str) -> None:
    table = make_coordinates([1, 2], [3, 4], micrograph=["a.mrc", "b.mrc"])
    with pytest.raises(OutputError, match="found 2 micrographs, expected 1"):
        write_coordinates(tmp_path / "m", table, name, OPTIONS)


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="found 'xml', expected one of star"):
        find_format("xml")
    with pytest.raises(FormatError, match="tells no coordinate format"):
        read_coordinates(tmp_path / "m.xml")
    with pytest.raises(FormatError, match=r"m\.mrc: a micrograph's name tells no coordinate format"):
        read_coordinates(tmp_path / "m.mrc")
    with pytest.raises(OutputError, match="tells no coordinate format"):
        write_coordinates(tmp_path / "m.xml", empty_coordinates())
    with pytest.raises(OutputError, match="lacks that column"):
        write_coordinates(tmp_path / "m.cs", make_coordinates([1], [1]))
