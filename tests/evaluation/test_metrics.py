"""Figures against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from cryopick_cli.evaluation.metrics import (
    Counts,
    RankedPicks,
    average_precision,
    best_f1,
    precision_recall_curve,
)


def ranked(*rows: tuple[float, int, int]) -> RankedPicks:
    score, gained, spoiled = zip(*rows, strict=True) if rows else ((), (), ())
    return RankedPicks(
        score=np.array(score, float), gained=np.array(gained, np.int64), spoiled=np.array(spoiled, np.int64)
    )


def test_counts_give_precision_recall_and_f1() -> None:
    counts = Counts(matched=6, false_picks=2, ignored=5, reference=10)
    assert counts.precision == 0.75
    assert counts.recall == 0.6
    assert counts.f1 == pytest.approx(2 * 0.75 * 0.6 / (0.75 + 0.6))


def test_pooled_counts_add_up() -> None:
    pooled = Counts(matched=1, false_picks=2, ignored=3, reference=4) + Counts(matched=10, reference=20)
    assert pooled == Counts(matched=11, false_picks=2, ignored=3, reference=24)


def test_figures_that_do_not_exist_are_nan() -> None:
    nothing = Counts()
    assert np.isnan([nothing.precision, nothing.recall, nothing.f1]).all()
    no_picks = Counts(reference=3)
    assert np.isnan(no_picks.precision)
    assert (no_picks.recall, no_picks.f1) == (0.0, 0.0)


def test_average_precision_by_hand() -> None:
    # Of 4 particles: hit, miss, hit, miss, hit. Precision at the hits 1, 2/3, 3/5, each worth a quarter.
    picks = ranked((0.9, 1, 0), (0.8, 0, 1), (0.7, 1, 0), (0.6, 0, 1), (0.5, 1, 0))
    curve = precision_recall_curve(picks, reference=4)
    assert curve.precision == pytest.approx([1, 1 / 2, 2 / 3, 1 / 2, 3 / 5])
    assert curve.recall == pytest.approx([0.25, 0.25, 0.5, 0.5, 0.75])
    assert average_precision(curve) == pytest.approx((1 + 2 / 3 + 3 / 5) / 4)


def test_a_late_better_precision_lifts_what_came_before() -> None:
    # Miss, hit, hit: precision 1/2 then 2/3; at recall 1/2 a lower threshold offers 2/3.
    curve = precision_recall_curve(ranked((0.9, 0, 1), (0.8, 1, 0), (0.7, 1, 0)), reference=2)
    assert average_precision(curve) == pytest.approx(2 / 3)


def test_best_f1_and_its_threshold() -> None:
    picks = ranked((0.9, 1, 0), (0.8, 1, 0), (0.3, 0, 1), (0.2, 1, 0), (0.1, 0, 1))
    # F1 over 4 particles: 2/5, 4/6, 4/7, 6/8, 6/9.
    curve = precision_recall_curve(picks, reference=4)
    assert best_f1(curve) == (pytest.approx(0.75), 0.2)


def test_of_equal_f1_the_higher_threshold_is_given() -> None:
    curve = precision_recall_curve(ranked((0.9, 1, 0), (0.8, 0, 1), (0.7, 0, 1), (0.6, 1, 0)), reference=2)
    # F1: 2/3, 2/4, 2/5, 4/6.
    assert best_f1(curve) == (pytest.approx(2 / 3), 0.9)


def test_picks_with_equal_scores_enter_together() -> None:
    curve = precision_recall_curve(ranked((0.5, 0, 1), (0.5, 1, 0), (0.5, 0, 1), (0.4, 1, 0)), reference=2)
    assert curve.threshold.tolist() == [0.5, 0.4]
    assert curve.matched.tolist() == [1, 2]
    assert curve.false_picks.tolist() == [2, 2]


def test_ignored_picks_change_nothing() -> None:
    with_ignored = ranked((0.95, 0, 0), (0.9, 1, 0), (0.85, 0, 0), (0.8, 0, 1), (0.7, 1, 0))
    without = ranked((0.9, 1, 0), (0.8, 0, 1), (0.7, 1, 0))
    figures = [average_precision(precision_recall_curve(one, reference=2)) for one in (with_ignored, without)]
    assert figures[0] == figures[1] == pytest.approx((1 + 2 / 3) / 2)


def test_without_picks_and_without_reference() -> None:
    empty = precision_recall_curve(ranked(), reference=3)
    assert average_precision(empty) == 0
    assert best_f1(empty)[0] == 0
    nothing_to_find = precision_recall_curve(ranked((0.5, 0, 1)), reference=0)
    assert np.isnan(average_precision(nothing_to_find))
    assert np.isnan(best_f1(nothing_to_find)).all()


def test_pooling_ranks_all_picks_together() -> None:
    one, two = ranked((0.9, 1, 0), (0.1, 1, 0)), ranked((0.5, 0, 1))
    curve = precision_recall_curve(RankedPicks.pool([one, two]), reference=2)
    assert curve.threshold.tolist() == [0.9, 0.5, 0.1]
    assert curve.precision == pytest.approx([1, 1 / 2, 2 / 3])
    assert len(RankedPicks.pool([]).score) == 0
