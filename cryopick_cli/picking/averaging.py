"""Test-time averaging: a view looked at in several symmetries of the square, and what the looks agree on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.special import expit

from cryopick_cli.picking.detect import Candidates

SYMMETRIES_OF = {"fast": (0,), "normal": (0, 3), "best": tuple(range(8))}
"""Quality -> the symmetries of the square in which a view is looked at; 3 is a turn by half a circle."""

# Two looks see the same particle if their centres differ by less than this share of its diameter ...
_SAME_CENTRE = 0.3
# ... and their log diameters by less than this.
_SAME_SIZE = 0.3


def turn_view(view: NDArray[np.float32], symmetry: int) -> NDArray[np.float32]:
    """Apply one of the eight symmetries of the square to a view, (h, w) or (w, h)."""
    turned = view.T if symmetry & 4 else view
    turned = turned[::-1] if symmetry & 2 else turned
    return np.ascontiguousarray(turned[:, ::-1] if symmetry & 1 else turned)


def turn_back(found: Candidates, shape: tuple[int, ...], symmetry: int) -> Candidates:
    """Move candidates of a turned view to where they are in the view of ``shape`` (h, w)."""
    height, width = (shape[1], shape[0]) if symmetry & 4 else (shape[0], shape[1])
    x = width - 1 - found.x if symmetry & 1 else found.x
    y = height - 1 - found.y if symmetry & 2 else found.y
    return found._replace(x=y, y=x) if symmetry & 4 else found._replace(x=x, y=y)


def average_looks(looks: Sequence[Candidates], floor: float) -> Candidates:
    """Merge what several looks at one micrograph found.

    Looks that see the same particle are averaged: centre and diameter weighted by score, log-odds with
    equal weight, where a look that did not find it counts as ``floor``.

    Parameters
    ----------
    looks : sequence of Candidates
        In the pixels of the same micrograph. A single one is given back as it is.
    floor : float
        Log-odds below which candidates were not kept.

    Returns
    -------
    Candidates
        By falling log-odds.
    """
    if len(looks) == 1:
        return looks[0]
    table = np.concatenate([np.column_stack(look) for look in looks])
    look_of = np.repeat(np.arange(len(looks)), [len(look.x) for look in looks])
    order = np.lexsort((look_of, table[:, 1], table[:, 0], -table[:, 3]))
    table, look_of = table[order], look_of[order]
    if len(table) == 0:
        return Candidates(*(np.zeros(0) for _ in range(4)))
    near = cKDTree(table[:, :2]).query_ball_point(table[:, :2], _SAME_CENTRE * table[:, 2])
    free = np.ones(len(table), dtype=np.bool_)
    merged = []
    for first, neighbours in enumerate(near):
        if free[first]:
            members = _members(first, np.sort(neighbours), table, look_of, free)
            free[members] = False
            merged.append(_mean_of(table[members], len(looks), floor))
    rows = np.array(merged)
    return Candidates(*rows[np.argsort(-rows[:, 3], kind="stable")].T.copy())


def _members(
    first: int,
    neighbours: NDArray[np.int64],
    table: NDArray[np.float64],
    look_of: NDArray[np.int64],
    free: NDArray[np.bool_],
) -> NDArray[np.int64]:
    """Choose who sees the particle of ``first``: of each look the best that is near enough and still free."""
    alike = np.abs(np.log(table[neighbours, 2] / table[first, 2])) < _SAME_SIZE
    candidates = neighbours[free[neighbours] & alike & (neighbours >= first)]
    _, best = np.unique(look_of[candidates], return_index=True)  # the table is sorted: the first is the best
    return np.asarray(candidates[best])


def _mean_of(rows: NDArray[np.float64], looks: int, floor: float) -> NDArray[np.float64]:
    weight = expit(rows[:, 3])
    centre_and_size = (rows[:, :3] * weight[:, None]).sum(axis=0) / weight.sum()
    logit = (rows[:, 3].sum() + (looks - len(rows)) * floor) / looks
    return np.append(centre_and_size, logit)
