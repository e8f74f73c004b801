"""A micrograph with a circle about every pick, small enough to look at. Draws; decides nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from cryopick_cli.formats.atomic import atomic_path
from cryopick_cli.imaging.normalise import fill_non_finite, robust_statistics
from cryopick_cli.imaging.resample import resample, working_shape

_LARGEST_EDGE_PX = 1024
# Noise is hardly smaller at zlib's usual 6, which takes three times as long.
_COMPRESSION = 1
_COLOUR = (255, 196, 0)
# Robust standard deviations about the median that fill the scale from black to white.
_REACH = 3.5


def draw_picks(path: Path, array: NDArray[np.float32], picks: pd.DataFrame) -> None:
    """Write a PNG of a micrograph with its accepted picks, replacing what is there.

    Parameters
    ----------
    path : Path
        The PNG file.
    array : (h, w) float32
        The micrograph as read, row 0 at the top of the picture.
    picks : DataFrame
        With ``x, y, diameter_px, accepted``, in pixels of the micrograph.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    factor = max(1.0, max(array.shape) / _LARGEST_EDGE_PX)
    shape = working_shape((array.shape[0], array.shape[1]), factor)
    picture = Image.fromarray(_to_grey(resample(fill_non_finite(array), shape))).convert("RGB")
    pen = ImageDraw.Draw(picture)
    accepted = picks[picks["accepted"]]
    for x, y, diameter in accepted[["x", "y", "diameter_px"]].itertuples(index=False):
        centre, radius = np.array([x + 0.5, y + 0.5]) / factor - 0.5, diameter / 2 / factor
        pen.ellipse([*(centre - radius), *(centre + radius)], outline=_COLOUR, width=2)
    with atomic_path(path, overwrite=True) as temporary:
        picture.save(temporary, format="PNG", compress_level=_COMPRESSION)


def _to_grey(array: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Smooth by a pixel, so that particles show, and spread the ice's grey values over 256 levels."""
    smooth = ndimage.gaussian_filter(array, 1.0)
    centre, spread = robust_statistics(smooth)
    grey = 127.5 * (1 + (smooth - centre) / (_REACH * max(spread, 1e-12)))
    return np.asarray(np.clip(np.round(grey), 0, 255), dtype=np.uint8)
