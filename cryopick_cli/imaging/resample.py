"""Change the sampling of a micrograph or of a square cut from it. No filters for contrast, no files.

Input and output share their outer edges, so a centre ``c`` moves to ``(c + 0.5) / factor - 0.5``
(:func:`cryopick_cli.units.rescale_coordinate`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Pillow first averages whole blocks down to this many times the wanted size, then applies the kernel:
# 4096² to 640² costs a hundredth of a second so. What is broader than a few wanted pixels, as particles are,
# changes by less than 1 % of its spread; white noise is another sample of noise.
_REDUCING_GAP = 3.0


def resample(
    array: NDArray[np.float32],
    shape: tuple[int, int],
    region: tuple[float, float, float, float] | None = None,
) -> NDArray[np.float32]:
    """Resample an array, or a rectangle of it, to a given shape, without aliasing.

    Parameters
    ----------
    array : (h, w) float32
        Finite values.
    shape : (int, int)
        Wanted (rows, columns).
    region : (left, top, right, bottom), optional
        Edges in pixels of ``array``, where pixel ``i`` spans ``i`` to ``i + 1``. All of it by default.

    Returns
    -------
    (rows, columns) float32
    """
    if region is None and array.shape == shape:
        return array
    rows, columns = shape
    image = Image.fromarray(np.ascontiguousarray(array, dtype=np.float32))
    resized = image.resize((columns, rows), Image.Resampling.BICUBIC, box=region, reducing_gap=_REDUCING_GAP)
    return np.asarray(resized, dtype=np.float32)


def working_shape(shape: tuple[int, int], factor: float) -> tuple[int, int]:
    """Give the shape of a micrograph whose pixels have grown by ``factor``; at least one pixel each way."""
    rows, columns = shape
    return max(1, round(rows / factor)), max(1, round(columns / factor))
