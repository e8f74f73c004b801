"""Picks near the edge of a micrograph: which distance is kept, and who keeps it. Centres only; no torch."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cryopick_cli.errors import ConfigError
from cryopick_cli.units import Length

AUTO, ALL = "auto", "0"
HELP = (
    "How far from the edge accepted picks stay. auto keeps the box, that of --box-size or else the suggested "
    "one, inside the micrograph, 0 keeps all; a number without a unit is in px."
)
METAVAR = "auto|0|N|120A|90px"


def parse_edge(text: str) -> Length | None:
    """Read ``auto`` (None), a number of pixels, or a length with its unit.

    Raises
    ------
    ConfigError
        If it is none of these.
    """
    if text == AUTO:
        return None
    try:
        return Length.parse(text, bare="px")
    except ConfigError as error:
        raise ConfigError(
            f"--edge: found {text!r}, expected auto, 0, a number of pixels, or a length like 120A or 90px"
        ) from error


def edge_px(text: str, pixel_size: float | None, box_size_px: int | None) -> float:
    """Give the smallest distance of an accepted centre from the outer edge, px; half a box under ``auto``.

    Where no box is known, ``auto`` keeps all.
    """
    length = parse_edge(text)
    if length is not None:
        return length.in_px(pixel_size)
    return 0.0 if box_size_px is None else box_size_px / 2


def is_inside(
    x: NDArray[np.float64], y: NDArray[np.float64], shape: tuple[int, int], margin: float
) -> NDArray[np.bool_]:
    """Tell which centres are ``margin`` px or more away from the outer edges of a micrograph.

    Parameters
    ----------
    x, y : (n,) float64
        Centres, px; a micrograph of ``n`` pixels spans -0.5 to n - 0.5.
    shape : (int, int)
        (h, w) of the micrograph.
    margin : float
        px; 0 or less keeps all, those on the very edge too.
    """
    if margin <= 0:
        return np.ones(len(x), dtype=np.bool_)
    nearest = np.minimum.reduce([x + 0.5, y + 0.5, shape[1] - 0.5 - x, shape[0] - 0.5 - y])
    return np.asarray(nearest >= margin, dtype=np.bool_)
