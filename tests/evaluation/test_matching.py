"""Matching against hand-worked cases, against the plain rule, and its symmetries."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from cryopick_cli.evaluation.matching import UNMATCHED, match_nearest_first, within_any

# Whole and half pixels in a small field: many crowded places, many equal distances.
points = st.integers(0, 12).flatmap(
    lambda n: arrays(np.float64, (n, 2), elements=st.integers(0, 16).map(lambda half: half / 2))
)


def match_by_plain_rule(
    picks: NDArray[np.float64], reference: NDArray[np.float64], radius: float
) -> set[tuple[int, int]]:
    """Take the nearest pair, set both aside, repeat; equal distances in order of the midpoint."""
    pairs = []
    for i, pick in enumerate(picks):
        for j, particle in enumerate(reference):
            distance = float(np.hypot(*(pick - particle)))
            if distance <= radius:
                pairs.append((distance, *(pick + particle), i, j))
    taken: set[tuple[int, int]] = set()
    for *_, i, j in sorted(pairs):
        if i not in {one for one, _ in taken} and j not in {one for _, one in taken}:
            taken.add((i, j))
    return taken


def pairs_of(reference_of_pick: NDArray[np.intp]) -> set[tuple[int, int]]:
    return {(i, int(j)) for i, j in enumerate(reference_of_pick) if j != UNMATCHED}


def test_nearest_pair_wins_and_the_other_pick_takes_the_next_particle() -> None:
    picks = np.array([[0.0, 0.0], [4.0, 0.0]])
    reference = np.array([[3.0, 0.0], [8.0, 0.0]])
    matching = match_nearest_first(picks, reference, 5.0)
    # Pick 1 is 1 px from particle 0; pick 0 (3 px) must give way and finds nothing else within 5 px.
    assert matching.reference_of_pick.tolist() == [UNMATCHED, 0]
    assert matching.distance_px[1] == 1.0
    assert np.isnan(matching.distance_px[0])
    assert matching.n_matched == 1


def test_tells_which_pick_was_displaced_when() -> None:
    picks = np.array([[0.0, 0.0], [4.0, 0.0], [9.0, 0.0]])
    reference = np.array([[3.0, 0.0], [8.0, 0.0]])
    matching = match_nearest_first(picks, reference, 3.5)
    # Pick 0 gains a pair; pick 1 takes its particle, so pick 0 is left over; pick 2 gains a pair.
    assert matching.dropped_at.tolist() == [UNMATCHED, 0, UNMATCHED]


def test_the_radius_is_inclusive() -> None:
    picks, reference = np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])
    assert match_nearest_first(picks, reference, 5.0).n_matched == 1
    assert match_nearest_first(picks, reference, 4.999999).n_matched == 0


def test_each_particle_has_its_own_radius() -> None:
    picks = np.array([[2.0, 0.0], [22.0, 0.0]])
    reference = np.array([[0.0, 0.0], [20.0, 0.0]])
    matching = match_nearest_first(picks, reference, np.array([1.0, 3.0]))
    assert matching.reference_of_pick.tolist() == [UNMATCHED, 1]


@pytest.mark.parametrize(("n_picks", "n_reference"), [(0, 0), (0, 3), (3, 0)])
def test_nothing_matches_nothing(n_picks: int, n_reference: int) -> None:
    matching = match_nearest_first(np.zeros((n_picks, 2)), np.zeros((n_reference, 2)), 5.0)
    assert matching.n_matched == 0
    assert len(matching.reference_of_pick) == len(matching.dropped_at) == n_picks


def test_duplicates_share_one_particle() -> None:
    matching = match_nearest_first(np.zeros((4, 2)), np.zeros((1, 2)), 5.0)
    assert matching.n_matched == 1


@given(points, points, st.sampled_from([0.5, 1.0, 2.0, 3.0]))
def test_equals_the_plain_rule(
    picks: NDArray[np.float64], reference: NDArray[np.float64], radius: float
) -> None:
    matching = match_nearest_first(picks, reference, radius)
    assert pairs_of(matching.reference_of_pick) == match_by_plain_rule(picks, reference, radius)


@given(points, points, st.sampled_from([0.5, 1.0, 2.0, 3.0]))
def test_is_symmetric(picks: NDArray[np.float64], reference: NDArray[np.float64], radius: float) -> None:
    forth = match_nearest_first(picks, reference, radius)
    back = match_nearest_first(reference, picks, radius)
    assert forth.n_matched == back.n_matched
    assert sorted(forth.distance_px[~np.isnan(forth.distance_px)]) == sorted(
        back.distance_px[~np.isnan(back.distance_px)]
    )


@given(points, points, st.randoms(use_true_random=False))
def test_does_not_depend_on_the_order_of_rows(
    picks: NDArray[np.float64],
    reference: NDArray[np.float64],
    random: np.random.RandomState,
) -> None:
    order = list(range(len(picks)))
    random.shuffle(order)
    straight = match_nearest_first(picks, reference, 2.0)
    shuffled = match_nearest_first(picks[order], reference, 2.0)
    distances = [sorted(one.distance_px[~np.isnan(one.distance_px)]) for one in (straight, shuffled)]
    assert distances[0] == distances[1]


@given(points, points)
def test_every_beginning_of_the_picks_makes_as_many_pairs_as_it_would_alone(
    picks: NDArray[np.float64], reference: NDArray[np.float64]
) -> None:
    gained = match_nearest_first(picks, reference, 2.0).dropped_at == UNMATCHED
    for k in range(len(picks) + 1):
        assert gained[:k].sum() == match_nearest_first(picks[:k], reference, 2.0).n_matched


def test_within_any_counts_every_pick_near_a_place() -> None:
    picks = np.array([[0.0, 0.0], [1.0, 0.0], [9.0, 0.0]])
    assert within_any(picks, np.array([[0.0, 0.0]]), 2.0).tolist() == [True, True, False]
    assert within_any(picks, np.empty((0, 2)), 2.0).tolist() == [False, False, False]
