"""The table's types, its checks, and joining and splitting it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from cryopick_cli.errors import FormatError, OutputError
from cryopick_cli.formats.coordinates import (
    COLUMNS,
    WriteOptions,
    accepted_only,
    box_size_for,
    check_coordinates,
    concat_coordinates,
    empty_coordinates,
    make_coordinates,
    merit_or_log_odds,
    split_by_micrograph,
)


def test_the_empty_table_has_every_column_of_its_type() -> None:
    table = empty_coordinates()
    assert tuple(table.columns) == COLUMNS
    assert [str(dtype) for dtype in table.dtypes] == ["float64"] * 6 + ["bool"]
    assert empty_coordinates(with_micrograph=True).columns[0] == "micrograph"


def test_what_is_not_given_is_unknown_and_accepted() -> None:
    table = make_coordinates([1, 2], [3, 4], score=[0.5, 0.6])
    assert table["diameter_px"].isna().all()
    assert table["accepted"].all()
    assert table["x"].tolist() == [1.0, 2.0]


def test_unknown_columns_are_a_programming_error() -> None:
    with pytest.raises(ValueError, match="unknown columns"):
        make_coordinates([1], [2], radius=3)


def test_check_orders_types_and_drops_what_it_does_not_know() -> None:
    raw = pd.DataFrame({"y": ["2"], "note": ["a"], "x": ["1.5"], "accepted": [0]})
    table = check_coordinates(raw, "picks")
    assert tuple(table.columns) == COLUMNS
    assert table.loc[0, "x"] == 1.5
    assert not table.loc[0, "accepted"]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"x": [1.0]}, "no column y .found x"),
        ({"x": [1.0, 2.0], "y": [1.0, np.nan]}, "row 2 has no finite"),
        ({"x": [1.0], "y": ["left"]}, "column y does not hold float64"),
    ],
)
def test_check_says_what_is_wrong(raw: dict[str, list[object]], message: str) -> None:
    with pytest.raises(FormatError, match=f"^picks.csv: .*{message}"):
        check_coordinates(pd.DataFrame(raw), "picks.csv")


def test_joining_and_splitting_give_the_same_tables() -> None:
    tables = {
        "b.mrc": make_coordinates([1], [2], ignore=[True]),
        "none.mrc": empty_coordinates(),
        "a.mrc": make_coordinates([3, 4], [5, 6], score=0.5),
    }
    joined = concat_coordinates(tables)
    assert joined["micrograph"].tolist() == ["b.mrc", "a.mrc", "a.mrc"]
    assert joined["ignore"].tolist() == [True, False, False]
    parts = split_by_micrograph(joined)
    assert list(parts) == ["b.mrc", "a.mrc"]
    assert parts["a.mrc"]["x"].tolist() == [3, 4]
    assert concat_coordinates({}).columns[0] == "micrograph"


def test_accepted_only_sorts_by_merit_then_score() -> None:
    table = make_coordinates(
        [1, 2, 3, 4], [0, 0, 0, 0], score=[0.1, 0.9, 0.5, 0.7], accepted=[True, True, False, True]
    )
    assert accepted_only(table)["x"].tolist() == [2, 4, 1]
    assert accepted_only(table.assign(figure_of_merit=[3.0, 1.0, 9.0, 2.0]))["x"].tolist() == [1, 4, 2]


def test_log_odds_stand_in_for_an_unknown_merit() -> None:
    table = make_coordinates(
        [0] * 4, [0] * 4, score=[0.5, 0.9, 1.0, np.nan], figure_of_merit=[np.nan, 7, np.nan, np.nan]
    )
    merit = merit_or_log_odds(table)
    assert merit[0] == 0.0
    assert merit[1] == 7.0
    assert 16.0 < merit[2] < 17.0
    assert np.isnan(merit[3])


def test_box_size_as_asked_else_the_tables_else_from_the_diameter(tmp_path) -> None:
    table = make_coordinates([1, 2, 3], [1, 2, 3], diameter_px=[99, 101, 300])
    assert box_size_for(tmp_path, table, WriteOptions(box_size_px=64)) == 64
    assert box_size_for(tmp_path, table.assign(box_size_px=80.0), WriteOptions()) == 80
    assert box_size_for(tmp_path, table, WriteOptions()) == 152
    assert box_size_for(tmp_path, empty_coordinates(), WriteOptions()) == 0
    with pytest.raises(OutputError, match="--box-size"):
        box_size_for(tmp_path, make_coordinates([1], [1]), WriteOptions())
