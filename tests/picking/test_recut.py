"""Cutting anew: each limit by itself, all together, and what cannot be cut by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from cryopick_cli.errors import ConfigError, InputError
from cryopick_cli.formats.coordinates import empty_coordinates, make_coordinates
from cryopick_cli.picking.notes import Row
from cryopick_cli.picking.recut import FilterConfig, recut
from cryopick_cli.units import Length

ROW = Row(name="mics/a.mrc", relative="a", stamp="", shape=(200, 300), pixel_size=2.0, box_size_px=60)
PICKS = make_coordinates(
    [20.0, 100.0, 110.0, 200.0, 250.0],
    [100.0, 100.0, 100.0, 100.0, 100.0],
    diameter_px=[40.0, 40.0, 60.0, 42.0, 20.0],
    score=[0.9, 0.8, 0.7, 0.6, 0.3],
    accepted=[True, True, True, True, False],
    junk=[0.0, 0.0, 0.0, 1.0, 0.2],
)


def kept(**values: Any) -> list[float]:
    """Give the x of what is accepted."""
    table = recut(PICKS, ROW, FilterConfig(**values))
    assert table.drop(columns=["accepted", "threshold"], errors="ignore").equals(
        PICKS.drop(columns="accepted")
    )
    return table.loc[table["accepted"], "x"].tolist()


@pytest.mark.parametrize(
    ("values", "left"),
    [
        ({}, [20, 100, 110, 200]),
        ({"threshold": 0.75}, [20, 100]),
        ({"threshold": 0.1}, [20, 100, 110, 200, 250]),
        ({"min_diameter": Length(41, "px")}, [110, 200]),
        ({"max_diameter": Length(84, "A")}, [20, 100, 200]),
        ({"min_diameter": Length(40, "px"), "max_diameter": Length(40, "px")}, [20, 100]),
        ({"min_distance": Length(15, "px")}, [20, 100, 200]),
        ({"junk": "drop"}, [20, 100, 110]),
        ({"junk": "keep"}, [20, 100, 110, 200]),
        ({"edge": "auto"}, [100, 110, 200]),
        ({"edge": "105"}, []),
        ({"edge": "auto", "box_size_px": 198}, [100, 110, 200]),
        ({"edge": "auto", "box_size_px": 200}, []),
        ({"edge": "auto", "box_size_px": 20}, [20, 100, 110, 200]),
        ({"edge": "0"}, [20, 100, 110, 200]),
        ({"most_picks": 2}, [20, 100]),
        ({"most_picks": 0}, []),
        ({"threshold": 0.0, "edge": "auto", "junk": "drop", "most_picks": 2}, [100, 110]),
    ],
)
def test_each_limit_cuts_what_it_says(values: dict[str, Any], left: list[float]) -> None:
    assert kept(**values) == left


# As a run writes it that flagged junk, kept 30 px from the edge, and cut at 0.5.
RECORDED = make_coordinates(
    [20.0, 100.0, 200.0],
    [100.0, 100.0, 100.0],
    score=[0.9, 0.18, 0.4],
    score_without_junk=[0.9, 0.9, 0.4],
    junk=[0.0, 1.0, 0.0],
    accepted=[False, False, False],
    threshold=0.5,
)


@pytest.mark.parametrize(
    ("values", "left"),
    [
        ({}, []),
        ({"most_picks": 2}, []),
        ({"junk": "flag", "edge": "30"}, []),
        ({"junk": "keep", "edge": "30"}, [100]),
        ({"junk": "drop", "edge": "0"}, [20]),
        ({"edge": "0"}, [20]),
        ({"junk": "keep", "edge": "0"}, [20, 100]),
        ({"junk": "keep", "edge": "0", "threshold": 0.3}, [20, 100, 200]),
    ],
)
def test_a_wider_limit_brings_back_what_the_run_kept_out(values: dict[str, Any], left: list[float]) -> None:
    table = recut(RECORDED, ROW, FilterConfig(**values))
    assert table.loc[table["accepted"], "x"].tolist() == left
    assert table["threshold"].tolist() == [values.get("threshold", 0.5)] * 3
    expected = 0.9 if values.get("junk") == "keep" else 0.18
    assert table["score"].tolist() == pytest.approx([0.9, expected, 0.4])


def test_scores_with_another_say_of_junk_have_their_figure_of_merit() -> None:
    table = recut(RECORDED, ROW, FilterConfig(junk="keep"))
    np.testing.assert_allclose(table["figure_of_merit"], np.log(table["score"] / (1 - table["score"])))
    assert recut(table, ROW, FilterConfig(junk="flag"))["score"].tolist() == pytest.approx([0.9, 0.18, 0.4])


def test_an_empty_table_stays_empty_whatever_the_limits() -> None:
    config = FilterConfig(threshold=0.5, edge="auto", most_picks=3, min_distance=Length(5, "px"))
    assert len(recut(empty_coordinates(), ROW, config)) == 0


@pytest.mark.parametrize(
    ("column", "values", "complaint"),
    [
        ("score", {"threshold": 0.5}, "--threshold: found picks without score"),
        ("diameter_px", {"min_diameter": Length(5, "px")}, "--min-diameter: found picks without diameter"),
    ],
)
def test_what_is_not_known_cannot_be_cut_by(column: str, values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError, match=f"mics/a.mrc: {complaint}"):
        recut(PICKS.assign(**{column: np.nan}), ROW, FilterConfig(**values))


def test_junk_and_size_of_the_micrograph_must_be_known_too() -> None:
    with pytest.raises(InputError, match="no column junk"):
        recut(PICKS.drop(columns="junk"), ROW, FilterConfig(junk="drop"))
    unknown = Row(name="mics/a.mrc", relative="a", stamp="", box_size_px=60)
    with pytest.raises(InputError, match="the size of the micrograph is unknown"):
        recut(PICKS, unknown, FilterConfig(edge="auto"))


@pytest.mark.parametrize("option", ["min_diameter", "max_diameter", "min_distance"])
def test_lengths_in_angstrom_need_the_pixel_size_of_the_micrograph(option: str) -> None:
    unknown = Row(name="mics/a.mrc", relative="a", stamp="", shape=(200, 300))
    named = f"mics/a.mrc: --{option.replace('_', '-')}: found 80A .* unknown pixel size, expected pixels"
    with pytest.raises(InputError, match=named):
        recut(PICKS, unknown, FilterConfig(**{option: Length(80, "A")}))


def test_best_picks_are_counted_by_merit_where_there_is_no_score() -> None:
    merit = pd.Series([1.0, 5.0, 3.0, 2.0, 9.0])
    table = recut(PICKS.assign(score=np.nan, figure_of_merit=merit), ROW, FilterConfig(most_picks=1))
    assert table.loc[table["accepted"], "x"].tolist() == [100]


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"threshold": 1.5}, "--threshold: found 1.5"),
        ({"junk": "maybe"}, "--junk: found 'maybe', expected one of"),
        ({"edge": "far"}, "--edge: found 'far'"),
        ({"most_picks": -1}, "--most-picks: found -1"),
        (
            {"min_diameter": Length(90, "px"), "max_diameter": Length(60, "px")},
            "--min-diameter, --max-diameter: found 90 and 60",
        ),
    ],
)
def test_settings_without_meaning_are_refused(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        FilterConfig(**values)
