"""Bring every micrograph to one grey scale: broad background off, median 0, robust spread 1, clipped.

Statistics are medians, so that carbon, gold or an ice ball that fills less than half of the view cannot
spoil them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from cryopick_cli.errors import ConfigError
from cryopick_cli.imaging.resample import resample

_MAD_TO_SIGMA = 1.4826
# The background is smooth, so it is found on a grid on which its Gaussian has this sigma.
_COARSE_SIGMA_PX = 2.0
_SAMPLE = 40_000


@dataclass(frozen=True, kw_only=True)
class NormaliseConfig:
    """How grey values are brought to one scale before the network sees them."""

    background_fraction: float = field(
        default=0.125, metadata={"help": "Sigma of the background's Gaussian, as a share of the short side."}
    )
    clip: float = field(
        default=6.0, metadata={"help": "Largest grey value kept, in robust standard deviations."}
    )

    def __post_init__(self) -> None:
        """Refuse settings without meaning."""
        if not 0 < self.background_fraction <= 10:
            raise ConfigError(f"background_fraction: found {self.background_fraction}, expected 0 to 10")
        if self.clip <= 0:
            raise ConfigError(f"clip: found {self.clip}, expected a positive number")


def normalise(array: NDArray[np.float32], config: NormaliseConfig) -> NDArray[np.float32]:
    """Remove the broad background, centre on the median, divide by the robust spread, clip.

    Parameters
    ----------
    array : (h, w) float32
        Any grey scale. Values that are not finite count as background.
    config : NormaliseConfig

    Returns
    -------
    (h, w) float32
        Median about 0, robust standard deviation about 1, within ``± clip``. A constant array gives zeros.
    """
    flat = _limit(fill_non_finite(array), config.clip)
    sigma = config.background_fraction * min(array.shape)
    flat = flat - background(flat, sigma)
    centre, spread = robust_statistics(flat)
    if spread == 0:
        return np.zeros_like(flat)
    even: NDArray[np.float32] = np.clip((flat - centre) / spread, -config.clip, config.clip)
    return even.astype(np.float32, copy=False)


def background(array: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Smooth an array with a Gaussian of ``sigma`` px, computed on a coarse grid.

    Away from the edges this is ``scipy.ndimage.gaussian_filter(array, sigma)`` up to the interpolation of a
    very smooth surface. Beyond an edge the mean of the outermost block goes on, not the outermost pixel.
    """
    factor = max(1.0, sigma / _COARSE_SIGMA_PX)
    rows, columns = array.shape
    coarse_shape = (max(1, round(rows / factor)), max(1, round(columns / factor)))
    coarse = resample(array, coarse_shape)
    smooth = ndimage.gaussian_filter(coarse, sigma / factor, mode="nearest")
    return resample(smooth, (rows, columns))


def robust_statistics(array: NDArray[np.float32]) -> tuple[float, float]:
    """Give the median and the robust standard deviation (1.4826 times the median absolute deviation).

    Large arrays are sampled on a regular lattice.
    """
    sample = array.ravel()[:: max(1, array.size // _SAMPLE)]
    centre = float(np.median(sample))
    spread = _MAD_TO_SIGMA * float(np.median(np.abs(sample - centre)))
    if spread == 0:  # more than half of the values are equal: counts of few electrons, dead areas
        spread = float(np.std(sample))
    return centre, spread


def fill_non_finite(array: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give NaN and infinite values the median of the others; 0 where there are no others."""
    finite = np.isfinite(array)
    if finite.all():
        return array.astype(np.float32, copy=False)
    fill = float(np.median(array[finite])) if finite.any() else 0.0
    return np.where(finite, array, fill).astype(np.float32)


def _limit(array: NDArray[np.float32], clip: float) -> NDArray[np.float32]:
    """Cut extremes before the background is taken, so that gold and hot pixels do not bleed into it."""
    centre, spread = robust_statistics(array)
    if spread == 0:
        return array
    return np.clip(array, centre - 2 * clip * spread, centre + 2 * clip * spread)
