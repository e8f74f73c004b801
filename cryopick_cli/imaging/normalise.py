"""Bring every micrograph to one grey scale: broad background off, median 0, robust spread 1, clipped.

Statistics are medians, so that carbon, gold or an ice ball that fills less than half of the view cannot
spoil them. Areas of one value, dead or saturated, may fill more than half.
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
# A square of this edge whose values differ by less than this share is dead; resampling leaves such traces.
_DEAD_PX = 9
_SAME = 1e-5


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
    filled = fill_non_finite(array)
    live = _live(filled)
    if live is not None:
        filled = np.where(live, filled, np.median(filled[live])).astype(np.float32)
    flat = _limit(filled, live, config.clip)
    sigma = config.background_fraction * min(array.shape)
    flat = flat - background(flat, sigma)
    centre, spread = robust_statistics(flat if live is None else flat[live])
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


def _live(array: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    """Tell what is picture from dead areas of one value, where these fill more than half of a view.

    Saturated, masked and empty areas are such, and what was not finite. Scattered equal values, as counts of
    few electrons are, and views of one value all over count as picture: None then.
    """
    sample = array.ravel()[:: max(1, array.size // _SAMPLE)]
    centre = float(np.median(sample))
    tolerance = _SAME * max(abs(centre), float(np.std(sample)))
    if np.median(np.abs(sample - centre)) > tolerance:
        return None
    highest, lowest = (
        extreme(array, size=_DEAD_PX) for extreme in (ndimage.maximum_filter, ndimage.minimum_filter)
    )
    dead = ndimage.binary_dilation(highest - lowest <= tolerance, iterations=_DEAD_PX // 2)
    return None if dead.all() or not dead.any() else ~dead


def _limit(array: NDArray[np.float32], live: NDArray[np.bool_] | None, clip: float) -> NDArray[np.float32]:
    """Cut extremes before the background is taken, so that gold and hot pixels do not bleed into it."""
    centre, spread = robust_statistics(array if live is None else array[live])
    if spread == 0:
        return array
    return np.clip(array, centre - 2 * clip * spread, centre + 2 * clip * spread)
