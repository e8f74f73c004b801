"""Pair picks with reference coordinates one to one, nearest pairs first.

Holds the geometry of judging: which pick belongs to which reference particle. It knows nothing of files,
scores or figures drawn from the pairs; those are in `metrics.py` and `folders.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

UNMATCHED = -1


@dataclass(frozen=True, kw_only=True)
class Matching:
    """Which pick was paired with which reference particle, and when.

    Attributes
    ----------
    reference_of_pick
        (n,) index of the reference particle each pick is paired with, or ``UNMATCHED``.
    distance_px
        (n,) distance between the two centres in px; NaN where there is no pair.
    dropped_at
        (n,) index of the pick that was left without a partner when pick ``k`` joined (it may be an earlier
        one, displaced by a nearer pick), or ``UNMATCHED`` where pick ``k`` added a pair.
    """

    reference_of_pick: NDArray[np.intp]
    distance_px: NDArray[np.float64]
    dropped_at: NDArray[np.intp]

    @property
    def n_matched(self) -> int:
        """Count the pairs."""
        return int(np.count_nonzero(self.reference_of_pick != UNMATCHED))


def match_nearest_first(
    picks_xy: NDArray[np.float64], reference_xy: NDArray[np.float64], radius_px: ArrayLike
) -> Matching:
    """Pair picks and reference particles one to one in order of distance.

    The rule: of all pairs no further apart than the radius, take the nearest, set both aside, and go on.
    Pairs equally far apart are taken in order of their midpoints, so the outcome depends neither on the
    order of the rows nor on which of the two tables is called the reference.

    The pairs are found by letting the picks join one at a time, in the order given: a pick asks its nearest
    reference particle, which keeps the nearer of two picks; the other asks its next. This ends in the very
    pairs of the rule above (both are the one stable pairing), and it also tells how many pairs the first
    ``k`` picks alone would have made, for every ``k``, which a precision-recall curve needs.

    Parameters
    ----------
    picks_xy
        (n, 2) centres in px.
    reference_xy
        (m, 2) centres in px of the same micrograph.
    radius_px
        Greatest distance of a pair in px, inclusive: one number, or (m,) one for each reference particle.
    """
    n_picks, n_reference = len(picks_xy), len(reference_xy)
    pairs = _pairs_within(
        picks_xy, reference_xy, np.broadcast_to(np.asarray(radius_px, float), (n_reference,))
    )
    choices: list[list[int]] = [[] for _ in range(n_picks)]
    for rank in range(len(pairs.pick) - 1, -1, -1):
        choices[pairs.pick[rank]].append(rank)

    holding = np.full(n_reference, UNMATCHED, np.intp)
    dropped_at = np.full(n_picks, UNMATCHED, np.intp)
    for newcomer in range(n_picks):
        dropped_at[newcomer] = _seat(newcomer, choices, pairs, holding)

    taken = holding[holding != UNMATCHED]
    reference_of_pick = np.full(n_picks, UNMATCHED, np.intp)
    distance_px = np.full(n_picks, np.nan)
    reference_of_pick[pairs.pick[taken]] = pairs.reference[taken]
    distance_px[pairs.pick[taken]] = pairs.distance_px[taken]
    return Matching(reference_of_pick=reference_of_pick, distance_px=distance_px, dropped_at=dropped_at)


def within_any(
    picks_xy: NDArray[np.float64], centres_xy: NDArray[np.float64], radius_px: ArrayLike
) -> NDArray[np.bool_]:
    """Tell which picks lie no further than the radius from any of the centres.

    Parameters
    ----------
    picks_xy
        (n, 2) centres in px.
    centres_xy
        (m, 2) centres in px of the same micrograph.
    radius_px
        In px, inclusive: one number, or (m,) one for each centre.

    Returns
    -------
    (n,) bool.
    """
    radii = np.broadcast_to(np.asarray(radius_px, float), (len(centres_xy),))
    inside = np.zeros(len(picks_xy), bool)
    inside[_pairs_within(picks_xy, centres_xy, radii).pick] = True
    return inside


@dataclass(frozen=True)
class _Pairs:
    """Every pair within reach, best first: index of the pick, of the reference particle, distance in px."""

    pick: NDArray[np.intp]
    reference: NDArray[np.intp]
    distance_px: NDArray[np.float64]


def _pairs_within(
    picks_xy: NDArray[np.float64], reference_xy: NDArray[np.float64], radii_px: NDArray[np.float64]
) -> _Pairs:
    if len(picks_xy) == 0 or len(reference_xy) == 0:
        return _Pairs(np.empty(0, np.intp), np.empty(0, np.intp), np.empty(0))
    # The tree compares squares; a hair's breadth more, then one exact comparison, keeps the rule symmetric.
    near = cKDTree(picks_xy).query_ball_point(reference_xy, radii_px * (1.0 + 1e-9))
    reference = np.repeat(np.arange(len(reference_xy)), [len(found) for found in near])
    pick = np.array([index for found in near for index in found], np.intp)
    step = picks_xy[pick] - reference_xy[reference]
    distance_px = np.hypot(step[:, 0], step[:, 1])
    within = distance_px <= radii_px[reference]
    pick, reference, distance_px = pick[within], reference[within], distance_px[within]
    midpoint = picks_xy[pick] + reference_xy[reference]
    order = np.lexsort((reference, pick, midpoint[:, 1], midpoint[:, 0], distance_px))
    return _Pairs(pick[order], reference[order], distance_px[order])


def _seat(newcomer: int, choices: list[list[int]], pairs: _Pairs, holding: NDArray[np.intp]) -> int:
    """Let one pick join; return the pick that is left over, or ``UNMATCHED`` when all found a place.

    ``holding`` names, for each reference particle, the pair it is in; a lower number is a better pair. A
    pick that has asked a reference particle never asks it again: what it was refused for can only get
    better.
    """
    asking = newcomer
    while choices[asking]:
        pair = choices[asking].pop()
        reference = pairs.reference[pair]
        held = int(holding[reference])
        if held == UNMATCHED:
            holding[reference] = pair
            return UNMATCHED
        if pair < held:
            holding[reference] = pair
            asking = int(pairs.pick[held])
    return asking
