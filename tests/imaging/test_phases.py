"""Noise made from a micrograph: same spectrum, nothing of what was in it."""

from __future__ import annotations

import numpy as np
import pytest

from cryopick_cli.imaging.phases import randomise_phases


@pytest.mark.parametrize("shape", [(128, 128), (96, 131), (65, 64)])
def test_the_spectrum_stays_and_the_particles_go(shape: tuple[int, int], rng: np.random.Generator) -> None:
    array = (rng.normal(size=shape) + 50).astype(np.float32)
    array[20:40, 20:40] -= 6
    noise = randomise_phases(array, rng)
    assert noise.shape == shape
    assert noise.dtype == np.float32
    assert noise.mean() == pytest.approx(0, abs=1e-3)
    expected = np.abs(np.fft.rfft2(array - array.mean()))[1:30, 1:30]
    np.testing.assert_allclose(np.abs(np.fft.rfft2(noise))[1:30, 1:30], expected, rtol=2e-2, atol=1e-2)
    assert abs(np.corrcoef(noise.ravel(), array.ravel())[0, 1]) < 0.3


def test_the_seed_decides() -> None:
    array = np.random.default_rng(1).normal(size=(32, 40)).astype(np.float32)
    first, again = (randomise_phases(array, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.allclose(first, randomise_phases(array, np.random.default_rng(6)))
