"""Size consistency: the mode, the prior learnt of a mixture, and how a score fades."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cryopick_cli.errors import ConfigError
from cryopick_cli.picking.consistency import (
    ANY_SIZE,
    ConsistencyConfig,
    SizePrior,
    estimate_prior,
    find_mode,
    find_second_mode,
    size_agreement,
    smooth_histogram,
    weighted_median,
)

Floats = NDArray[np.float64]
CONFIG = ConsistencyConfig()


def mixture(rng: np.random.Generator, scale: float = 1.0) -> tuple[Floats, Floats]:
    """Make 300 particles of 120 with a spread of 8 %, 400 weak small false alarms and 40 sure large ones."""
    particles = 120 * np.exp(rng.normal(0, 0.08, 300))
    alarms = np.exp(rng.uniform(np.log(20), np.log(60), 400))
    ice = np.exp(rng.normal(np.log(320), 0.1, 40))
    diameter = scale * np.concatenate([particles, alarms, ice])
    return diameter, np.concatenate(
        [rng.uniform(0.5, 0.9, 300), rng.uniform(0.02, 0.15, 400), np.full(40, 0.8)]
    )


def test_mode_of_a_narrow_group_is_its_size(rng: np.random.Generator) -> None:
    diameter = 85 * np.exp(rng.normal(0, 0.03, 200))
    mode, density = find_mode(diameter, np.ones(200), 0.06)
    assert mode == pytest.approx(85, rel=0.03)
    assert 120 < density < 200  # nearly all of the weight is seen through the kernel


def test_mode_goes_by_weight_and_not_by_number() -> None:
    diameter = np.array([40.0] * 10 + [90.0] * 3)
    assert find_mode(diameter, np.array([0.1] * 10 + [1.0] * 3), 0.06)[0] == pytest.approx(90, rel=0.02)
    assert find_mode(diameter, np.ones(13), 0.06)[0] == pytest.approx(40, rel=0.02)


def test_one_candidate_has_a_mode() -> None:
    mode, density = find_mode(np.array([50.0]), np.array([0.7]), 0.06)
    assert mode == pytest.approx(50, rel=0.02)
    assert density == pytest.approx(0.7, rel=0.1)


def test_mode_scales_with_the_unit(rng: np.random.Generator) -> None:
    diameter, score = mixture(rng)
    in_px, _ = find_mode(diameter, score**2, 0.06)
    in_angstrom, _ = find_mode(1.7 * diameter, score**2, 0.06)
    assert in_angstrom == pytest.approx(1.7 * in_px, rel=0.02)


def test_histogram_is_the_sum_of_gaussians() -> None:
    values, weight = np.array([0.0, 0.3]), np.array([1.0, 2.0])
    grid = np.arange(-1, 1.5, 0.02)
    exact = sum(w * np.exp(-0.5 * ((grid - v) / 0.1) ** 2) for v, w in zip(values, weight, strict=True))
    np.testing.assert_allclose(smooth_histogram(values, weight, grid, 0.1), exact, atol=0.02)


@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_prior_of_a_mixture_is_that_of_the_particles(scale: float, rng: np.random.Generator) -> None:
    prior = estimate_prior(*mixture(rng, scale), CONFIG)
    assert prior is not None
    assert prior.diameter == pytest.approx(120 * scale, rel=0.03)
    assert prior.spread == CONFIG.narrowest  # the particles' own 8 % is less than the narrowest prior


def test_spread_follows_the_particles_between_its_limits(rng: np.random.Generator) -> None:
    config = ConsistencyConfig(narrowest=0.15, widest=0.3)
    spreads = []
    for true in (0.02, 0.2, 0.6):
        prior = estimate_prior(100 * np.exp(rng.normal(0, true, 3000)), np.ones(3000), config)
        assert prior is not None
        spreads.append(prior.spread)
    assert spreads[0] == config.narrowest
    assert spreads[1] == pytest.approx(0.19, abs=0.03)
    assert config.narrowest < spreads[2] <= config.widest


@pytest.mark.parametrize("count", [0, 1, 4])
def test_too_few_candidates_have_no_size(count: int) -> None:
    assert estimate_prior(np.full(count, 40.0), np.full(count, 0.9), CONFIG) is None


def test_sizes_far_off_keep_the_share_that_the_settings_tell() -> None:
    far = np.array([4000.0])
    for share in (0.5, 0.2):
        prior = estimate_prior(np.full(9, 40.0), np.full(9, 0.9), ConsistencyConfig(least_factor=share))
        assert prior is not None
        assert prior.factor(far).item() == pytest.approx(share)
    assert ConsistencyConfig().least_factor == 0.5


def test_the_fewest_are_enough() -> None:
    prior = estimate_prior(np.full(5, 40.0), np.full(5, 0.9), CONFIG)
    assert prior is not None
    assert prior.diameter == pytest.approx(40)


def test_factor_is_one_at_the_size_and_falls_alike_to_both_sides() -> None:
    prior = SizePrior(100.0, 0.2, least_factor=0.0)
    sizes = np.array([100.0, 100 * np.exp(0.2), 100 * np.exp(-0.2), 200.0, 50.0])
    factor = prior.factor(sizes)
    assert factor.tolist() == pytest.approx(
        [1, np.exp(-0.5), np.exp(-0.5), *[np.exp(-0.5 * (np.log(2) / 0.2) ** 2)] * 2]
    )
    assert factor[3] < 0.01
    fading = SizePrior(100.0, 0.2, least_factor=0.4).factor(np.append(sizes, 1e6))
    assert fading[:5].tolist() == pytest.approx((0.4 + 0.6 * factor).tolist())
    assert fading[5] == pytest.approx(0.4)


def test_weighted_median() -> None:
    values = np.array([3.0, 1.0, 2.0])
    assert weighted_median(values, np.ones(3)) == 2
    assert weighted_median(values, np.array([1.0, 5.0, 1.0])) == 1
    assert weighted_median(values, np.array([9.0, 1.0, 1.0])) == 3
    assert weighted_median(np.array([7.0]), np.array([0.1])) == 7


@pytest.mark.parametrize(("narrowest", "widest"), [(0.0, 0.3), (0.4, 0.3), (-0.1, 0.3)])
def test_priors_without_meaning_are_refused(narrowest: float, widest: float) -> None:
    with pytest.raises(ConfigError, match=f"found {narrowest} and {widest}"):
        ConsistencyConfig(narrowest=narrowest, widest=widest)


@pytest.mark.parametrize("least", [-0.1, 1.1])
def test_factors_that_are_no_shares_are_refused(least: float) -> None:
    with pytest.raises(ConfigError, match="least_factor: found"):
        ConsistencyConfig(least_factor=least)


@pytest.mark.parametrize("values", [{"bandwidth": 0.0}, {"fewest": 0}])
def test_modes_without_width_or_members_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="bandwidth, fewest: found"):
        ConsistencyConfig(**values)


def two_sizes(rng: np.random.Generator, share: float, ratio: float) -> tuple[np.ndarray, np.ndarray]:
    """Give diameters and squared scores of 400 candidates, a share of them larger by a ratio."""
    size = np.where(rng.random(400) < share, 50.0 * ratio, 50.0) * np.exp(rng.normal(0, 0.06, 400))
    return size, rng.uniform(0.6, 0.9, 400) ** 2


@pytest.mark.parametrize(("share", "ratio"), [(0.4, 2.0), (0.5, 0.5), (0.3, 1.8)])
def test_a_clear_second_size_is_found(rng: np.random.Generator, share: float, ratio: float) -> None:
    size, weight = two_sizes(rng, share, ratio)
    found = find_second_mode(size, weight, 50.0, ConsistencyConfig())
    assert found == pytest.approx(50.0 * ratio, rel=0.06)


@pytest.mark.parametrize(("share", "ratio"), [(0.0, 2.0), (0.05, 2.0), (0.5, 1.2)])
def test_one_size_has_no_second(rng: np.random.Generator, share: float, ratio: float) -> None:
    """One species, a few odd ones, or two views that differ by a fifth."""
    size, weight = two_sizes(rng, share, ratio)
    assert find_second_mode(size, weight, 50.0, ConsistencyConfig()) is None
    assert find_second_mode(np.zeros(0), np.zeros(0), 50.0, ConsistencyConfig()) is None


def test_both_sizes_keep_their_scores_and_what_lies_between_fades() -> None:
    prior = SizePrior(50.0, 0.28, second=100.0, least_factor=0.0)
    factor = prior.factor(np.array([50.0, 100.0, 71.0, 200.0]))
    assert factor[:2] == pytest.approx(1)
    assert factor[2] < 0.5
    assert factor[3] < 0.1
    assert prior.is_second(np.array([40.0, 69.0, 72.0, 150.0])).tolist() == [False, False, True, True]
    assert SizePrior(100.0, 0.28, second=50.0).is_second(np.array([40.0, 120.0])).tolist() == [True, False]
    assert not SizePrior(50.0, 0.28).is_second(np.array([40.0, 400.0])).any()


def test_a_window_lets_sizes_through_or_not() -> None:
    assert SizePrior(50.0, 0.28, window=0.35).factor(np.array([50.0, 65.0, 75.0])).tolist() == [1, 1, 0]
    assert SizePrior(50.0, 0.28, window=ANY_SIZE).factor(np.array([1.0, 5000.0])).tolist() == [1, 1]


@pytest.mark.parametrize("values", [{"window": 0.0}, {"valley": 1.0}, {"second_share": 0.0}])
def test_modes_without_meaning_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="window, valley, second_share"):
        ConsistencyConfig(**values)


@pytest.mark.parametrize("values", [{"spacing": 0.2}, {"crowded_spacing": 0.0}, {"crowded_share": 0.0}])
def test_spacings_without_meaning_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="crowded_spacing, spacing, crowded_share"):
        ConsistencyConfig(**values)


def test_particles_agree_on_their_size_and_noise_on_none(rng: np.random.Generator) -> None:
    particles, noise = 90 * np.exp(rng.normal(0, 0.04, 60)), 90 * np.exp(rng.normal(0, 0.14, 60))
    score = rng.uniform(0.3, 0.6, 60)
    assert size_agreement(particles, score, None, CONFIG) > 0.75
    assert size_agreement(noise, score, None, CONFIG) < 0.6
    assert size_agreement(np.full(9, 50.0), np.full(9, 0.1), None, CONFIG) == pytest.approx(1, abs=0.01)


def test_particles_of_two_known_sizes_agree_with_either() -> None:
    diameter, score = np.array([40.0] * 30 + [90.0] * 30), np.full(60, 0.5)
    one, two = SizePrior(40.0, 0.28), SizePrior(40.0, 0.28, second=90.0)
    assert size_agreement(diameter, score, one, CONFIG) == pytest.approx(0.5, abs=0.01)
    assert size_agreement(diameter, score, two, CONFIG) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(
    "prior", [SizePrior(80.0, 0.28), SizePrior(55.0, 0.28, second=90.0)], ids=["one", "two"]
)
def test_a_given_diameter_that_is_not_quite_right_does_not_speak_against_particles(prior: SizePrior) -> None:
    assert size_agreement(np.full(9, 50.0), np.full(9, 0.5), prior, CONFIG) > 0.99


@pytest.mark.parametrize("diameters", [[], [40.0, 90.0]], ids=["none", "without a score"])
def test_nothing_agrees_on_nothing(diameters: list[float]) -> None:
    assert size_agreement(np.array(diameters), np.zeros(len(diameters)), None, CONFIG) == 0
