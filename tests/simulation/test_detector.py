"""The camera's counts have the mean and the variance of the dose."""

from __future__ import annotations

import numpy as np
import pytest

from cryopick_cli.simulation.config import DetectorConfig
from cryopick_cli.simulation.detector import EXACT_BELOW, add_defects, apply_modulation, count_electrons


@pytest.mark.parametrize("mean", [0.5, 20.0, 0.9 * EXACT_BELOW, 1.1 * EXACT_BELOW, 1500.0])
def test_mean_and_variance_are_the_dose(mean: float, rng: np.random.Generator) -> None:
    counts = count_electrons(rng, np.full((400, 400), mean, np.float32))
    # Four standard errors of a Poisson sample's mean and variance.
    assert counts.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / counts.size))
    error = np.sqrt((mean + 2 * mean**2) / counts.size)
    assert counts.var() == pytest.approx(mean, abs=4 * error)


def test_noise_follows_the_local_intensity(rng: np.random.Generator) -> None:
    mean = np.full((200, 400), 100.0, np.float32)
    mean[:, 200:] = 400.0
    counts = count_electrons(rng, mean)
    assert counts[:, 200:].std() / counts[:, :200].std() == pytest.approx(2.0, rel=0.03)


def test_modulation_keeps_the_mean_and_reaches_its_value_at_nyquist() -> None:
    stripes = np.where(np.arange(64) % 2 == 0, 11.0, 9.0) * np.ones((64, 1))
    blurred = apply_modulation(stripes.astype(np.float32), 0.4)
    assert blurred.mean() == pytest.approx(10.0, rel=1e-5)
    assert (blurred.max() - blurred.min()) / 2.0 == pytest.approx(0.4, rel=1e-3)


def test_defects_are_those_asked_for(rng: np.random.Generator) -> None:
    counts = rng.normal(100, 10, (128, 128)).astype(np.float32)
    none = DetectorConfig(hot_pixel_probability=0.0, dead_line_probability=0.0, stripe_probability=0.0)
    untouched = counts.copy()
    assert add_defects(rng, counts, none) == []
    np.testing.assert_array_equal(counts, untouched)
    every = DetectorConfig(hot_pixel_probability=1.0, dead_line_probability=1.0, stripe_probability=1.0)
    assert add_defects(rng, counts, every) == ["hot pixels", "dead lines", "gain stripes"]
    assert np.abs(counts - untouched).max() > 50


def test_a_dead_line_is_constant(rng: np.random.Generator) -> None:
    counts = rng.normal(100, 10, (128, 128)).astype(np.float32)
    dead = DetectorConfig(hot_pixel_probability=0.0, dead_line_probability=1.0, stripe_probability=0.0)
    add_defects(rng, counts, dead)
    assert (np.ptp(counts, axis=0) == 0).any() or (np.ptp(counts, axis=1) == 0).any()
