"""Broad Gaussians: the same as scipy.ndimage's, of any width and shape."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from cryopick_cli.imaging.smooth import smooth


@pytest.mark.parametrize("sigma", [0.7, 7.99, 8.0, 21.3, 60.0, 400.0])
@pytest.mark.parametrize("shape", [(64, 64), (61, 97), (1, 30), (30, 1)])
def test_it_is_the_gaussian_of_ndimage(
    sigma: float, shape: tuple[int, int], rng: np.random.Generator
) -> None:
    array = (1000 + 10 * rng.normal(size=shape)).astype(np.float32)
    found = smooth(array, sigma)
    assert found.dtype == np.float32
    np.testing.assert_array_max_ulp(found, ndimage.gaussian_filter(array, sigma), maxulp=1)


def test_the_array_stays_as_it_was(rng: np.random.Generator) -> None:
    array = rng.normal(size=(40, 50)).astype(np.float32)
    before = array.copy()
    smooth(array, 9.0)
    np.testing.assert_array_equal(array, before)
