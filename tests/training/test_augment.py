"""Changes to the grey values: finite, of about unit spread, and each doing what its name says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from cryopick_cli.imaging.normalise import robust_statistics
from cryopick_cli.training.augment import (
    add_gradient,
    augment,
    band_pass,
    denoise,
    draw_normalisation,
    even_local_contrast,
    make_decoy,
    squash,
    to_eight_bits,
)
from cryopick_cli.training.config import AugmentConfig

Array = NDArray[np.float32]
CLIP = 6.0
NOTHING = {field.name: 0.0 for field in fields(AugmentConfig)}
CHANGES: dict[str, Callable[[Array, np.random.Generator], Array]] = {
    "band_pass": lambda crop, rng: band_pass(crop, 24, rng),
    "denoise": denoise,
    "even_local_contrast": lambda crop, rng: even_local_contrast(crop, 24, rng),
    "squash": squash,
    "to_eight_bits": to_eight_bits,
    "add_gradient": add_gradient,
}


@pytest.fixture
def crop(rng: np.random.Generator) -> Array:
    """Give noise with four dark discs of 24 px."""
    array = rng.normal(size=(128, 128)).astype(np.float32)
    rows, columns = np.mgrid[:128, :128]
    for x, y in ((30, 30), (90, 40), (40, 95), (100, 100)):
        array[(columns - x) ** 2 + (rows - y) ** 2 <= 12**2] -= 2
    return array


def discs_stay_dark(changed: Array) -> bool:
    inside = np.mean(
        [changed[y - 5 : y + 6, x - 5 : x + 6].mean() for x, y in ((30, 30), (90, 40), (40, 95))]
    )
    return bool(inside < changed[60:72, 60:72].mean() - 0.3 * changed.std())


@pytest.mark.parametrize("name", [field.name for field in fields(AugmentConfig)])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 5e3])
def test_each_change_gives_a_finite_normalised_crop(name: str, scale: float, crop: Array) -> None:
    for seed in range(3):
        rng = np.random.default_rng(seed)
        changed = augment(scale * crop + 7, 24, AugmentConfig(**{**NOTHING, name: 1.0}), rng, CLIP)
        assert changed.shape == crop.shape
        assert changed.dtype == np.float32
        assert np.isfinite(changed).all()
        assert np.abs(changed).max() <= CLIP
        assert abs(np.median(changed)) < 0.3
        assert 0.6 < robust_statistics(changed)[1] < 1.5
        assert discs_stay_dark(changed)


def test_everything_at_once_stays_finite_and_of_unit_spread(crop: Array) -> None:
    config = AugmentConfig(**dict.fromkeys(NOTHING, 1.0))
    for seed in range(10):
        changed = augment(crop, 24, config, np.random.default_rng(seed), CLIP)
        assert np.isfinite(changed).all()
        assert 0.6 < robust_statistics(changed)[1] < 1.5


@pytest.mark.parametrize("array", [np.zeros((64, 64)), np.full((64, 64), 1e6), np.eye(64)], ids=str)
def test_degenerate_crops_stay_finite(array: np.ndarray) -> None:
    config = AugmentConfig(**dict.fromkeys(NOTHING, 1.0))
    for seed in range(5):
        changed = augment(array.astype(np.float32), 24, config, np.random.default_rng(seed), CLIP)
        assert np.isfinite(changed).all()


def test_without_any_change_the_crop_is_only_normalised(crop: Array) -> None:
    plain = partial(augment, diameter=24, config=AugmentConfig(**NOTHING), clip=CLIP)
    changed = plain(crop, rng=np.random.default_rng(0))
    assert np.corrcoef(changed.ravel(), crop.ravel())[0, 1] > 0.95
    np.testing.assert_allclose(plain(100 * crop - 3, rng=np.random.default_rng(0)), changed, atol=1e-3)


def test_the_same_seed_makes_the_same_crop(crop: Array) -> None:
    config = AugmentConfig(**dict.fromkeys(NOTHING, 0.5))
    first, again, other = (augment(crop, 24, config, np.random.default_rng(seed), CLIP) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", CHANGES)
def test_no_change_touches_its_input(name: str, crop: Array) -> None:
    before = crop.copy()
    CHANGES[name](crop, np.random.default_rng(0))
    np.testing.assert_array_equal(crop, before)


def test_eight_bits_have_at_most_256_levels(crop: Array, rng: np.random.Generator) -> None:
    levels = to_eight_bits(crop, rng)
    assert len(np.unique(levels)) <= 256
    assert levels.min() == 0
    assert levels.max() == 255
    np.testing.assert_array_equal(levels, np.round(levels))


def test_squashing_bounds_values_and_keeps_their_order(crop: Array, rng: np.random.Generator) -> None:
    squashed = squash(100 * crop, rng)
    assert np.abs(squashed).max() <= 1
    order = np.argsort(crop.ravel())
    assert (np.diff(squash(crop, rng).ravel()[order]) >= 0).all()


def test_denoising_takes_noise_and_leaves_particles(crop: Array) -> None:
    def noise(array: Array) -> float:
        return float((array - ndimage.gaussian_filter(array, 2)).std() / array.std())

    smooth = denoise(crop, np.random.default_rng(0))
    assert noise(smooth) < 0.75 * noise(crop)
    assert discs_stay_dark(smooth)


def test_blurring_takes_what_is_narrow(crop: Array) -> None:
    for seed in range(5):
        changed = band_pass(crop, 24, np.random.default_rng(seed))
        narrow = changed - ndimage.uniform_filter(changed, 3)
        assert narrow.std() < 0.8 * (crop - ndimage.uniform_filter(crop, 3)).std()


def test_local_contrast_becomes_even(rng: np.random.Generator) -> None:
    array = rng.normal(size=(256, 256)).astype(np.float32)
    array[:, 128:] *= 4
    even = even_local_contrast(array, 24, np.random.default_rng(1))
    assert even[:, 200:].std() / even[:, :56].std() < 2


def test_gradient_is_a_plane(crop: Array) -> None:
    plane = add_gradient(crop, np.random.default_rng(0)) - crop
    np.testing.assert_allclose(np.diff(plane, n=2, axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(np.diff(plane, n=2, axis=1), 0, atol=1e-5)
    assert np.ptp(plane) > 0.1


@pytest.mark.parametrize("diameter", [12, 60, 200])
def test_background_is_never_narrower_than_a_particle(diameter: float, rng: np.random.Generator) -> None:
    drawn = [draw_normalisation((256, 256), diameter, CLIP, rng) for _ in range(100)]
    sigmas = np.array([one.background_fraction * 256 for one in drawn])
    assert sigmas.min() >= max(256 / 14.001, 0.6 * diameter)
    assert sigmas.max() <= max(0.45001 * 256, 0.6 * diameter)
    assert {one.clip for one in drawn} == {CLIP}


def test_decoys_come_as_often_as_asked(crop: Array) -> None:
    def share(config: AugmentConfig) -> float:
        made = [make_decoy(crop, config, np.random.default_rng(seed)) for seed in range(200)]
        return float(np.mean([one is not None for one in made]))

    assert share(AugmentConfig(phase_noise=0, wrong_contrast=0)) == 0
    assert share(AugmentConfig(phase_noise=1, wrong_contrast=0)) == 1
    assert share(AugmentConfig(phase_noise=0.2, wrong_contrast=0.3)) == pytest.approx(0.5, abs=0.12)
