"""The mean particle is what was planted; picks move to the planted centres, and only as far as they may."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial.distance import pdist

from cryopick_cli.errors import ConfigError
from cryopick_cli.picking.detect import Candidates
from cryopick_cli.picking.duplicates import suppress_duplicates
from cryopick_cli.picking.mean_particle import add_rings, measure_rings, no_rings
from cryopick_cli.picking.recentre import (
    MeanParticle,
    RecentreConfig,
    draw_mean_particle,
    may_move,
    recentre,
)
from cryopick_cli.picking.view import View

CONFIG = RecentreConfig()
SHAPE = (420, 530)
DIAMETER = 40.0
Floats = NDArray[np.float64]


@pytest.fixture
def centres(rng: np.random.Generator) -> Floats:
    grid = np.array([(x, y) for x in range(60, 480, 60) for y in range(60, 380, 60)], dtype=np.float64)
    return grid + rng.uniform(-8, 8, grid.shape)


def with_balls(
    centres: Floats,
    depth: float,
    rng: np.random.Generator,
    noise: float = 1.0,
    shape: tuple[int, int] = SHAPE,
) -> NDArray[np.float32]:
    array = rng.normal(size=shape) * noise
    rows, columns = np.indices(shape)
    for x, y in centres:
        inside = 1 - ((columns - x) ** 2 + (rows - y) ** 2) / (DIAMETER / 2) ** 2
        array -= depth * np.sqrt(np.clip(inside, 0, None))
    return array.astype(np.float32)


def learn(array: NDArray[np.float32], picks: Floats) -> MeanParticle:
    mean = draw_mean_particle(measure_rings(array, *picks.T, DIAMETER, CONFIG.reach), 10, CONFIG)
    assert mean is not None
    return mean


def as_candidates(picks: Floats, diameter: float = DIAMETER) -> Candidates:
    return Candidates(picks[:, 0], picks[:, 1], np.full(len(picks), diameter), np.ones(len(picks)))


def move(
    array: NDArray[np.float32], picks: Floats, mean: MeanParticle, config: RecentreConfig = CONFIG
) -> Floats:
    every = np.ones(len(picks), dtype=np.bool_)
    moved = recentre(as_candidates(picks), every, View(array, 1.0, 1.0), mean, DIAMETER, config)
    return np.column_stack([moved.x, moved.y])


def off(picks: Floats, centres: Floats) -> Floats:
    return np.hypot(*(picks - centres).T)


def test_clear_particles_are_centred(centres: Floats, rng: np.random.Generator) -> None:
    array = with_balls(centres, 12.0, rng)
    picks = centres + rng.normal(0, 0.4, centres.shape)
    moved = move(array, picks, learn(array, picks))
    assert np.median(off(picks, centres)) > 0.4
    assert off(moved, centres).max() < 0.3
    assert abs((moved - centres).mean(axis=0)).max() < 0.05, "no side is favoured"


@pytest.mark.parametrize("correlated", [0.0, 2.0])
def test_what_is_lost_in_noise_hardly_moves(
    correlated: float, centres: Floats, rng: np.random.Generator
) -> None:
    """The noise is measured where the picks are, that which neighbouring pixels share, too."""
    clear = with_balls(centres, 1.0, rng, noise=0.0)
    noise = (
        ndimage.gaussian_filter(rng.normal(size=SHAPE), correlated) if correlated else rng.normal(size=SHAPE)
    )
    array = (0.3 * clear + noise / noise.std()).astype(np.float32)
    picks = centres + rng.normal(0, 0.2, centres.shape)
    mean = learn(array, picks)
    believed = replace(mean, noise=mean.noise / 20)
    hardly, far = (np.median(off(move(array, picks, one), picks)) for one in (mean, believed))
    assert hardly < 0.25
    assert far > 3 * hardly


def test_noise_of_neighbouring_pixels_alike_counts_more(centres: Floats, rng: np.random.Generator) -> None:
    clear = with_balls(centres, 6.0, rng, noise=0.0)
    white = rng.normal(size=SHAPE)
    alike = ndimage.gaussian_filter(white, 3.0)
    one, other = (learn((clear + n / n.std()).astype(np.float32), centres).noise for n in (white, alike))
    assert one == pytest.approx(1.0, rel=0.5)
    assert other > 10 * one


def test_no_pick_moves_further_than_it_may(centres: Floats, rng: np.random.Generator) -> None:
    array = with_balls(centres, 12.0, rng)
    mean = learn(array, centres)
    wrong = centres + np.array([1.6, 0.0])
    assert (off(move(array, wrong, mean), wrong) > 1).mean() > 0.7
    way = off(move(array, wrong, mean, replace(CONFIG, furthest=0.04)), wrong)
    assert (way > 1.2).sum() > 5
    assert way.max() <= 0.04 * DIAMETER + 1e-9
    assert (way > 0.04 * DIAMETER - 1e-9).any(), "none of them came as far as it may"


def test_what_may_not_move_or_is_cut_off_stays(centres: Floats, rng: np.random.Generator) -> None:
    array = with_balls(centres, 12.0, rng)
    mean, picks = learn(array, centres), centres + 1.0
    which = np.arange(len(picks)) % 2 == 0
    moved = recentre(as_candidates(picks), which, View(array, 1.0, 1.0), mean, DIAMETER, CONFIG)
    places = np.column_stack([moved.x, moved.y])
    assert np.array_equal(places[~which], picks[~which])
    assert (off(places, picks)[which] > 0.5).all()
    border = np.array([[DIAMETER / 2 - 1, 200.0], [200.0, SHAPE[0] - DIAMETER / 2 + 1]])
    assert np.array_equal(move(array, border, mean), border)


def test_all_four_edges_are_alike(rng: np.random.Generator) -> None:
    """A particle that just touches an edge is centred there as at the edge opposite."""
    middle, half = np.array([264.5, 209.5]), DIAMETER / 2
    low, high = half + 0.5, np.array(SHAPE[::-1]) - 1 - half - 0.5
    centres = np.array([[low, middle[1]], [high[0], middle[1]], [middle[0], low], [middle[0], high[1]]])
    lone = np.array([(x, y) for x in range(100, 480, 70) for y in range(80, 200, 70)], dtype=np.float64)
    array = with_balls(np.concatenate([centres, lone]), 12.0, rng)
    mean = learn(array, lone)
    assert off(move(array, centres + np.array([0.4, 0.4]), mean), centres).max() < 0.3


def test_only_lone_candidates_of_the_size_may_move() -> None:
    places = np.array([[50, 50], [150, 50], [188, 50], [300, 50], [322, 50], [420, 50]], dtype=np.float64)
    score = np.array([0.9, 0.9, 0.9, 0.9, 0.1, 0.1])
    found = as_candidates(places)

    def which(least: float = 0.5 * DIAMETER, diameter: float = DIAMETER) -> list[bool]:
        return may_move(found, score, diameter, least, CONFIG).tolist()

    # 38 px away is a likely neighbour, 22 px away one that scores next to nothing and is just too near.
    assert which() == [True, False, False, False, False, True]
    assert which(least=0.3 * DIAMETER) == [True, False, False, True, False, True]
    assert which(least=2 * DIAMETER) == [True, False, False, False, False, True]
    assert which(diameter=1.5 * DIAMETER) == [False] * 6
    assert may_move(as_candidates(places[:0]), score[:0], DIAMETER, 20.0, CONFIG).shape == (0,)


@given(seed=st.integers(0, 10**6), least=st.floats(0.1, 2.0), count=st.integers(2, 60))
@settings(max_examples=60, deadline=None)
def test_no_two_come_nearer_than_the_least_distance(seed: int, least: float, count: int) -> None:
    """Whatever is in the view and wherever candidates lie that keep that distance."""
    rng = np.random.default_rng(seed)
    array = rng.normal(0, 3, (200, 260)).astype(np.float32)
    mean = MeanParticle(tuple(np.linspace(-2, 1, 28)), 0.01)
    places = rng.uniform(0, [260, 200], (count, 2))
    least_px = least * 20.0
    kept = suppress_duplicates(*places.T, rng.uniform(size=count), np.full(count, least_px))
    found, score = as_candidates(places[kept], 20.0), rng.uniform(size=len(kept))
    which = may_move(found, score, 20.0, least_px, CONFIG)
    moved = recentre(found, which, View(array, 1.0, 1.0), mean, 20.0, CONFIG)
    if len(kept) > 1:
        assert pdist(np.column_stack([moved.x, moved.y])).min() >= least_px - 1e-9


@pytest.mark.parametrize("apart", [1.0, 1.05, 1.2])
def test_a_neighbour_that_does_not_overlap_draws_nothing_aside(
    apart: float, rng: np.random.Generator
) -> None:
    grid = np.array([(x, y) for x in range(70, 470, 130) for y in range(60, 380, 100)], dtype=np.float64)
    centres = np.concatenate([grid, grid + np.array([apart * DIAMETER, 0.0])])
    array = with_balls(centres, 6.0, rng)
    lone = np.array([(x, y) for x in range(60, 480, 70) for y in range(60, 380, 70)], dtype=np.float64)
    mean = learn(with_balls(lone, 6.0, rng), lone)
    moved = move(array, centres, mean) - centres
    drawn = moved[: len(grid), 0].mean() - moved[len(grid) :, 0].mean()
    assert abs(drawn) / 2 < 0.006 * DIAMETER


def test_places_are_those_of_the_micrograph(centres: Floats, rng: np.random.Generator) -> None:
    """A view that is reduced by 3 along x and 2 along y gives centres in the micrograph's pixels."""
    array = with_balls(centres, 12.0, rng)
    mean = learn(array, centres)
    there = (centres + 0.5) * np.array([3.0, 2.0]) - 0.5
    found = as_candidates(there + np.array([1.5, -1.0]), 98.0)
    every = np.ones(len(there), dtype=np.bool_)
    moved = recentre(found, every, View(array, 3.0, 2.0), mean, DIAMETER * np.sqrt(6.0), CONFIG)
    assert np.abs(moved.x - there[:, 0]).max() < 0.3 * 3
    assert np.abs(moved.y - there[:, 1]).max() < 0.3 * 2
    assert moved.diameter is found.diameter
    assert moved.logit is found.logit


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 600])
def test_any_number_of_picks_is_moved_as_each_by_itself(count: int, rng: np.random.Generator) -> None:
    array = rng.normal(size=SHAPE).astype(np.float32)
    mean = MeanParticle(tuple(np.linspace(-2, 1, 28)), 0.05)
    picks = rng.uniform(30, 380, (count, 2))
    together = move(array, picks, mean)
    assert together.shape == (count, 2)
    some = slice(0, count, 50)
    one_by_one = [move(array, picks[i : i + 1], mean) for i in range(count)[some]]
    assert np.allclose(np.concatenate([*one_by_one, np.zeros((0, 2))]), together[some], atol=1e-3)


@pytest.mark.parametrize("shape", [(64, 64), (97, 211), (50, 401)])
@pytest.mark.parametrize("reach", [0.7, 1.7])
def test_a_ball_is_found_in_small_and_odd_views(
    shape: tuple[int, int], reach: float, rng: np.random.Generator
) -> None:
    """The mean particle may be larger than the view."""
    config = replace(CONFIG, reach=reach)
    rings = 0.5 * np.arange(0.05, 2 * reach, 0.05)
    mean = MeanParticle(tuple(-6 * np.sqrt(np.clip(1 - (2 * rings) ** 2, 0, None))), 1.0)
    centre = np.array([[(shape[1] - 1) / 2 + 0.3, (shape[0] - 1) / 2 - 0.4]])
    array = with_balls(centre, 6.0, rng, shape=shape)
    assert off(move(array, centre + 0.5, mean, config), centre).max() < 0.45


def test_flat_views_move_nothing_and_stay_finite() -> None:
    mean = MeanParticle(tuple(np.linspace(-2, 0, 28)), 1.0)
    middle = np.array([[100.3, 90.7]])
    assert np.allclose(move(np.zeros(SHAPE, np.float32), middle, mean), middle, atol=0.2)


def test_the_mean_particle_is_what_was_planted(centres: Floats, rng: np.random.Generator) -> None:
    rings = measure_rings(with_balls(centres, 6.0, rng), *centres.T, DIAMETER, CONFIG.reach)
    assert rings.picks == len(centres)
    inside = rings.radius < 0.5
    expected = -6 * np.sqrt(1 - (2 * rings.radius[inside]) ** 2)
    assert np.abs(rings.profile[inside] - expected)[:-1].max() < 0.25


def test_views_of_any_scale_count_together(centres: Floats, rng: np.random.Generator) -> None:
    """Rings go by the diameter, and those of several views add up."""
    array = with_balls(centres, 6.0, rng)
    large = array.repeat(2, axis=0).repeat(2, axis=1)
    one = measure_rings(array, *centres.T, DIAMETER, CONFIG.reach)
    other = measure_rings(large, *(2 * centres + 0.5).T, 2 * DIAMETER, CONFIG.reach)
    both = add_rings([no_rings(CONFIG.reach), one, other])
    assert both.picks == 2 * len(centres)
    assert np.abs(both.profile - one.profile)[1:].max() < 0.3


def test_an_error_of_the_centre_is_no_noise(centres: Floats, rng: np.random.Generator) -> None:
    array = with_balls(centres, 6.0, rng)
    wrong = centres + rng.normal(0, 0.8, centres.shape)
    assert learn(array, wrong).noise == pytest.approx(learn(array, centres).noise, rel=0.6)


def test_too_few_picks_or_nothing_in_common_show_no_particle(
    centres: Floats, rng: np.random.Generator
) -> None:
    array = with_balls(centres, 6.0, rng)

    def draw(view: NDArray[np.float32], picks: Floats) -> MeanParticle | None:
        return draw_mean_particle(measure_rings(view, *picks.T, DIAMETER, CONFIG.reach), 10, CONFIG)

    assert draw(array, centres[:9]) is None
    assert draw(array, centres[:10]) is not None
    assert draw(np.zeros(SHAPE, np.float32), centres) is None
    assert draw_mean_particle(no_rings(CONFIG.reach), 10, CONFIG) is None


def test_settings_without_meaning_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"found 0, 0\.5 and 0\.2"):
        RecentreConfig(picks=0)
    with pytest.raises(ConfigError, match="the rim below the reach"):
        RecentreConfig(rim=0.8)
    with pytest.raises(ConfigError, match="expected positive numbers"):
        RecentreConfig(spread=0.0)
    with pytest.raises(ConfigError, match="found 0 values"):
        MeanParticle((), 1.0)
    with pytest.raises(ConfigError, match="two positive numbers"):
        MeanParticle((1.0,), 0.0)
