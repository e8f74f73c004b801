"""The mean particle: what confident picks have in common, averaged around the circle.

Two things are asked of it: how large it looks (``cross_check.py``) and where each pick fits it best
(``recentre.py``). Lengths are in diameters, so that views of several scales count together.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RING = 1 / 40
"""Width of a ring, in diameters: a pixel of the view in which the particle measures 40 px."""


@dataclass(frozen=True)
class Rings:
    """Grey values about some picks, summed up ring by ring; ``(k,)`` each, from the centre outwards."""

    grey: Floats
    squares: Floats
    pixels: Floats
    picks: int

    @property
    def profile(self) -> Floats:
        """Mean grey value at :attr:`radius`; 0 in a ring without pixels."""
        return np.asarray(self.grey / np.maximum(self.pixels, 1), dtype=np.float64)

    @property
    def radius(self) -> Floats:
        """Where the rings are, in diameters."""
        return ring_radius(len(self.grey))

    @property
    def variance(self) -> float:
        """Variance of a pixel within the particle about the mean one."""
        inside = self.radius <= 0.5
        within = self.squares - self.grey * self.profile
        return float(within[inside].sum() / max(1.0, self.pixels[inside].sum()))


def ring_radius(count: int) -> Floats:
    """Give the radius of the first rings, in diameters."""
    return np.asarray((np.arange(count) + 0.5) * RING, dtype=np.float64)


def measure_rings(view: NDArray[np.float32], x: Floats, y: Floats, diameter: float, reach: float) -> Rings:
    """Sum up the rings about the picks of one view.

    Parameters
    ----------
    view : (h, w) float32
        Normalised, particles dark.
    x, y : (n,) float64
        Centres, px of the view. Those nearer than ``reach`` to the edge do not count.
    diameter : float
        Of the particle, px of the view.
    reach : float
        How far the rings go, in diameters.
    """
    count = round(reach / RING)
    grey, squares, pixels, picks = np.zeros(count), np.zeros(count), np.zeros(count), 0
    half = int(np.ceil(reach * diameter)) + 1
    steps = np.arange(-half, half + 1)
    for column, row in zip(x, y, strict=True):
        left, top = int(np.rint(column)), int(np.rint(row))
        if not (half <= left < view.shape[1] - half and half <= top < view.shape[0] - half):
            continue
        patch = view[top - half : top + half + 1, left - half : left + half + 1].astype(np.float64).ravel()
        radius = np.hypot(steps + left - column, (steps + top - row)[:, None]).ravel()
        ring = np.minimum((radius / (RING * diameter)).astype(np.int64), count)
        pixels += np.bincount(ring, minlength=count + 1)[:count]
        grey += np.bincount(ring, patch, count + 1)[:count]
        squares += np.bincount(ring, patch**2, count + 1)[:count]
        picks += 1
    return Rings(grey, squares, pixels, picks)


def add_rings(several: Iterable[Rings]) -> Rings:
    """Add the rings of several views, which reach equally far."""
    grey, squares, pixels, picks = zip(
        *((r.grey, r.squares, r.pixels, r.picks) for r in several), strict=True
    )
    return Rings(np.sum(grey, axis=0), np.sum(squares, axis=0), np.sum(pixels, axis=0), sum(picks))
