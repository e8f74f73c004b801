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
    found, look_of = Candidates(*table[order].T), look_of[order]
    owner = _owners(found, look_of)
    _, group = np.unique(owner, return_inverse=True)

    def total(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.bincount(group, values), dtype=np.float64)

    weight = expit(found.logit)
    x, y, diameter = (total(weight * values) / total(weight) for values in found[:3])
    missed = len(looks) - total(np.ones(len(group)))
    merged = Candidates(x, y, diameter, (total(found.logit) + missed * floor) / len(looks))
    return merged.select(np.argsort(-merged.logit, kind="stable"))


def _owners(found: Candidates, look_of: NDArray[np.int64]) -> NDArray[np.int64]:
    """Tell for each candidate, by falling log-odds, the best one that sees the same particle, or itself.

    The best takes of each other look the best that is near enough, alike in size and still free.
    """
    if len(found.x) == 0:
        return np.zeros(0, dtype=np.int64)
    centre = np.column_stack([found.x, found.y])
    near = cKDTree(centre).query_ball_point(centre, _SAME_CENTRE * found.diameter, return_sorted=True)
    log_size, looks = np.log(found.diameter).tolist(), look_of.tolist()
    owner = list(range(len(centre)))
    for best, others in enumerate(near):
        if owner[best] != best:
            continue
        seen = {looks[best]}
        for other in others:
            free = other > best and owner[other] == other and looks[other] not in seen
            if free and abs(log_size[other] - log_size[best]) < _SAME_SIZE:
                seen.add(looks[other])
                owner[other] = best
    return np.array(owner, dtype=np.int64)
