"""Resampling: where centres go, what edges keep, and that nothing aliases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from cryopick_cli.imaging.resample import resample, working_shape
from cryopick_cli.units import rescale_coordinate

Array = NDArray[np.float32]


def blob(shape: tuple[int, int], x: float, y: float, sigma: float) -> Array:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    squared = (columns - x) ** 2 + (rows - y) ** 2
    return np.exp(-squared / (2 * sigma**2)).astype(np.float32)


def centroid(array: Array) -> tuple[float, float]:
    rows, columns = np.mgrid[: array.shape[0], : array.shape[1]]
    total = array.sum(dtype=np.float64)
    return float((columns * array).sum() / total), float((rows * array).sum() / total)


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        ((200, 200), (100, 100)),  # an even factor
        ((201, 305), (67, 101)),  # odd and not square, 3 and 3.02
        ((310, 200), (124, 80)),  # 2.5
        ((300, 500), (29, 49)),  # a large odd factor, where whole blocks are averaged first
        ((90, 61), (180, 122)),  # enlarged
        ((150, 150), (150, 75)),  # one way only
    ],
)
def test_a_centre_goes_where_the_pixel_centre_rule_says(
    shape: tuple[int, int], wanted: tuple[int, int]
) -> None:
    x, y = 0.4 * shape[1] + 0.3, 0.55 * shape[0] - 0.2
    factor_x, factor_y = shape[1] / wanted[1], shape[0] / wanted[0]
    small = resample(blob(shape, x, y, sigma=min(shape) / 18), wanted)
    assert small.shape == wanted
    assert small.dtype == np.float32
    found_x, found_y = centroid(small)
    assert found_x == pytest.approx(rescale_coordinate(x, factor_x), abs=0.02)
    assert found_y == pytest.approx(rescale_coordinate(y, factor_y), abs=0.02)


@pytest.mark.parametrize("left", [40.0, 40.5, 41.37])
@pytest.mark.parametrize("side", [120.0, 97.3])
def test_a_region_starts_at_its_own_edge(left: float, side: float) -> None:
    top, size = left / 2, 48
    x, y = left + 0.45 * side, top + 0.6 * side
    view = resample(blob((181, 203), x, y, sigma=8), (size, size), (left, top, left + side, top + side))
    expected_x = (x + 0.5 - left) * size / side - 0.5
    expected_y = (y + 0.5 - top) * size / side - 0.5
    assert centroid(view) == pytest.approx((expected_x, expected_y), abs=0.05)


def test_region_of_whole_pixels_at_its_own_size_is_a_slice(rng: np.random.Generator) -> None:
    array = rng.normal(size=(40, 50)).astype(np.float32)
    np.testing.assert_allclose(resample(array, (20, 30), (10, 5, 40, 25)), array[5:25, 10:40], atol=1e-6)


def test_same_shape_is_the_same_array(rng: np.random.Generator) -> None:
    array = rng.normal(size=(7, 9)).astype(np.float32)
    assert resample(array, (7, 9)) is array


@pytest.mark.parametrize("wanted", [(50, 50), (33, 21), (1, 1), (200, 300)])
def test_a_constant_stays_itself(wanted: tuple[int, int]) -> None:
    np.testing.assert_allclose(resample(np.full((101, 99), 3.5, np.float32), wanted), 3.5, rtol=1e-6)


@pytest.mark.parametrize("factor", [2, 5, 16])
def test_the_mean_stays_and_noise_averages_out(factor: int, rng: np.random.Generator) -> None:
    array = (10 + rng.normal(size=(64 * factor, 48 * factor))).astype(np.float32)
    small = resample(array, (64, 48))
    assert small.mean() == pytest.approx(array.mean(), abs=0.01)
    # A bicubic kernel of this width leaves about 1/factor of the white noise's spread.
    assert small.std() == pytest.approx(1 / factor, rel=0.25)


def test_waves_above_the_new_limit_vanish_instead_of_folding() -> None:
    wave = np.cos(np.pi * np.arange(400) * 0.8)  # period 2.5 px
    array = np.tile(wave, (400, 1)).astype(np.float32)
    small = resample(array, (100, 100))
    assert np.abs(small[:, 2:-2]).max() < 0.01  # at the edges the kernel is cut
    assert np.abs(small).max() < 0.1
    assert np.abs(array[::4, ::4]).max() == 1  # what plain striding would give


@pytest.mark.parametrize("wanted", [64, 80])
def test_averaging_blocks_first_leaves_particles_as_they_are(wanted: int, rng: np.random.Generator) -> None:
    factor = 512 / wanted
    array = ndimage.gaussian_filter(rng.normal(size=(512, 512)), 1.5 * factor).astype(np.float32)
    exact = Image.fromarray(array).resize((wanted, wanted), Image.Resampling.BICUBIC)
    difference = resample(array, (wanted, wanted)) - np.asarray(exact)
    assert difference.std() < 0.01 * array.std()


@pytest.mark.parametrize("stored", [">f4", "f8", "i2"])
def test_other_number_types_and_views_are_taken_too(stored: str) -> None:
    array = np.arange(600).reshape(20, 30).astype(stored)[::-1, ::2]
    assert resample(array, (10, 5)).mean() == pytest.approx(array.mean(), rel=0.01)  # type: ignore[arg-type]


@given(
    shape=st.tuples(st.integers(3, 90), st.integers(3, 90)),
    size=st.integers(1, 40),
    share=st.floats(0.05, 1),
    place=st.tuples(st.floats(0, 1), st.floats(0, 1)),
)
def test_any_square_inside_can_be_cut(
    shape: tuple[int, int], size: int, share: float, place: tuple[float, float]
) -> None:
    """Also where rounding puts the far edge a hair beyond the array's."""
    side = share * min(shape)
    left, top = place[0] * (shape[1] - side), place[1] * (shape[0] - side)
    view = resample(np.ones(shape, np.float32), (size, size), (left, top, left + side, top + side))
    np.testing.assert_allclose(view, 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("shape", "factor", "expected"),
    [
        ((4096, 4096), 6.4, (640, 640)),
        ((4092, 5760), 5.0, (818, 1152)),
        ((3, 1000), 10.0, (1, 100)),
        ((100, 51), 0.5, (200, 102)),
    ],
)
def test_working_shape(shape: tuple[int, int], factor: float, expected: tuple[int, int]) -> None:
    assert working_shape(shape, factor) == expected
