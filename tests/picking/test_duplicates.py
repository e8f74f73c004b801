"""One pick a particle: the best stays, none are too near, and the order of the input does not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.distance import pdist

from cryopick_cli.picking.duplicates import count_overlapping, suppress_duplicates

Floats = NDArray[np.float64]


@st.composite
def candidates(draw: st.DrawFn) -> tuple[Floats, Floats, Floats, float]:
    """Whole and half pixels and few scores, so that equal distances and equal scores are common."""
    count = draw(st.integers(0, 40))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    x, y = rng.integers(0, 60, (2, count)) / 2
    score = rng.integers(1, 6, count) / 5
    return x, y, score, draw(st.sampled_from([0.0, 0.5, 2.0, 5.0, 40.0]))


@given(candidates())
def test_no_two_of_the_kept_are_nearer_than_the_distance(case: tuple[Floats, Floats, Floats, float]) -> None:
    x, y, score, distance = case
    kept = suppress_duplicates(x, y, score, distance)
    assert (pdist(np.column_stack([x, y])[kept]) >= distance * (1 - 1e-6)).all()


@given(candidates())
def test_every_other_one_has_a_better_one_near(case: tuple[Floats, Floats, Floats, float]) -> None:
    x, y, score, distance = case
    kept = suppress_duplicates(x, y, score, distance)
    for index in set(range(len(x))) - set(kept.tolist()):
        near = np.hypot(x[kept] - x[index], y[kept] - y[index]) < distance
        assert (score[kept][near] >= score[index]).any()


@given(candidates(), st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(
    case: tuple[Floats, Floats, Floats, float], random: object
) -> None:
    x, y, score, distance = case
    order = np.arange(len(x))
    random.shuffle(order)  # type: ignore[attr-defined]
    kept = suppress_duplicates(x, y, score, distance)
    again = order[suppress_duplicates(x[order], y[order], score[order], distance)]
    table, other = (np.column_stack([x, y, score])[which] for which in (kept, again))
    np.testing.assert_array_equal(table, other)


def test_kept_come_by_falling_score_and_ties_by_row_then_column() -> None:
    x = np.array([30.0, 10.0, 20.0, 40.0])
    y = np.array([5.0, 5.0, 0.0, 9.0])
    score = np.array([0.5, 0.5, 0.5, 0.9])
    assert suppress_duplicates(x, y, score, 1.0).tolist() == [3, 2, 1, 0]


def test_exactly_the_distance_apart_is_far_enough() -> None:
    x, y, score = np.array([0.0, 10.0]), np.zeros(2), np.array([0.9, 0.8])
    assert len(suppress_duplicates(x, y, score, 10.0)) == 2
    assert suppress_duplicates(x, y, score, 10.001).tolist() == [0]


def test_a_candidate_that_went_removes_none() -> None:
    """A chain: the middle one falls to the first, so the last, which is near the middle one only, stays."""
    x, y, score = np.array([0.0, 8.0, 16.0]), np.zeros(3), np.array([0.9, 0.8, 0.7])
    assert suppress_duplicates(x, y, score, 10.0).tolist() == [0, 2]


@pytest.mark.parametrize("distance", [0.0, -1.0])
def test_without_a_distance_all_stay(distance: float) -> None:
    zeros = np.zeros(4)
    assert sorted(suppress_duplicates(zeros, zeros, np.arange(4.0), distance).tolist()) == [0, 1, 2, 3]


def test_thousands_are_quick_to_sort_out(rng: np.random.Generator) -> None:
    x, y, score = rng.uniform(0, 4000, (3, 20_000))
    kept = suppress_duplicates(x, y, score, 40.0)
    assert 3000 < len(kept) < 10_000


def test_each_kept_candidate_clears_its_own_surroundings() -> None:
    """Small particles stand closer than large ones may."""
    x, y = np.array([0.0, 15.0, 100.0, 115.0]), np.zeros(4)
    score, distance = np.array([0.9, 0.8, 0.7, 0.6]), np.array([10.0, 10.0, 30.0, 30.0])
    assert suppress_duplicates(x, y, score, distance).tolist() == [0, 1, 2]


def test_centres_within_the_smaller_reach_of_two_are_counted() -> None:
    x, y = np.array([0.0, 60.0, 200.0, 300.0]), np.zeros(4)
    assert count_overlapping(x, y, np.full(4, 70.0)) == 2
    assert count_overlapping(x, y, np.full(4, 50.0)) == 0
    # A small particle beside a large one does not overlap it by the large one's reach.
    assert count_overlapping(x, y, np.array([70.0, 30.0, 70.0, 70.0])) == 0
    assert count_overlapping(x[:1], y[:1], np.full(1, 70.0)) == 0
