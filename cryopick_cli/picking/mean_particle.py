"""The mean particle: what sure picks that stand alone have in common, ring by ring around their centres.

Two things are asked of it: how large it looks (``cross_check.py``) and where each pick fits it best
(``recentre.py``). Radii are in diameters, so that views of several scales count together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

Floats = NDArray[np.float64]
Waves = NDArray[np.complex128]

RING = 1 / 40
"""Width of a ring, in diameters: a pixel of the view in which the particle measures 40 px."""


@dataclass(frozen=True)
class Rings:
    """What lies about some picks, ring by ring from the centre outwards."""

    grey: Floats
    """(k,): sum of the grey values of all picks."""
    pixels: Floats
    """(k,): how many there are."""
    trefoil: Waves
    """(n, k): for each pick the sum of grey value times exp(3iθ), with θ the direction from the centre. It is
    0 for what is round, even where the centre is a little off, and for what is alike on opposite sides: what
    is left is noise, and how particles differ from the round mean."""

    @property
    def picks(self) -> int:
        """How many picks there are."""
        return len(self.trefoil)

    @property
    def profile(self) -> Floats:
        """Mean grey value at :attr:`radius`; 0 in a ring without pixels."""
        return np.asarray(self.grey / np.maximum(self.pixels, 1), dtype=np.float64)

    @property
    def radius(self) -> Floats:
        """Where the rings are, in diameters."""
        return np.asarray((np.arange(len(self.grey)) + 0.5) * RING, dtype=np.float64)


def count_rings(reach: float) -> int:
    """Count the rings up to ``reach`` diameters."""
    return round(reach / RING)


def measure_rings(view: NDArray[np.float32], x: Floats, y: Floats, diameter_px: float, reach: float) -> Rings:
    """Measure the rings about the picks of one view.

    Parameters
    ----------
    view : (h, w) float32
        Normalised, particles dark.
    x, y : (n,) float64
        Centres, px of the view. Those whose rings, and a pixel more, are not wholly inside do not count.
    diameter_px : float
        Of the particle, px of the view.
    reach : float
        How far the rings go, in diameters.

    Returns
    -------
    Rings
    """
    count = count_rings(reach)
    grey, pixels, trefoil = np.zeros(count), np.zeros(count), []
    half = int(np.ceil(reach * diameter_px)) + 1
    steps = np.arange(-half, half + 1)
    for column, row in zip(x, y, strict=True):
        left, top = int(np.rint(column)), int(np.rint(row))
        if not (half <= left < view.shape[1] - half and half <= top < view.shape[0] - half):
            continue
        patch = view[top - half : top + half + 1, left - half : left + half + 1].astype(np.float64).ravel()
        arm = (steps + left - column + 1j * (steps + top - row)[:, None]).ravel()
        radius = np.abs(arm)
        ring = np.minimum((radius / (RING * diameter_px)).astype(np.int64), count)
        wave = patch * (arm / np.maximum(radius, 1e-9)) ** 3
        pixels += np.bincount(ring, minlength=count + 1)[:count]
        grey += np.bincount(ring, patch, count + 1)[:count]
        real, imaginary = (np.bincount(ring, part, count + 1)[:count] for part in (wave.real, wave.imag))
        trefoil.append(real + 1j * imaginary)
    return Rings(grey, pixels, np.array(trefoil, dtype=np.complex128).reshape(-1, count))


def no_rings(reach: float) -> Rings:
    """Give the rings of no pick."""
    count = count_rings(reach)
    return Rings(np.zeros(count), np.zeros(count), np.zeros((0, count), dtype=np.complex128))


def add_rings(several: Sequence[Rings]) -> Rings:
    """Put rings together that reach equally far; there is one at least."""
    return Rings(
        np.sum([one.grey for one in several], axis=0),
        np.sum([one.pixels for one in several], axis=0),
        np.concatenate([one.trefoil for one in several]),
    )


def stand_alone(x: Floats, y: Floats, diameter: float, alone: float) -> NDArray[np.bool_]:
    """Tell which picks have no neighbour within ``alone`` diameters; all lengths in one unit."""
    if len(x) < 2:
        return np.ones(len(x), dtype=np.bool_)
    centres = np.column_stack([x, y])
    distance, _ = cKDTree(centres).query(centres, k=2)
    return np.asarray(distance[:, 1] >= alone * diameter)
