"""What a mask does to scores and to acceptance, and when it is not believed."""

from __future__ import annotations

import numpy as np
import pytest

from cryopick_cli.imaging.junk import JunkMask
from cryopick_cli.picking.junk import allowed, fade_of, judged, junk_of

SHAPE = (100, 200)


def half_mask(share: float) -> JunkMask:
    """Mask the left ``share`` of a view."""
    array = np.zeros(SHAPE, dtype=bool)
    array[:, : round(200 * share)] = True
    return JunkMask(array, SHAPE)


def at(x: list[float], score: list[float], mask: JunkMask | None) -> list[float]:
    xs = np.array(x)
    place = xs, np.full_like(xs, 50.0), np.full_like(xs, 20.0)
    return junk_of(None if mask is None else judged(mask, *place, np.array(score)), *place).tolist()


def test_without_a_mask_nothing_lies_on_junk() -> None:
    assert at([10.0, 150.0], [0.9, 0.9], None) == [0.0, 0.0]
    assert at([], [], half_mask(0.2)) == []


def test_a_candidate_on_junk_is_known_by_its_share() -> None:
    on, half, off = at([15.0, 39.5, 150.0], [0.2, 0.9, 0.9], half_mask(0.2))
    assert (on, off) == (1.0, 0.0)
    assert half == pytest.approx(0.5, abs=0.1)


def test_a_large_mask_that_holds_most_of_the_particles_is_not_believed() -> None:
    """There carbon fills the view, and the ice is what differs from it."""
    assert at([30.0, 60.0, 150.0], [0.9, 0.9, 0.5], half_mask(0.4)) == [0.0, 0.0, 0.0]
    assert at([30.0, 120.0, 150.0], [0.5, 0.9, 0.9], half_mask(0.4))[0] == 1.0


def test_what_is_not_believed_is_an_all_clear_mask_that_says_so() -> None:
    place = np.array([30.0, 60.0]), np.full(2, 50.0), np.full(2, 20.0)
    mask = judged(half_mask(0.4), *place, np.full(2, 0.9))
    assert mask.doubted
    assert not mask.full().any()
    believed = judged(half_mask(0.4), *place, np.zeros(2))
    assert not believed.doubted
    assert believed.full().mean() == pytest.approx(0.4)


def test_a_small_mask_is_believed_even_where_all_candidates_lie_on_it() -> None:
    """Such as false alarms on the one ice ball of an empty micrograph."""
    assert at([10.0, 20.0], [0.9, 0.9], half_mask(0.2)) == [1.0, 1.0]


def raft(spacing: float, side: float, score: float = 0.9) -> tuple[JunkMask, np.ndarray]:
    """Mask a square of this side in a view of 400 px, with particles 20 px across on a grid in it."""
    array = np.zeros((200, 200), dtype=bool)
    array[: round(side / 2), : round(side / 2)] = True
    mask = JunkMask(array, (400, 400))
    place = np.arange(spacing / 2, side, spacing)
    x, y = (axis.ravel() for axis in np.meshgrid(place, place))
    return judged(mask, x, y, np.full_like(x, 20.0), np.full_like(x, score)), array


@pytest.mark.parametrize("side", [66.0, 160.0])
def test_what_sure_particles_cover_is_a_raft_of_them(side: float) -> None:
    mask, _ = raft(spacing=22.0, side=side)
    assert not mask.array.any()
    assert not mask.doubted


@pytest.mark.parametrize(
    ("spacing", "side", "score"), [(40.0, 160.0, 0.9), (22.0, 160.0, 0.4), (20.0, 60.0, 0.9)]
)
def test_few_or_unsure_particles_and_small_blobs_leave_the_mask_as_it_is(
    spacing: float, side: float, score: float
) -> None:
    mask, array = raft(spacing, side, score)
    np.testing.assert_array_equal(mask.array, array)


def test_a_large_mask_of_rafts_is_not_believed_as_a_whole() -> None:
    """What rafts leave of it would be too small to be judged."""
    array = np.zeros((100, 100), dtype=bool)
    array[:60, :60] = array[70:75, 70:75] = True
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(5.0, 60, 10), np.arange(5.0, 60, 10)))
    mask = judged(JunkMask(array, (100, 100)), x, y, np.full_like(x, 10.0), np.full_like(x, 0.9))
    assert mask.doubted
    assert not mask.array.any()


def test_a_raft_does_not_clear_other_patches() -> None:
    array = np.zeros((200, 200), dtype=bool)
    array[:40, :40] = array[60:100, 60:100] = True
    x, y = (axis.ravel() for axis in np.meshgrid(np.arange(5.0, 40, 10), np.arange(5.0, 40, 10)))
    mask = judged(JunkMask(array, (200, 200)), x, y, np.full_like(x, 10.0), np.full_like(x, 0.9))
    assert not mask.array[:40, :40].any()
    assert mask.array[60:100, 60:100].all()


def test_scores_fade_with_the_share_but_under_keep() -> None:
    junk = np.array([0.0, 0.5, 1.0])
    np.testing.assert_allclose(fade_of(junk, "flag"), [1.0, 0.6, 0.2])
    np.testing.assert_allclose(fade_of(junk, "drop"), [1.0, 0.6, 0.2])
    np.testing.assert_array_equal(fade_of(junk, "keep"), np.ones(3))


def test_only_drop_forbids() -> None:
    junk = np.array([0.0, 0.49, 0.5, 1.0])
    assert allowed(junk, "drop").tolist() == [True, True, False, False]
    assert allowed(junk, "flag").all()
    assert allowed(junk, "keep").all()
