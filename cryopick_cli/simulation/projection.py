"""Particles to projections: rotate points, splat them on a grid at the working pixel.

Projected electrons are conserved. Blur is not applied here: all projections of a micrograph share it, so
`simulate` blurs once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from cryopick_cli.simulation.structure import FloatArray, Structure


def coarsen(structure: Structure, spacing: float, most: int) -> Structure:
    """Merge points within cells of ``spacing`` Å (larger, to keep at most ``most``), keeping the mass."""
    while True:
        index = np.floor((structure.xyz - structure.xyz.min(axis=0)) / spacing).astype(np.int64)
        span = index.max(axis=0) + 1
        _, flat = np.unique(
            (index[:, 0] * span[1] + index[:, 1]) * span[2] + index[:, 2], return_inverse=True
        )
        count = int(flat.max()) + 1
        if count <= most:
            break
        spacing *= max(1.1, (count / most) ** (1.0 / 3.0))
    electrons = np.bincount(flat, weights=structure.electrons)
    xyz = np.stack(
        [np.bincount(flat, weights=structure.electrons * structure.xyz[:, axis]) for axis in range(3)], 1
    )
    return Structure(
        name=structure.name,
        category=structure.category,
        xyz=(xyz / electrons[:, None]).astype(np.float32),
        electrons=electrons.astype(np.float32),
        blur=float(np.hypot(structure.blur, 0.29 * spacing)),
    )


def draw_orientations(rng: np.random.Generator, count: int, preferred_share: float) -> NDArray[np.float64]:
    """Draw rotations (count, 3, 3); ``preferred_share`` of them view the particle near one direction."""
    turns = Rotation.random(count, random_state=np.random.RandomState(int(rng.integers(2**31)))).as_matrix()
    preferred = rng.random(count) < preferred_share
    number = int(preferred.sum())
    if number:
        base = Rotation.identity() if rng.random() < 0.5 else Rotation.from_euler("x", 90, degrees=True)
        tilt = Rotation.from_rotvec(rng.normal(0.0, 0.2, (number, 3)))
        spin = Rotation.from_euler("z", rng.uniform(0, 360, (number, 1)), degrees=True)
        about = Rotation.from_euler("z", rng.uniform(0, 360, (number, 1)), degrees=True)
        turns[preferred] = (spin * tilt * base * about).as_matrix()
    return np.asarray(turns)


def splat(xy: FloatArray, weight: FloatArray, layer: NDArray[np.int64], layers: int, edge: int) -> FloatArray:
    """Spread weights over the four pixels nearest to each point.

    Parameters
    ----------
    xy
        float32 (n, 2), pixels; the first pixel's centre is (0, 0).
    weight
        float32 (n,).
    layer
        int64 (n,), which of the ``layers`` grids each point belongs to.
    edge
        Edge of each square grid, px; points must lie inside by a pixel.

    Returns
    -------
    float32 (layers, edge, edge)
    """
    corner = np.floor(xy).astype(np.int64)
    share = xy - corner
    flat = (layer * edge + corner[:, 1]) * edge + corner[:, 0]
    right, down = share[:, 0], share[:, 1]
    size = layers * edge * edge
    total = np.bincount(flat, weights=weight * (1 - right) * (1 - down), minlength=size)
    total += np.bincount(flat + 1, weights=weight * right * (1 - down), minlength=size)
    total += np.bincount(flat + edge, weights=weight * (1 - right) * down, minlength=size)
    total += np.bincount(flat + edge + 1, weights=weight * right * down, minlength=size)
    return total.astype(np.float32).reshape(layers, edge, edge)


def project(
    structure: Structure, turns: NDArray[np.float64], pixel_size: float, broken: NDArray[np.float64]
) -> FloatArray:
    """Project a particle along z after each rotation.

    Parameters
    ----------
    structure
        The particle.
    turns
        float64 (n, 3, 3).
    pixel_size
        Å/px of the projections.
    broken
        float64 (n,), share of the points that a cutting plane takes away from each.

    Returns
    -------
    float32 (n, edge, edge)
        Electrons per pixel; the particle's origin is the centre pixel ``edge // 2``.
    """
    turned = np.einsum("rij,nj->rni", turns.astype(np.float32), structure.xyz)
    weight = np.broadcast_to(structure.electrons, turned.shape[:2]).copy()
    for number in np.flatnonzero(broken):
        along = structure.xyz @ turns[number][0].astype(np.float32) + 0.3 * structure.xyz[:, 2]
        weight[number, along > np.quantile(along, 1.0 - broken[number])] = 0.0
    reach = int(np.ceil(float(np.linalg.norm(structure.xyz, axis=1).max()) / pixel_size)) + 2
    edge = 2 * reach + 1
    xy = turned[..., :2].reshape(-1, 2) / np.float32(pixel_size) + np.float32(reach)
    layer = np.repeat(np.arange(len(turns)), len(structure.xyz))
    return splat(xy, weight.reshape(-1), layer, len(turns), edge)


def paste(canvas: FloatArray, stamp: FloatArray, x: float, y: float) -> None:
    """Add a stamp with its centre pixel at (x, y), shifted by parts of a pixel; what sticks out is lost."""
    reach = stamp.shape[0] // 2
    column, row = int(np.floor(x)), int(np.floor(y))
    right, down = np.float32(x - column), np.float32(y - row)
    for step_y, share_y in ((0, 1 - down), (1, down)):
        for step_x, share_x in ((0, 1 - right), (1, right)):
            top, left = row - reach + step_y, column - reach + step_x
            first_y, first_x = max(0, -top), max(0, -left)
            last_y, last_x = (
                min(stamp.shape[0], canvas.shape[0] - top),
                min(stamp.shape[1], canvas.shape[1] - left),
            )
            if first_y < last_y and first_x < last_x:
                canvas[top + first_y : top + last_y, left + first_x : left + last_x] += (
                    share_x * share_y * stamp[first_y:last_y, first_x:last_x]
                )
