"""The looks of shared data."""

from __future__ import annotations

import numpy as np
import pytest

from cryopick_cli.simulation.appearance import band_pass, change_appearance, denoise, to_eight_bit
from cryopick_cli.simulation.config import AppearanceConfig

NOTHING = AppearanceConfig(filtered_probability=0.0, denoised_probability=0.0, eight_bit_probability=0.0)


@pytest.fixture
def micrograph(rng: np.random.Generator) -> np.ndarray:
    return rng.normal(500.0, 20.0, (128, 160)).astype(np.float32)


def test_band_pass_takes_away_the_mean_and_the_finest(micrograph: np.ndarray) -> None:
    filtered = band_pass(micrograph, 1.5, 10.0)
    assert abs(filtered.mean()) < 0.1
    assert filtered.std() < 0.3 * micrograph.std()


def test_low_pass_keeps_the_mean_and_is_a_gaussian() -> None:
    spot = np.zeros((65, 65), np.float32)
    spot[32, 32] = 1.0
    smooth = band_pass(spot, 2.0, 0.0)
    assert smooth.sum() == pytest.approx(1.0, rel=1e-4)
    assert smooth[32, 32] == pytest.approx(1.0 / (2 * np.pi * 4.0), rel=1e-2)


def test_edges_do_not_bleed_into_each_other() -> None:
    step = np.zeros((64, 64), np.float32)
    step[:, 48:] = 1.0
    assert band_pass(step, 3.0, 0.0)[:, 0].max() < 1e-3


def test_denoising_leaves_little_noise_and_the_particle(micrograph: np.ndarray) -> None:
    micrograph[40:80, 40:80] -= 30.0
    quiet = denoise(np.random.default_rng(0), micrograph, 40.0)
    assert quiet[:30].std() < 0.5 * 20.0
    assert quiet[50:70, 50:70].mean() < quiet[:30].mean() - 10.0


def test_eight_bit_uses_whole_grey_levels(micrograph: np.ndarray) -> None:
    grey = to_eight_bit(micrograph, 0.001)
    assert grey.min() == 0.0
    assert grey.max() == 255.0
    np.testing.assert_array_equal(grey, np.rint(grey))


def test_constant_micrograph_survives() -> None:
    assert np.isfinite(to_eight_bit(np.full((32, 32), 7.0, np.float32), 0.01)).all()


def test_looks_are_named_and_none_is_none(micrograph: np.ndarray, rng: np.random.Generator) -> None:
    same, done = change_appearance(rng, micrograph, NOTHING, 30.0)
    assert done == []
    np.testing.assert_array_equal(same, micrograph)
    every = AppearanceConfig(
        filtered_probability=1.0,
        denoised_probability=1.0,
        eight_bit_probability=1.0,
        inverted_probability=1.0,
    )
    _, done = change_appearance(rng, micrograph, every, 30.0)
    assert done == ["filtered", "denoised", "8-bit", "inverted"]


def test_inversion_turns_the_sign(micrograph: np.ndarray, rng: np.random.Generator) -> None:
    config = AppearanceConfig(
        filtered_probability=0.0,
        denoised_probability=0.0,
        eight_bit_probability=0.0,
        inverted_probability=1.0,
    )
    turned, _ = change_appearance(rng, micrograph, config, 30.0)
    np.testing.assert_array_equal(turned, -micrograph)
