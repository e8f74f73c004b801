"""Where particles lie: random centres with a least distance, clusters and uneven density."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cryopick_cli.simulation.config import LayoutConfig
from cryopick_cli.simulation.specimen import smooth_field

Centres = NDArray[np.float64]


def draw_count(rng: np.random.Generator, config: LayoutConfig, diameter_px: float, edge: int) -> int:
    """Draw how many particles a micrograph of ``edge`` px holds."""
    low, high = config.coverage
    share = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    # A third of the micrographs are well filled, as good grids are.
    if rng.random() < 0.33:
        share = rng.uniform(max(low, 0.25 * high), high)
    count = share * edge**2 / (0.25 * np.pi * diameter_px**2)
    return int(np.clip(round(count), 1, config.most_particles))


def _density(
    rng: np.random.Generator, config: LayoutConfig, candidates: Centres, edge: int, diameter_px: float
) -> Centres:
    """Thin candidates so that they gather in clusters or on one side; gives those that stay."""
    weight = np.ones(len(candidates))
    column = np.clip(((candidates[:, 0] / edge) * 64).astype(int), 0, 63)
    row = np.clip(((candidates[:, 1] / edge) * 64).astype(int), 0, 63)
    if rng.random() < config.uneven_probability:
        field = smooth_field(rng, 64, 3)
        weight *= 1.0 / (1.0 + np.exp(-3.0 * (field[row, column] - rng.uniform(-0.7, 0.7))))
    if rng.random() < config.clustered_probability:
        modes = int(np.clip(edge / (diameter_px * rng.uniform(2.0, 6.0)), 3, 30))
        field = smooth_field(rng, 64, modes, 0.5)
        weight *= field[row, column] > rng.uniform(-0.3, 1.0)
    return candidates[rng.random(len(candidates)) < weight]


def draw_centres(
    rng: np.random.Generator, config: LayoutConfig, count: int, diameter_px: float, edge: int
) -> Centres:
    """Draw up to ``count`` centres (n, 2), x and y in px of the micrograph; some lie just outside.

    Darts are thrown until ``count`` stick or 12 a particle have missed.
    """
    reach = 0.45 * diameter_px
    candidates = _density(
        rng, config, rng.uniform(-reach, edge - 1 + reach, (12 * count + 20, 2)), edge, diameter_px
    )
    return thin_to_spacing(candidates, rng.uniform(*config.spacing) * diameter_px, count)


def thin_to_spacing(candidates: Centres, spacing: float, count: int) -> Centres:
    """Keep the first ``count`` candidates that are ``spacing`` px from all kept before."""
    grid: dict[tuple[int, int], list[tuple[float, float]]] = {}
    kept: list[tuple[float, float]] = []
    for x, y in candidates.tolist():
        cell_x, cell_y = int(x // spacing), int(y // spacing)
        if all(
            (x - other_x) ** 2 + (y - other_y) ** 2 >= spacing**2
            for near_x in (cell_x - 1, cell_x, cell_x + 1)
            for near_y in (cell_y - 1, cell_y, cell_y + 1)
            for other_x, other_y in grid.get((near_x, near_y), ())
        ):
            grid.setdefault((cell_x, cell_y), []).append((x, y))
            kept.append((x, y))
            if len(kept) == count:
                break
    return np.array(kept, dtype=np.float64).reshape(-1, 2)
