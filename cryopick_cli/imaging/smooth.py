"""Broad Gaussians in a time that hardly grows with their width. Arrays to arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

# Narrower kernels, px, cost less as sums than as Fourier transforms.
_NARROW_SIGMA_PX = 8.0
# So many rows at a time stay in a processor's cache.
_STRIP_ROWS = 64
# Where scipy.ndimage cuts its kernels, in sigmas.
_TRUNCATE = 4.0


def smooth(array: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Smooth with a Gaussian of ``sigma`` px, mirrored beyond the edges.

    Gives what ``scipy.ndimage.gaussian_filter(array, sigma)`` gives, but for a rounding once in a while.

    Parameters
    ----------
    array : (h, w) float32
        Finite values.
    sigma : float
    """
    if sigma < _NARROW_SIGMA_PX:
        return np.asarray(ndimage.gaussian_filter(array, sigma))
    return _smooth_rows(_smooth_rows(array.T, sigma).T, sigma)


def _smooth_rows(array: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    radius = int(_TRUNCATE * sigma + 0.5)
    kernel = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    width = array.shape[1] + 2 * radius
    length = fft.next_fast_len(width, real=True)
    factors = fft.rfft(kernel / kernel.sum(), length)

    def smoothed(rows: NDArray[np.float32]) -> NDArray[np.float32]:
        mirrored = np.pad(rows.astype(np.float64, order="C"), ((0, 0), (radius, radius)), mode="symmetric")
        even = fft.irfft(fft.rfft(mirrored, length) * factors, length)
        return np.asarray(even[:, 2 * radius : width], dtype=np.float32)

    strips = range(0, len(array), _STRIP_ROWS)
    return np.concatenate([smoothed(array[start : start + _STRIP_ROWS]) for start in strips])
