"""The protocol: who is judged, what counts neither way, which picks a figure speaks of."""

from __future__ import annotations

import json
import random

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryopick_cli.errors import ConfigError, InputError
from cryopick_cli.evaluation import Counts, EvaluationConfig, evaluate_picks


def table(*rows: tuple[float, ...], columns: str) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=columns.split(), dtype=float)


REFERENCE = table((100, 100, 40), (200, 100, 40), (300, 100, 40), columns="x y diameter_px")
PICKS = table(
    (103, 104, 44, 0.9, 1),  # 5 px off: matched
    (200, 111, 36, 0.8, 1),  # 11 px off: outside a quarter of 40 px
    (300, 100, 42, 0.3, 0),  # matched, but below the run's own threshold
    columns="x y diameter_px score accepted",
)


def test_figures_by_hand() -> None:
    pooled = evaluate_picks({"a": PICKS}, {"a": REFERENCE}).pooled
    assert pooled.counts == Counts(matched=1, false_picks=1, ignored=0, reference=3)
    assert pooled.counts.precision == 1 / 2
    assert pooled.counts.recall == pytest.approx(1 / 3)
    assert pooled.counts.f1 == pytest.approx(2 / 5)
    # Over all candidates: hit, miss, hit of 3 particles.
    assert pooled.average_precision == pytest.approx((1 + 2 / 3) / 3)
    assert pooled.best_f1 == pytest.approx(4 / 6)
    assert pooled.best_threshold == 0.3
    assert pooled.diameter_ratio == pytest.approx(1.1)
    assert pooled.distance_px == 5


def test_a_wider_radius_matches_more() -> None:
    pooled = evaluate_picks({"a": PICKS}, {"a": REFERENCE}, EvaluationConfig(radius_fraction=0.5)).pooled
    assert pooled.counts.matched == 2


def test_without_an_accepted_column_every_pick_counts() -> None:
    result = evaluate_picks({"a": PICKS.drop(columns="accepted")}, {"a": REFERENCE})
    assert result.pooled.counts == Counts(matched=2, false_picks=1, reference=3)


def test_a_micrograph_without_picks_counts_its_misses() -> None:
    result = evaluate_picks({"a": PICKS}, {"a": REFERENCE, "b": REFERENCE})
    assert result.pooled.counts.reference == 6
    missed = result.per_micrograph["b"]
    assert (missed.counts.recall, missed.average_precision, missed.best_f1) == (0, 0, 0)
    assert np.isnan(missed.counts.precision)


def test_an_empty_reference_makes_every_pick_false() -> None:
    result = evaluate_picks({"a": PICKS}, {"a": REFERENCE.iloc[:0]})
    assert result.pooled.counts == Counts(false_picks=2)
    assert np.isnan(result.pooled.average_precision)


def test_picks_without_a_reference_are_not_judged() -> None:
    assert list(evaluate_picks({"a": PICKS, "z": PICKS}, {"a": REFERENCE}).per_micrograph) == ["a"]


def test_picks_on_places_to_ignore_count_neither_way() -> None:
    reference = REFERENCE.assign(ignore=[False, True, False])
    on_the_doubtful_one = table((200, 104, 0.95), (203, 100, 0.94), (100, 100, 0.5), columns="x y score")
    pooled = evaluate_picks({"a": on_the_doubtful_one}, {"a": reference}).pooled
    assert pooled.counts == Counts(matched=1, ignored=2, reference=2)
    assert pooled.counts.precision == 1
    assert pooled.average_precision == pytest.approx(1 / 2)


def test_a_pick_that_matches_a_particle_beside_a_place_to_ignore_counts() -> None:
    reference = table((100, 100, 40, 0), (104, 100, 40, 1), columns="x y diameter_px ignore")
    pooled = evaluate_picks({"a": table((103, 100), columns="x y")}, {"a": reference}).pooled
    assert pooled.counts == Counts(matched=1, reference=1)


def test_a_pick_displaced_from_a_particle_may_still_lie_on_a_place_to_ignore() -> None:
    reference = table((100, 100, 40, 0), (104, 100, 40, 1), columns="x y diameter_px ignore")
    picks = table((104, 100, 0.9), (100, 100, 0.8), columns="x y score")
    result = evaluate_picks({"a": picks}, {"a": reference})
    assert result.pooled.counts == Counts(matched=1, ignored=1, reference=1)
    assert result.curve.false_picks.tolist() == [0, 0]


def test_the_figure_of_merit_ranks_where_there_is_no_score() -> None:
    picks = table((100, 100, np.nan, 2.5), (150, 100, np.nan, -1.0), columns="x y score figure_of_merit")
    pooled = evaluate_picks({"a": picks}, {"a": REFERENCE}).pooled
    assert pooled.best_threshold == 2.5


def test_without_any_score_there_is_no_ranking() -> None:
    pooled = evaluate_picks({"a": table((100, 100), columns="x y")}, {"a": REFERENCE}).pooled
    assert np.isnan([pooled.average_precision, pooled.best_f1, pooled.best_threshold]).all()
    assert pooled.counts.f1 == pytest.approx(2 / 4)


def test_scores_for_some_picks_only_are_refused() -> None:
    picks = table((100, 100, 0.5), (200, 100, np.nan), columns="x y score")
    with pytest.raises(InputError, match=r"a: found 1 of 2 picks without a score"):
        evaluate_picks({"a": picks}, {"a": REFERENCE})


def test_reference_without_diameters_needs_one_in_the_config() -> None:
    reference = REFERENCE.drop(columns="diameter_px")
    with pytest.raises(InputError, match=r"a: found 3 reference particles without a diameter.*--diameter"):
        evaluate_picks({"a": PICKS}, {"a": reference})
    given_diameter = evaluate_picks({"a": PICKS}, {"a": reference}, EvaluationConfig(diameter_px=40))
    assert given_diameter.pooled.counts == evaluate_picks({"a": PICKS}, {"a": REFERENCE}).pooled.counts


def test_candidates_that_a_reference_run_rejected_are_no_reference() -> None:
    reference = REFERENCE.assign(accepted=[True, False, True])
    assert evaluate_picks({"a": PICKS}, {"a": reference}).pooled.counts.reference == 2


def test_no_reference_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="found no micrograph"):
        evaluate_picks({"a": PICKS}, {})


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ({"radius_fraction": 0.0}, "--radius-fraction: found 0"),
        ({"radius_fraction": 1.5}, "--radius-fraction: found 1.5"),
        ({"diameter_px": -1.0}, "diameter_px: found -1"),
    ],
)
def test_settings_out_of_range_are_refused(setting: dict[str, float], named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        EvaluationConfig(**setting)


def test_json_holds_no_nan() -> None:
    result = evaluate_picks({}, {"a": REFERENCE})
    text = json.dumps(result.to_json(), allow_nan=False)
    assert json.loads(text)["pooled"]["precision"] is None
    assert json.loads(text)["micrographs"]["a"]["reference"] == 3


def test_table_has_a_row_a_micrograph() -> None:
    rows = evaluate_picks({"a": PICKS}, {"a": REFERENCE, "b": REFERENCE}).to_table()
    assert rows["micrograph"].tolist() == ["a", "b"]
    assert rows["matched"].tolist() == [1, 0]


picks_tables = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 60), st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9])), max_size=25
)


@given(picks_tables, st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.booleans()), max_size=15))
def test_order_of_rows_and_names_changes_nothing(
    picks_rows: list[tuple[float, ...]], reference_rows: list[tuple[float, ...]]
) -> None:
    picks = table(*picks_rows, columns="x y score")
    reference = table(*reference_rows, columns="x y ignore").assign(diameter_px=24.0)
    shuffle = random.Random(len(picks_rows)).sample
    shuffled = picks.iloc[shuffle(range(len(picks)), len(picks))]
    other = reference.iloc[shuffle(range(len(reference)), len(reference))]
    straight = evaluate_picks({"a": picks, "b": PICKS}, {"a": reference, "b": REFERENCE})
    mixed = evaluate_picks({"b": PICKS, "a": shuffled}, {"b": REFERENCE, "a": other})
    assert straight.pooled.counts == mixed.pooled.counts
    assert straight.curve.matched.tolist() == mixed.curve.matched.tolist()
    assert straight.curve.false_picks.tolist() == mixed.curve.false_picks.tolist()
    assert straight.pooled.average_precision == pytest.approx(mixed.pooled.average_precision, nan_ok=True)


@given(picks_tables, st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), min_size=1, max_size=15))
def test_the_curve_says_what_each_threshold_alone_would_give(
    picks_rows: list[tuple[float, ...]], reference_rows: list[tuple[float, ...]]
) -> None:
    picks = table(*picks_rows, columns="x y score")
    reference = table(*reference_rows, columns="x y").assign(diameter_px=24.0)
    result = evaluate_picks({"a": picks}, {"a": reference})
    for threshold, matched, false_picks in zip(
        result.curve.threshold, result.curve.matched, result.curve.false_picks, strict=True
    ):
        alone = evaluate_picks({"a": picks[picks["score"] >= threshold]}, {"a": reference}).pooled.counts
        assert (alone.matched, alone.false_picks) == (matched, false_picks)
    assert 0 <= result.pooled.average_precision <= 1
    assert result.pooled.best_f1 >= result.pooled.counts.f1 or len(picks) == 0
