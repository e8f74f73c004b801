"""One pick a particle: of candidates nearer than a distance, the best stays. Centres only, no sizes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree


def suppress_duplicates(
    x: NDArray[np.float64], y: NDArray[np.float64], score: NDArray[np.float64], distance: ArrayLike
) -> NDArray[np.int64]:
    """Keep the best candidate wherever several lie within a distance of each other.

    Greedy: the highest score stays and removes all within ``distance``, then the next. Ties go to the
    lower row, then the lower column, so the result does not depend on the order of the input.

    Parameters
    ----------
    x, y, score : (n,) float64
    distance : float or (n,) float64
        What lies nearer than this to a kept candidate goes; no two kept ones are nearer than the smallest.

    Returns
    -------
    (k,) int64
        Indices of the kept candidates, by falling score.
    """
    order = np.lexsort((x, y, -score))
    reach = np.broadcast_to(np.asarray(distance, dtype=np.float64), x.shape)[order]
    if len(order) < 2 or not (reach > 0).any():
        return order
    centres = np.column_stack([x, y])[order]
    neighbours = cKDTree(centres).query_ball_point(centres, np.maximum(reach, 0) * (1 - 1e-9))
    kept = np.ones(len(order), dtype=bool)
    for rank, near in enumerate(neighbours):
        if kept[rank]:
            later = [other for other in near if other > rank]
            kept[later] = False
    return order[kept]


def count_overlapping(x: NDArray[np.float64], y: NDArray[np.float64], reach: NDArray[np.float64]) -> int:
    """Count the centres whose nearest neighbour lies within the smaller reach of the two.

    Parameters
    ----------
    x, y, reach : (n,) float64
        In one unit of length.
    """
    if len(x) < 2:
        return 0
    centres = np.column_stack([x, y])
    distance, nearest = cKDTree(centres).query(centres, k=2)
    return int((distance[:, 1] < np.minimum(reach, reach[nearest[:, 1]])).sum())
