"""The reference: one diameter for a species, and the table of particle centres.

The diameter is the longest side of the smallest box that holds the particle, turned as it fits best, measured
where the projected density rises out of the faint tails. For a sphere that is its diameter, for a rod its
length, for a barrel the longer of height and width (not its diagonal): what people measure when they draw a
circle or a box about a particle.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import ConvexHull, QhullError
from scipy.spatial.transform import Rotation

from cryopick_cli.simulation.structure import Structure

FAINT_SHARE = 0.2
"""Density below this share of a particle's strong density counts as tail and not as particle."""

COLUMNS = ("x", "y", "diameter_px", "visible", "ignore")

_SOLID_CELLS = 40
_PROFILE_CELLS = 64
"""Cells along the particle when its density is looked at."""

_EDGE_SHIFT = 0.84
"""Where a step smoothed by a Gaussian falls to `FAINT_SHARE`, in sigmas."""

_DISC_POINTS = 80

_TURNS = Rotation.random(400, random_state=np.random.RandomState(7)).as_matrix()


def reference_diameter(structure: Structure) -> float:
    """Measure the reference diameter of a particle in Å."""
    turn = best_box(structure)
    turned = structure.xyz @ turn.T.astype(np.float32)
    sides = [_side_above_tails(turned, structure.electrons, axis, structure.blur) for axis in range(3)]
    return max(sides)


def best_box(structure: Structure) -> NDArray[np.float64]:
    """Find the rotation (3, 3) after which the upright box about the particle's solid part is smallest."""
    points = solid_points(structure)
    try:
        hull = points[ConvexHull(points).vertices]
    except QhullError:  # flat or tiny: every point is on the rim
        hull = points
    _, axes = np.linalg.eigh(np.cov(points.T))
    turns = np.concatenate([axes.T[None], _TURNS, axes.T @ _TURNS[:100]])
    volume = np.ptp(np.einsum("rij,nj->rni", turns, hull), axis=1).prod(axis=1)
    return np.asarray(turns[int(np.argmin(volume))])


def solid_points(structure: Structure) -> NDArray[np.float64]:
    """Give the centres (n, 3), Å, of the cells whose density is above the tails."""
    cell = max(4.0, float(np.ptp(structure.xyz, axis=0).max()) / _SOLID_CELLS)
    low = structure.xyz.min(axis=0)
    index = np.floor((structure.xyz - low) / cell).astype(np.int64)
    span = index.max(axis=0) + 1
    flat = (index[:, 0] * span[1] + index[:, 1]) * span[2] + index[:, 2]
    mass = np.bincount(flat, weights=structure.electrons, minlength=int(span.prod())).reshape(span)
    mass = ndimage.uniform_filter(mass, 2)
    strong = mass >= FAINT_SHARE * np.percentile(mass[mass > 0], 80)
    return np.asarray(np.argwhere(strong) * cell + low, dtype=np.float64)


def _side_above_tails(
    xyz: NDArray[np.float32], electrons: NDArray[np.float32], axis: int, blur: float
) -> float:
    """Measure the extent (Å) along an axis of the density above the tails, seen along either other axis."""
    along = xyz[:, axis]
    cell = max(2.0, float(np.ptp(xyz, axis=0).max()) / _PROFILE_CELLS)
    sigma = max(blur, 0.7 * cell)
    margin = 3.0 * sigma + 2.0 * cell
    extents = []
    for across_axis in {0, 1, 2} - {axis}:
        across = xyz[:, across_axis]
        edges = [np.arange(side.min() - margin, side.max() + margin + cell, cell) for side in (along, across)]
        density, *_ = np.histogram2d(along, across, bins=edges, weights=electrons)
        density = ndimage.gaussian_filter(density, sigma / cell)
        strong = np.percentile(density[density > 0.02 * density.max()], 80)
        profile = density.max(axis=1) / (FAINT_SHARE * strong)
        extents.append(_crossing_span(profile) * cell)
    # What was smoothed beyond the particle's own blur has moved each edge outwards.
    return float(np.mean(extents) - 2.0 * _EDGE_SHIFT * np.sqrt(sigma**2 - blur**2))


def _crossing_span(profile: NDArray[np.float64]) -> float:
    """Give the distance in samples between the first and the last crossing of 1, between samples."""
    above = np.flatnonzero(profile >= 1.0)
    first, last = int(above[0]), int(above[-1])
    start = first - (profile[first] - 1.0) / (profile[first] - profile[first - 1])
    stop = last + (profile[last] - 1.0) / (profile[last] - profile[last + 1])
    return float(stop - start)


def reference_table(
    centres: NDArray[np.float64],
    diameters_px: NDArray[np.float64],
    visible: NDArray[np.float64],
    ignore: NDArray[np.bool_],
) -> pd.DataFrame:
    """Assemble the table of reference coordinates: px of the micrograph, centres, first pixel (0, 0)."""
    values = (centres[:, 0], centres[:, 1], diameters_px, visible, ignore)
    return pd.DataFrame(dict(zip(COLUMNS, values, strict=True)))


def visible_share(
    centres: NDArray[np.float64], diameter_px: float, covered: NDArray[np.bool_], margin: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measure which share of each particle's disc lies inside the micrograph and which is free of junk.

    Parameters
    ----------
    centres
        float64 (n, 2), x and y in px of the micrograph.
    diameter_px
        Diameter of the disc.
    covered
        bool canvas, ``margin`` px larger than the micrograph on every side; true under junk.

    Returns
    -------
    inside, free
        float64 (n,) each, 0 to 1.
    """
    # A sunflower's seeds cover a disc evenly.
    number = np.arange(_DISC_POINTS)
    angle = np.pi * (3.0 - np.sqrt(5.0)) * number
    radius = 0.5 * diameter_px * np.sqrt((number + 0.5) / _DISC_POINTS)
    x = centres[:, :1] + radius * np.cos(angle)
    y = centres[:, 1:] + radius * np.sin(angle)
    height, width = covered.shape[0] - 2 * margin, covered.shape[1] - 2 * margin
    inside = (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)
    row = np.clip(np.rint(y).astype(int) + margin, 0, covered.shape[0] - 1)
    column = np.clip(np.rint(x).astype(int) + margin, 0, covered.shape[1] - 1)
    return inside.mean(axis=1), 1.0 - covered[row, column].mean(axis=1)
