"""Procedural particles: blobs, rings, barrels, rods, ellipsoids and shells with cyclic or dihedral symmetry.

They teach "compact object" rather than a list of proteins. Points fill a volume at random at the density of
protein, so a shape has the grain of a real one. Nothing here projects.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from cryopick_cli.simulation.structure import PROTEIN_ELECTRONS, Structure

Points = NDArray[np.float64]


def random_ball(rng: np.random.Generator, count: int) -> Points:
    """Draw points evenly in the unit ball, float64 (count, 3)."""
    direction = rng.standard_normal((count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    return np.asarray(direction * rng.random((count, 1)) ** (1.0 / 3.0))


def symmetry_operators(order: int, *, dihedral: bool) -> Points:
    """Give the rotations of C``order`` or D``order`` about z, float64 (operators, 3, 3)."""
    angle = 2.0 * np.pi * np.arange(order) / order
    cosine, sine, zero, one = np.cos(angle), np.sin(angle), np.zeros(order), np.ones(order)
    turns = np.stack(
        [
            np.stack([cosine, -sine, zero], -1),
            np.stack([sine, cosine, zero], -1),
            np.stack([zero, zero, one], -1),
        ],
        1,
    )
    if not dihedral:
        return np.asarray(turns)
    return np.concatenate([turns, turns @ np.diag([1.0, -1.0, -1.0])])


def _draw_symmetry(rng: np.random.Generator, lowest: int = 1) -> Points:
    orders = np.arange(lowest, 13)
    weight = np.where(orders == 1, 4.0, 1.0 + 4.0 / orders)
    return symmetry_operators(
        int(rng.choice(orders, p=weight / weight.sum())), dihedral=bool(rng.random() < 0.4)
    )


def _apply(operators: Points, points: Points) -> Points:
    return np.asarray(np.einsum("oij,nj->oni", operators, points).reshape(-1, 3))


def _lobes(rng: np.random.Generator, count: int, points: int) -> Points:
    """Fill a chain of ellipsoidal lobes."""
    centre = np.zeros(3)
    parts = []
    for _ in range(count):
        radii = rng.uniform(0.35, 1.0, 3)
        turn, _ = np.linalg.qr(rng.standard_normal((3, 3)))
        parts.append(centre + random_ball(rng, points) * radii @ turn)
        step = rng.standard_normal(3)
        centre = centre + step / np.linalg.norm(step) * rng.uniform(0.6, 1.2)
    return np.concatenate(parts)


def make_blobs(rng: np.random.Generator) -> Points:
    """Make several lobes, repeated by a point symmetry."""
    operators = _draw_symmetry(rng)
    lobes = int(rng.integers(2, 9)) if len(operators) == 1 else int(rng.integers(1, 5))
    unit = _lobes(rng, lobes, max(60, 4000 // (lobes * len(operators))))
    extent = float(np.abs(unit).max())
    offset = np.array([rng.uniform(0.3, 1.3) * extent, 0.0, rng.uniform(0.0, 1.0) * extent])
    return _apply(operators, unit + (offset if len(operators) > 1 else 0.0))


def make_ring(rng: np.random.Generator) -> Points:
    """Make a flat ring of 5 to 16 subunits, or of an even rim."""
    order = int(rng.integers(5, 17))
    inner = rng.uniform(0.25, 0.7)
    wide = (1.0 - inner) / 2.0
    unit = _lobes(rng, 2, 200) if rng.random() < 0.6 else random_ball(rng, 400) * [1.0, 3.0, 1.0]
    unit = unit / np.abs(unit).max(axis=0) * [wide, np.pi * 0.9 / order, wide * rng.uniform(0.6, 2.5)]
    return _apply(symmetry_operators(order, dihedral=False), unit + np.array([inner + wide, 0.0, 0.0]))


def make_barrel(rng: np.random.Generator) -> Points:
    """Make a hollow cylinder of stacked rings, like a proteasome, GroEL or KLH."""
    rings = int(rng.integers(2, 9))
    order = int(rng.integers(5, 13))
    height = rng.uniform(1.0, 3.2)
    inner = rng.uniform(0.3, 0.8)
    count = 7000
    angle = rng.uniform(0, 2 * np.pi, count)
    radius = np.sqrt(rng.uniform(inner**2, 1.0, count))
    level = rng.uniform(-0.5, 0.5, count)
    keep = rng.random(count) < 0.55 + 0.45 * np.cos(2 * np.pi * rings * level + np.pi * (rings + 1))
    keep &= rng.random(count) < 0.7 + 0.3 * np.cos(order * angle)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle), height * level], 1)[keep]
    if rng.random() < 0.35:
        fill = random_ball(rng, 900) * [inner, inner, 0.15 * height]
        points = np.concatenate([points, fill + np.array([0, 0, rng.choice([-0.4, 0.0, 0.4]) * height])])
    return np.asarray(points)


def make_rod(rng: np.random.Generator) -> Points:
    """Make a solid or hollow rod, two to five times as long as wide, sometimes with heads."""
    count, long = 3500, rng.uniform(2.0, 5.0)
    inner = rng.uniform(0.3, 0.6) if rng.random() < 0.3 else 0.0
    angle, radius = rng.uniform(0, 2 * np.pi, count), np.sqrt(rng.uniform(inner**2, 1.0, count))
    level = rng.uniform(-long, long, count)
    points = np.stack([radius * np.cos(angle), radius * np.sin(angle), level], 1)
    if rng.random() < 0.4:
        points = np.concatenate(
            [points, random_ball(rng, 900) * rng.uniform(1.0, 1.8) + np.array([0, 0, long])]
        )
    return np.asarray(points)


def make_ellipsoid(rng: np.random.Generator) -> Points:
    """Make an ellipsoid, sometimes with a cleft."""
    points = random_ball(rng, 4000)
    if rng.random() < 0.5:
        near = np.linalg.norm(points - [rng.uniform(0.5, 1.0), 0, 0], axis=1) < rng.uniform(0.2, 0.5)
        points = points[~near]
    return np.asarray(points * [1.0, rng.uniform(0.5, 1.0), rng.uniform(0.4, 1.0)])


def make_shell(rng: np.random.Generator) -> Points:
    """Make a hollow sphere with a smooth or knobbed wall, empty or loosely filled."""
    inner = rng.uniform(0.6, 0.92)
    count = 9000
    direction = rng.standard_normal((count, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    radius = rng.uniform(inner**3, 1.0, (count, 1)) ** (1.0 / 3.0)
    knobs = rng.standard_normal((int(rng.integers(12, 61)), 3))
    knobs /= np.linalg.norm(knobs, axis=1, keepdims=True)
    nearest = (direction @ knobs.T).max(axis=1)
    keep = rng.random(count) < np.clip(
        1.2 - rng.uniform(0.0, 3.0) * (1.0 - nearest) * len(knobs) / 6.0, 0.15, 1.0
    )
    points = (direction * radius)[keep]
    if rng.random() < 0.35:
        points = np.concatenate([points, random_ball(rng, int(rng.integers(500, 4000))) * inner * 0.95])
    return np.asarray(points)


MAKERS: dict[str, tuple[float, Callable[[np.random.Generator], Points]]] = {
    "blobs": (0.34, make_blobs),
    "ring": (0.14, make_ring),
    "barrel": (0.16, make_barrel),
    "rod": (0.07, make_rod),
    "ellipsoid": (0.13, make_ellipsoid),
    "shell": (0.16, make_shell),
}
"""Share and maker of each kind of shape."""


def occupied_volume(points: Points, cell: float) -> float:
    """Give the volume of the cells of edge ``cell`` that hold a point."""
    cells = np.floor((points - points.min(axis=0)) / cell).astype(np.int64)
    span = cells.max(axis=0) + 1
    return float(len(np.unique(cells @ np.array([1, span[0], span[0] * span[1]]))) * cell**3)


def make_shape(rng: np.random.Generator, diameter: float, kind: str | None = None) -> Structure:
    """Make a procedural particle about ``diameter`` Å across.

    Parameters
    ----------
    rng
        Source of randomness.
    diameter
        Longest extent, Å; approximate, the reference diameter is measured afterwards.
    kind
        One of `MAKERS`, drawn by its share where not given.
    """
    if kind is None:
        names = list(MAKERS)
        share = np.array([MAKERS[name][0] for name in names])
        kind = names[int(rng.choice(len(names), p=share / share.sum()))]
    points = MAKERS[kind][1](rng)
    extent = float(np.ptp(points, axis=0).max())
    points = points * (diameter / extent)
    # The cell must hold a few points on average, or the volume is that of the points and not of the shape.
    cell = max(4.0, 1.6 * (diameter**3 * 0.4 / len(points)) ** (1.0 / 3.0))
    # Large assemblies are looser than single proteins: less density per volume.
    volume = occupied_volume(points, cell) * 0.8 * min(1.0, (250.0 / diameter) ** 0.5)
    electrons = np.full(len(points), volume * PROTEIN_ELECTRONS * rng.uniform(0.6, 1.0) / len(points))
    blur = max(2.0, 0.35 * cell)
    return Structure.centred(name=kind, category="procedural", xyz=points, electrons=electrons, blur=blur)
