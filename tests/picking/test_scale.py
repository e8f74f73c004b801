"""Finding the diameter: sizes that several scales agree on win, whatever each scale invents."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from cryopick_cli.errors import ConfigError
from cryopick_cli.formats.micrograph import Micrograph
from cryopick_cli.model.weights import Model
from cryopick_cli.picking.detect import Candidates, DetectConfig
from cryopick_cli.picking.scale import ScaleConfig, prepare_search, search, sides_of, vote

Plant = Callable[..., Micrograph]
CONFIG = ScaleConfig()
SIDES = (384, 768, 1536)


def candidates(diameter: np.ndarray, logit: float | np.ndarray) -> Candidates:
    zeros = np.zeros(len(diameter))
    return Candidates(zeros, zeros, diameter, np.broadcast_to(logit, diameter.shape).astype(np.float64))


def at_three_scales(
    rng: np.random.Generator, diameter: float, unit: float = 1.0, short: int = 4096
) -> dict[int, tuple[Candidates, float]]:
    """Make what three views show of 60 particles: these, and false alarms of 14 to 18 px of the view each."""
    found = {}
    for side in SIDES:
        particles = diameter * np.exp(rng.normal(0, 0.06, 60))
        alarms = rng.uniform(14, 18, 30) * short / side
        logits = np.concatenate([np.full(60, 1.0), np.full(30, 0.5)])
        found[side] = (candidates(np.concatenate([particles, alarms]) / unit, logits), unit)
    return found


@pytest.mark.parametrize("diameter", [90.0, 230.0, 600.0])
def test_the_size_seen_at_all_scales_wins(diameter: float, rng: np.random.Generator) -> None:
    estimate = vote([at_three_scales(rng, diameter) for _ in range(3)], CONFIG)
    assert estimate is not None
    assert estimate.diameter == pytest.approx(diameter, rel=0.05)
    assert set(estimate.by_scale) == set(SIDES)


def test_a_sure_particle_counts_more_than_a_weak_alarm(rng: np.random.Generator) -> None:
    particles, alarms = np.full(10, 200.0), np.full(40, 90.0)
    logits = np.concatenate([np.full(10, 3.0), np.full(40, -1.0)])
    estimate = vote([{768: (candidates(np.concatenate([particles, alarms]), logits), 1.0)}], CONFIG)
    assert estimate is not None
    assert estimate.diameter == pytest.approx(200, rel=0.03)


def test_many_small_alarms_do_not_outvote_a_few_large_particles() -> None:
    """As many alarms fit as their size allows: five times as many of a fifth of the size are no evidence."""
    diameters = np.concatenate([np.full(12, 300.0), np.full(40, 60.0)])
    estimate = vote([{768: (candidates(diameters, 1.0), 1.0)}], CONFIG)
    assert estimate is not None
    assert estimate.diameter == pytest.approx(300, rel=0.03)


def test_votes_are_compared_in_angstrom(rng: np.random.Generator) -> None:
    """Two micrographs of one sample at 1 and 2.5 Å a pixel: 180 Å are 180 px in one, 72 px in the other."""
    found = [at_three_scales(rng, 180.0, unit) for unit in (1.0, 2.5)]
    estimate = vote(found, CONFIG)
    assert estimate is not None
    assert estimate.diameter == pytest.approx(180, rel=0.05)


def test_each_scale_tells_what_it_would_have_said(rng: np.random.Generator) -> None:
    views = {384: (candidates(np.full(9, 300.0), 1.0), 1.0), 768: (candidates(np.full(20, 100.0), 2.0), 1.0)}
    estimate = vote([views, {1536: (candidates(np.zeros(0), 0.0), 1.0)}], CONFIG)
    assert estimate is not None
    assert estimate.by_scale == {384: pytest.approx(300, rel=0.03), 768: pytest.approx(100, rel=0.03)}


@pytest.mark.parametrize("found", [[], [{}], [{384: (candidates(np.zeros(0), 0.0), 1.0)}] * 2])
def test_without_candidates_there_is_no_estimate(found: list[dict[int, tuple[Candidates, float]]]) -> None:
    assert vote(found, CONFIG) is None


def test_micrographs_need_not_have_the_same_scales(rng: np.random.Generator) -> None:
    """A micrograph smaller than a view is looked at in its own size."""
    small = {512: at_three_scales(rng, 150.0)[384]}
    estimate = vote([small, at_three_scales(rng, 150.0)], CONFIG)
    assert estimate is not None
    assert set(estimate.by_scale) == {*SIDES, 512}
    assert estimate.diameter == pytest.approx(150, rel=0.05)


def test_views_are_searched_at_every_side_and_answer_in_pixels_of_the_micrograph(
    planted_model: Model, plant: Plant
) -> None:
    array = plant(40).array
    views = prepare_search(planted_model, array, sides_of(array.shape, (128, 256, 2000)))
    found = search(planted_model, views, DetectConfig())
    assert sorted(found) == [128, 256, 420]  # never larger than the micrograph
    for seen in found.values():
        assert len(seen.x) == 8
        assert np.median(seen.diameter) == pytest.approx(40, rel=0.06)


@pytest.mark.parametrize("sides", [(), (32, 512)])
def test_searches_without_a_scale_are_refused(sides: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="short_sides_px"):
        ScaleConfig(short_sides_px=sides)


@pytest.mark.parametrize("name", ["bandwidth", "largest_enlargement"])
def test_searches_without_width_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"bandwidth, largest_enlargement: found .*0\.0"):
        ScaleConfig(**{name: 0.0})
