"""Crystalline ice: mosaics of grains with dark and light blotches, and plates with bend contours."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from cryopick_cli.simulation.specimen import ICE, Specimen, smooth_field
from cryopick_cli.simulation.structure import FloatArray

_COARSE = 4
"""Slow features are drawn on a grid this much coarser."""


def _enlarge(field: FloatArray, edge: int) -> FloatArray:
    """Interpolate a coarse square field to ``edge`` px."""
    return np.asarray(ndimage.zoom(field, edge / field.shape[0], order=1, grid_mode=True, mode="nearest"))


def _grain_borders(rng: np.random.Generator, edge: int, grain: float) -> FloatArray:
    """Draw a network of thin lines between random grains ``grain`` px wide, 0 to 1."""
    coarse = -(-edge // _COARSE)
    seeds = rng.uniform(0, edge, (max(8, int((edge / grain) ** 2)), 2))
    row, column = np.mgrid[:coarse, :coarse] * _COARSE
    distance, _ = cKDTree(seeds).query(np.stack([column.ravel(), row.ravel()], 1), k=2)
    gap = (distance[:, 1] - distance[:, 0]).astype(np.float32).reshape(coarse, coarse)
    # Grains meet at other angles everywhere: some borders show, others do not.
    shown = np.clip(_blotches(rng, edge, 1.5 * grain) + 0.4, 0.0, 2.0)
    return np.asarray(shown * np.exp(-((_enlarge(gap, edge) / np.float32(max(1.5, 0.05 * grain))) ** 2)))


def _blotches(rng: np.random.Generator, edge: int, grain: float) -> FloatArray:
    """Draw dark and light spots about ``grain`` px wide with a heavy-tailed strength, deviation 1."""
    coarse = -(-edge // _COARSE)
    total = np.zeros((coarse, coarse), np.float32)
    for width in (0.5 * grain, grain, 2.0 * grain):
        spots = np.zeros_like(total)
        count = max(20, int(2.0 * (edge / width) ** 2))
        row, column = rng.integers(0, coarse, (2, count))
        np.add.at(spots, (row, column), rng.standard_t(3.0, count).astype(np.float32))
        spots = ndimage.gaussian_filter(spots, 0.35 * width / _COARSE, truncate=3.0)
        total += spots / max(float(spots.std()), 1e-9)
    return _enlarge(total / np.float32(np.sqrt(3.0)), edge)


def add_mosaic(rng: np.random.Generator, specimen: Specimen) -> None:
    """Add a mosaic of crystal grains, all over the view or in part of it."""
    grain = rng.uniform(14, 70) * specimen.scale
    mosaic = np.float32(np.exp(rng.uniform(np.log(0.003), np.log(0.025)))) * _blotches(
        rng, specimen.edge, grain
    )
    mosaic += np.float32(rng.uniform(0.0, 0.02)) * _grain_borders(rng, specimen.edge, grain)
    if rng.random() < 0.4:
        mosaic *= np.clip(2.0 * smooth_field(rng, specimen.edge, 4), 0.0, 1.0)
    specimen.loss += mosaic
    specimen.phase += np.float32(rng.uniform(0.0, 3.0)) * mosaic


def add_plates(rng: np.random.Generator, specimen: Specimen) -> None:
    """Add hexagonal plates with bend contours."""
    for _ in range(int(rng.integers(1, 6))):
        radius = float(np.exp(rng.uniform(np.log(20), np.log(200)))) * specimen.scale
        x, y = rng.uniform(0, specimen.edge, 2)
        rows, columns, dy, dx = specimen.window(x, y, 1.2 * radius)
        if rows.stop <= rows.start or columns.stop <= columns.start:
            continue
        turns = rng.uniform(0, np.pi) + np.arange(3) * np.pi / 3
        sides = [np.abs(np.float32(np.cos(turn)) * dx + np.float32(np.sin(turn)) * dy) for turn in turns]
        reach = [side / np.float32(rng.uniform(0.5, 0.87) * radius) for side in sides]
        inside = np.clip((1.0 - np.maximum.reduce(reach)) * np.float32(0.5 * radius), 0.0, 1.0)
        bend = np.float32(rng.uniform(1.0, 6.0) / radius**2)
        contours = np.sin(bend * (dx * dy + np.float32(rng.normal()) * dx**2) + np.float32(rng.uniform(0, 6)))
        specimen.add_material(inside * np.float32(rng.uniform(20, 250)), ICE, (rows, columns))
        specimen.loss[rows, columns] += np.float32(rng.uniform(0.0, 0.12)) * inside * (1.0 + contours)
        specimen.covered[rows, columns] |= inside > 0


def add_crystalline_ice(rng: np.random.Generator, specimen: Specimen) -> None:
    """Add a mosaic of grains (more often) or plates."""
    if rng.random() < 0.65:
        add_mosaic(rng, specimen)
    else:
        add_plates(rng, specimen)
