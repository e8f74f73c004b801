"""Grey scale: zero median, unit spread, no background, and nothing that gold, NaN or dead areas can spoil."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from cryopick_cli.errors import ConfigError
from cryopick_cli.imaging.normalise import (
    NormaliseConfig,
    background,
    fill_non_finite,
    normalise,
    robust_statistics,
)
from cryopick_cli.imaging.resample import resample

Array = NDArray[np.float32]
CONFIG = NormaliseConfig()


@pytest.fixture
def noise(rng: np.random.Generator) -> Array:
    return rng.normal(size=(300, 420)).astype(np.float32)


@pytest.mark.parametrize("fraction", [0.05, 0.125])
@pytest.mark.parametrize("shape", [(256, 256), (301, 187)])
def test_background_is_scipys_gaussian_away_from_the_edges(
    fraction: float, shape: tuple[int, int], rng: np.random.Generator
) -> None:
    surface = ndimage.gaussian_filter(rng.normal(size=shape), 15) * 200
    array = (surface + rng.normal(size=shape)).astype(np.float32)
    sigma = fraction * min(shape)
    exact = ndimage.gaussian_filter(array.astype(np.float64), sigma)
    margin = int(2 * sigma)
    inner = np.s_[margin:-margin, margin:-margin]
    error = np.abs(background(array, sigma) - exact)[inner]
    assert error.max() < 0.02 * array.std()
    assert np.corrcoef(background(array, sigma)[inner].ravel(), exact[inner].ravel())[0, 1] > 0.999


def test_background_at_the_edge_follows_blocks_and_not_the_outermost_pixels() -> None:
    """A bright first row, as detectors leave it, would fill half of the Gaussian if it went on as it is."""
    array = np.zeros((200, 200), np.float32)
    array[0] = 100
    sigma = 25.0
    assert ndimage.gaussian_filter(array, sigma, mode="nearest")[0, 100] == pytest.approx(50, abs=2)
    assert background(array, sigma)[0, 100] < 10


def test_narrow_background_is_exact(noise: Array) -> None:
    exact = ndimage.gaussian_filter(noise, 1.5, mode="nearest")
    np.testing.assert_allclose(background(noise, 1.5), exact, atol=1e-6)


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (1e-4, 7.0), (3e4, -1e5), (1.0, 1e3)])
def test_any_grey_scale_comes_out_the_same(noise: Array, scale: float, offset: float) -> None:
    view = normalise((noise.astype(np.float64) * scale + offset).astype(np.float32), CONFIG)
    assert view.dtype == np.float32
    assert np.median(view) == pytest.approx(0, abs=0.02)
    assert robust_statistics(view)[1] == pytest.approx(1, abs=0.02)
    assert np.corrcoef(view.ravel(), noise.ravel())[0, 1] > 0.999


def test_sign_is_kept(noise: Array) -> None:
    noise[100:120, 100:120] -= 5
    assert normalise(noise, CONFIG)[100:120, 100:120].mean() < -4
    np.testing.assert_allclose(normalise(-noise, CONFIG), -normalise(noise, CONFIG), atol=1e-4)


def test_a_slope_of_thick_ice_goes(noise: Array) -> None:
    slope = np.linspace(0, 12, noise.shape[1], dtype=np.float32)
    columns = normalise(noise + slope, CONFIG).mean(axis=0)
    assert np.abs(columns[60:-60]).max() < 0.25  # noise of a mean over 300 rows, 0.06, and no more
    assert np.abs(columns).max() < 1  # the Gaussian sees no more than half of the slope at the very edge


@pytest.mark.parametrize("grey", [-50.0, 50.0, 3000.0])
def test_a_gold_corner_does_not_spoil_the_ice(noise: Array, grey: float) -> None:
    """A seventh of the view at an extreme value: the ice away from it keeps its level and, nearly, spread."""
    gold = noise.copy()
    gold[:180, :100] = grey
    view = normalise(gold, CONFIG)
    ice = view[:, 260:]
    assert 0.7 < ice.std() < 1.05
    assert abs(np.median(ice)) < 0.1
    assert np.abs(view).max() <= CONFIG.clip
    np.testing.assert_array_equal(view, normalise(np.where(gold == grey, 10 * grey, gold), CONFIG))


def test_hot_pixels_leave_no_trace_around_them(noise: Array) -> None:
    hot = noise.copy()
    hot[150, 200] = 1e6
    clean, spoilt = normalise(noise, CONFIG), normalise(hot, CONFIG)
    assert spoilt[150, 200] == CONFIG.clip
    spoilt[150, 200] = clean[150, 200]
    np.testing.assert_allclose(spoilt, clean, atol=0.02)


def test_extremes_are_clipped_on_both_sides(noise: Array) -> None:
    noise[10:14, 10:14], noise[50:54, 50:54] = 100, -100
    view = normalise(noise, NormaliseConfig(clip=4.0))
    assert view.max() == 4.0
    assert view.min() == -4.0


@pytest.mark.parametrize("grey", [0.0, 1.0, 1000.1, -3.3e-5, 2.5e8])
@pytest.mark.parametrize("shape", [(64, 64), (133, 97), (1, 1), (1, 40)])
def test_a_constant_gives_zeros(grey: float, shape: tuple[int, int]) -> None:
    view = normalise(np.full(shape, grey, np.float32), CONFIG)
    assert view.shape == shape
    assert not view.any()


def test_counts_of_few_electrons_keep_a_spread(rng: np.random.Generator) -> None:
    """More than half of the pixels hold one and the same count; the median deviation alone would be zero."""
    counts = rng.poisson(0.2, size=(128, 128)).astype(np.float32)
    assert np.mean(counts == 0) > 0.5
    view = normalise(counts, CONFIG)
    assert 0.3 < view.std() < 3


def test_values_that_are_not_finite_count_as_background(noise: Array) -> None:
    holes = noise.copy()
    holes[20:60, 30:80] = np.nan
    holes[200, 200], holes[201, 200] = np.inf, -np.inf
    view = normalise(holes, CONFIG)
    assert np.isfinite(view).all()
    assert np.abs(view[30:50, 40:70]).max() < 0.5
    elsewhere = np.s_[100:180, 150:400]
    np.testing.assert_allclose(view[elsewhere], normalise(noise, CONFIG)[elsewhere], atol=0.15)


@pytest.mark.parametrize("grey", [np.nan, 0.0, 255.0, -1000.1])
def test_a_dead_area_over_more_than_half_of_the_view_leaves_the_ice_as_it_is(
    grey: float, noise: Array
) -> None:
    """Such as a saturated or masked part: the statistics are those of the rest."""
    dead = noise.copy() + 7
    dead[:, :260] = grey
    view = normalise(dead, CONFIG)
    ice = view[:, 320:]
    assert abs(np.median(ice)) < 0.1
    assert 0.9 < ice.std() < 1.1
    assert np.abs(view[:, :240]).max() < 0.5


def test_a_dead_area_is_known_after_resampling_too(noise: Array) -> None:
    dead = noise + 7
    dead[:, :300] = 1000.1
    view = normalise(resample(dead, (200, 280)), CONFIG)
    assert np.median(np.abs(view[:, 220:])) == pytest.approx(0.67, abs=0.1)


def test_fill_takes_the_median_of_the_rest_and_leaves_finite_arrays_alone(noise: Array) -> None:
    assert fill_non_finite(noise) is noise
    holed = np.array([[1, 2, np.nan], [3, np.inf, 100]], dtype=np.float32)
    np.testing.assert_array_equal(fill_non_finite(holed), [[1, 2, 2.5], [3, 2.5, 100]])
    assert np.isnan(holed[0, 2])
    assert not fill_non_finite(np.full((3, 3), np.nan, np.float32)).any()


def test_robust_statistics_ignore_a_third_of_outliers(rng: np.random.Generator) -> None:
    array = rng.normal(5, 2, size=(500, 500)).astype(np.float32)
    array[:150] = 1e5
    centre, spread = robust_statistics(array)
    assert 5 < centre < 7
    assert 2 < spread < 4


def test_the_input_is_not_changed(noise: Array) -> None:
    before = noise.copy()
    normalise(noise, CONFIG)
    np.testing.assert_array_equal(noise, before)


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"background_fraction": 0}, "background_fraction: found 0"),
        ({"background_fraction": 11}, "background_fraction: found 11"),
        ({"background_fraction": float("nan")}, "background_fraction: found nan"),
        ({"clip": 0}, "clip: found 0"),
    ],
)
def test_settings_without_meaning_are_refused(values: dict[str, float], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        NormaliseConfig(**values)
