"""The mean particle is what was planted; picks move to the planted centres, and only as far as they may."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cryopick_cli.errors import ConfigError
from cryopick_cli.picking.detect import Candidates
from cryopick_cli.picking.mean_particle import Rings, add_rings, measure_rings
from cryopick_cli.picking.recentre import MeanParticle, RecentreConfig, mean_particle, recentre
from cryopick_cli.picking.view import View

CONFIG = RecentreConfig()
CPU = torch.device("cpu")
SHAPE = (420, 530)
DIAMETER = 40.0
Floats = NDArray[np.float64]


@pytest.fixture
def centres(rng: np.random.Generator) -> Floats:
    grid = np.array([(x, y) for x in range(60, 480, 60) for y in range(60, 380, 60)], dtype=np.float64)
    return grid + rng.uniform(-8, 8, grid.shape)


def with_balls(centres: Floats, depth: float, rng: np.random.Generator) -> NDArray[np.float32]:
    array = rng.normal(size=SHAPE)
    rows, columns = np.indices(SHAPE)
    for x, y in centres:
        inside = 1 - ((columns - x) ** 2 + (rows - y) ** 2) / (DIAMETER / 2) ** 2
        array -= depth * np.sqrt(np.clip(inside, 0, None))
    return array.astype(np.float32)


def learn(array: NDArray[np.float32], picks: Floats) -> MeanParticle:
    mean = mean_particle(measure_rings(array, *picks.T, DIAMETER, CONFIG.reach), CONFIG)
    assert mean is not None
    return mean


def as_candidates(picks: Floats) -> Candidates:
    return Candidates(picks[:, 0], picks[:, 1], np.full(len(picks), DIAMETER), np.ones(len(picks)))


def move(
    array: NDArray[np.float32],
    picks: Floats,
    mean: MeanParticle,
    which: NDArray[np.bool_] | None = None,
    config: RecentreConfig = CONFIG,
) -> Floats:
    every = np.ones(len(picks), dtype=np.bool_) if which is None else which
    moved = recentre(as_candidates(picks), View(array, 1.0, 1.0), mean, DIAMETER, every, config, CPU)
    return np.column_stack([moved.x, moved.y])


def off(picks: Floats, centres: Floats) -> Floats:
    return np.hypot(*(picks - centres).T)


def test_clear_particles_are_centred(centres: Floats, rng: np.random.Generator) -> None:
    array = with_balls(centres, 6.0, rng)
    picks = centres + rng.normal(0, 0.8, centres.shape)
    moved = move(array, picks, learn(array, picks))
    assert off(moved, centres).max() < 0.4
    assert np.median(off(picks, centres)) > 0.6
    assert abs((moved - centres).mean(axis=0)).max() < 0.05, "no side is favoured"


def test_what_is_lost_in_noise_hardly_moves(centres: Floats, rng: np.random.Generator) -> None:
    mean = learn(with_balls(centres, 6.0, rng), centres)
    noise = rng.normal(size=SHAPE).astype(np.float32) * 6
    faint = replace(mean, variance=36.0, profile=tuple(0.03 * value for value in mean.profile))
    assert off(move(noise, centres, faint), centres).max() < 0.05 * CONFIG.furthest * DIAMETER


def test_no_pick_moves_further_than_it_may(centres: Floats, rng: np.random.Generator) -> None:
    array = with_balls(centres, 6.0, rng)
    wrong = centres + np.array([9.0, 0.0])
    moved = move(array, wrong, learn(array, centres))
    assert off(moved, wrong).max() <= CONFIG.furthest * DIAMETER + 1


def test_what_has_another_size_or_is_cut_off_stays(centres: Floats, rng: np.random.Generator) -> None:
    array = with_balls(centres, 6.0, rng)
    mean = learn(array, centres)
    picks = centres + 1.0
    which = np.arange(len(picks)) % 2 == 0
    moved = move(array, picks, mean, which)
    assert np.array_equal(moved[~which], picks[~which])
    assert (off(moved, picks)[which] > 0.5).all()
    border = np.array([[DIAMETER / 2 - 1, 200.0], [200.0, SHAPE[0] - DIAMETER / 2 + 1]])
    assert np.array_equal(move(array, border, mean), border)


def test_a_pick_moves_whatever_the_others_are(centres: Floats, rng: np.random.Generator) -> None:
    """To the last digit, as micrographs are picked in any company."""
    array = with_balls(centres, 3.0, rng)
    mean = learn(array, centres)
    picks = centres + rng.normal(0, 0.8, centres.shape)
    together = move(array, picks, mean)
    assert np.array_equal(move(array, picks[::-1], mean)[::-1], together)
    assert np.array_equal(move(array, picks[3:4], mean), together[3:4])


def test_places_are_those_of_the_micrograph(centres: Floats, rng: np.random.Generator) -> None:
    """A view that is reduced by 3 along x and 2 along y gives centres in the micrograph's pixels."""
    array = with_balls(centres, 6.0, rng)
    mean = learn(array, centres)
    view = View(array, 3.0, 2.0)
    there = (centres + 0.5) * np.array([3.0, 2.0]) - 0.5
    given = there + np.array([2.0, -1.0])
    found = Candidates(given[:, 0], given[:, 1], np.full(len(given), 98.0), np.ones(len(given)))
    every = np.ones(len(given), dtype=np.bool_)
    moved = recentre(found, view, mean, DIAMETER * np.sqrt(6.0), every, CONFIG, CPU)
    assert np.abs(moved.x - there[:, 0]).max() < 0.4 * 3
    assert np.abs(moved.y - there[:, 1]).max() < 0.4 * 2
    assert moved.diameter is found.diameter
    assert moved.logit is found.logit


def test_nothing_found_is_nothing_moved(centres: Floats, rng: np.random.Generator) -> None:
    array = with_balls(centres, 6.0, rng)
    assert move(array, np.zeros((0, 2)), learn(array, centres)).shape == (0, 2)


@pytest.mark.parametrize("shape", [(64, 64), (97, 211), (50, 401)])
def test_small_and_odd_views_will_do(shape: tuple[int, int], rng: np.random.Generator) -> None:
    """The kernel may be larger than the view."""
    mean = MeanParticle(tuple(np.linspace(-2, 0, 28)), 1.0)
    array = rng.normal(size=shape).astype(np.float32)
    middle = np.array([[(shape[1] - 1) / 2, (shape[0] - 1) / 2]])
    assert np.isfinite(move(array, middle, mean)).all()


def test_the_mean_particle_is_what_was_planted(centres: Floats, rng: np.random.Generator) -> None:
    array = with_balls(centres, 6.0, rng)
    rings = measure_rings(array, *centres.T, DIAMETER, CONFIG.reach)
    assert rings.picks == len(centres)
    inside = rings.radius < 0.5
    expected = -6 * np.sqrt(1 - (2 * rings.radius[inside]) ** 2)
    assert np.abs(rings.profile[inside] - expected)[:-1].max() < 0.25
    assert rings.variance == pytest.approx(1.0, rel=0.1)


def test_views_of_any_scale_count_together(centres: Floats, rng: np.random.Generator) -> None:
    """Rings go by the diameter, and those of several views add up."""
    array = with_balls(centres, 6.0, rng)
    large = array.repeat(2, axis=0).repeat(2, axis=1)
    one = measure_rings(array, *centres.T, DIAMETER, CONFIG.reach)
    other = measure_rings(large, *(2 * centres + 0.5).T, 2 * DIAMETER, CONFIG.reach)
    both = add_rings([one, other])
    assert both.picks == 2 * len(centres)
    assert np.abs(both.profile - one.profile)[1:].max() < 0.3
    assert both.variance == pytest.approx(1.0, rel=0.15)


def test_too_few_picks_show_no_particle(centres: Floats, rng: np.random.Generator) -> None:
    array = with_balls(centres, 6.0, rng)
    few = measure_rings(array, *centres[: CONFIG.fewest_picks - 1].T, DIAMETER, CONFIG.reach)
    assert mean_particle(few, CONFIG) is None
    nothing = Rings(np.zeros(28), np.zeros(28), np.zeros(28), 0)
    assert mean_particle(nothing, CONFIG) is None
    flat = measure_rings(np.zeros(SHAPE, np.float32), *centres.T, DIAMETER, CONFIG.reach)
    assert mean_particle(flat, CONFIG) is None


def test_settings_without_meaning_are_refused() -> None:
    with pytest.raises(ConfigError, match="found 0 and 10"):
        RecentreConfig(picks=0)
    with pytest.raises(ConfigError, match="the rim below the reach"):
        RecentreConfig(rim=0.8)
    with pytest.raises(ConfigError, match="expected positive numbers"):
        RecentreConfig(spread=0.0)
