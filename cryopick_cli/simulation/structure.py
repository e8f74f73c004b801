"""A particle as a cloud of weighted points in Å. Where it comes from is the business of its neighbours."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float32]

PROTEIN_ELECTRONS = 0.43
"""Electrons per Å³ of protein (1.35 g/cm³ and 1.87 Da per electron)."""


@dataclass(frozen=True, kw_only=True)
class Structure:
    """A whole particle.

    Parameters
    ----------
    name, category
        What it is, and its class.
    xyz
        float32 (n, 3), Å, centred on the electron-weighted centroid.
    electrons
        float32 (n,), electrons of each point.
    blur
        Gaussian sigma of each point, Å.
    """

    name: str
    category: str
    xyz: FloatArray
    electrons: FloatArray
    blur: float

    @classmethod
    def centred(
        cls, *, name: str, category: str, xyz: ArrayLike, electrons: ArrayLike, blur: float
    ) -> Structure:
        """Build a structure whose electron-weighted centroid is the origin."""
        positions = np.asarray(xyz, dtype=np.float64)
        weights = np.asarray(electrons, dtype=np.float64)
        centre = np.average(positions, axis=0, weights=weights)
        return cls(
            name=name,
            category=category,
            xyz=np.ascontiguousarray(positions - centre, dtype=np.float32),
            electrons=np.ascontiguousarray(electrons, dtype=np.float32),
            blur=float(blur),
        )
