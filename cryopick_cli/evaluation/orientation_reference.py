"""Do coordinates fit other coordinates of the same micrographs? Pairs vote for the shift between the two.

In each frame every pick and every reference particle of a micrograph vote for the shift that would bring them
together. True partners agree; all other pairs spread out. The votes of all micrographs are added up, so the
micrographs' size need not be known, and any shift is found, not only half a box.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from cryopick_cli.errors import InputError
from cryopick_cli.evaluation.matching import match_nearest_first
from cryopick_cli.evaluation.orientation import (
    Finding,
    Frame,
    OrientationConfig,
    OrientationReport,
    Shape,
    conclude,
    frames_to_try,
    refuse_mismatch,
)

# Where no diameter is known: the radius of agreement as a part of the field's longer edge.
_USUAL_RADIUS = 1 / 100
_RADIUS_PER_DIAMETER = 0.25
# More pairs a micrograph than this only make the count slower.
_MOST_COORDINATES = 400
_SMALLEST_SHARE = 0.2
# A shift must bring this much more than none to be believed.
_AS_GOOD = 0.8
_MOST_CELLS = 500
# Enough to be sure, and quick enough to be done each time.
_MOST_BEFORE_JUDGING = 4


@dataclass(frozen=True)
class _Pair:
    """Centres of one micrograph, (n, 2) and (m, 2) px, and its shape if it is known."""

    picks: NDArray[np.float64]
    reference: NDArray[np.float64]
    shape: Shape | None


def check_on_reference(
    picks: Mapping[str, pd.DataFrame],
    reference: Mapping[str, pd.DataFrame],
    config: OrientationConfig | None = None,
    shapes: Mapping[str, Shape] | None = None,
) -> OrientationReport:
    """Try every frame against reference coordinates.

    Parameters
    ----------
    picks, reference
        Tables by micrograph, under the same names.
    config
        How to try.
    shapes
        (rows, columns) by micrograph; without them a mirrored frame may be off by any shift.

    Raises
    ------
    InputError
        If no micrograph has coordinates in both.
    """
    config = config or OrientationConfig()
    pairs = _pairs(picks, reference, config, shapes or {})
    if not pairs:
        raise InputError("check: no micrograph has coordinates in both; expected at least one that does")
    radius = _radius(reference, picks, pairs, config)
    findings = [_try(frame, pairs, radius) for frame in frames_to_try(None)]
    count = sum(len(pair.picks) for pair in pairs)
    return conclude(findings, config, micrographs=len(pairs), coordinates=count)


def refuse_other_frame(
    picks: Mapping[str, pd.DataFrame],
    reference: Mapping[str, pd.DataFrame],
    names: tuple[str, str],
    *,
    diameter_px: float | None = None,
) -> OrientationReport | None:
    """Stop before picks are judged that surely lie in another frame than the reference.

    A shift of less than half a diameter passes: how far picks lie from particles is what judging tells.

    Parameters
    ----------
    picks, reference : mapping of str to DataFrame
        Tables by micrograph, under the same names.
    names : (str, str)
        Where picks and reference came from, for the message.
    diameter_px : float, optional
        Of the particles; by default as the tables tell.

    Returns
    -------
    OrientationReport or None
        None where no micrograph has coordinates in both.

    Raises
    ------
    InputError
        On a sure mismatch.
    """
    if not any(len(table) and len(reference.get(name, ())) for name, table in picks.items()):
        return None
    config = OrientationConfig(diameter_px=diameter_px, most_micrographs=_MOST_BEFORE_JUDGING)
    report = check_on_reference(picks, reference, config)
    sized = diameter_px or _median_diameter(reference) or _median_diameter(picks)
    refuse_mismatch(report, names[0], names[1], tolerated_shift_px=(sized or 0.0) / 2)
    return report


def _pairs(
    picks: Mapping[str, pd.DataFrame],
    reference: Mapping[str, pd.DataFrame],
    config: OrientationConfig,
    shapes: Mapping[str, Shape],
) -> list[_Pair]:
    common = [name for name in picks if len(picks[name]) and name in reference and len(reference[name])]
    chosen = sorted(common, key=lambda name: (-len(reference[name]), name))[: config.most_micrographs]
    generator = np.random.default_rng(config.seed)
    return [
        _Pair(_sample(picks[name], generator), _sample(reference[name], generator), shapes.get(name))
        for name in chosen
    ]


def _sample(table: pd.DataFrame, generator: np.random.Generator) -> NDArray[np.float64]:
    """Give the accepted centres, at most so many; a random choice would lose partners, so the best ones."""
    kept = table[table["accepted"]] if "accepted" in table.columns and table["accepted"].any() else table
    if len(kept) > _MOST_COORDINATES:
        order = generator.permutation(len(kept))
        if "score" in kept.columns and kept["score"].notna().all():
            order = np.argsort(-kept["score"].to_numpy(dtype=np.float64), kind="stable")
        kept = kept.iloc[order[:_MOST_COORDINATES]]
    return kept[["x", "y"]].to_numpy(dtype=np.float64)


def _radius(
    reference: Mapping[str, pd.DataFrame],
    picks: Mapping[str, pd.DataFrame],
    pairs: Sequence[_Pair],
    config: OrientationConfig,
) -> float:
    if config.diameter_px is not None:
        return config.diameter_px * _RADIUS_PER_DIAMETER
    known = _median_diameter(reference) or _median_diameter(picks)
    if known is not None:
        return known * _RADIUS_PER_DIAMETER
    return max(2.0, max(float(np.ptp(pair.reference, axis=0).max()) for pair in pairs) * _USUAL_RADIUS)


def _median_diameter(tables: Mapping[str, pd.DataFrame]) -> float | None:
    known = [table["diameter_px"] for table in tables.values() if "diameter_px" in table.columns]
    values = pd.concat(known).dropna() if known else pd.Series(dtype="float64")
    return float(values.median()) if len(values) else None


def _try(frame: Frame, pairs: Sequence[_Pair], radius: float) -> Finding:
    """Find the shift that most pairs vote for, and count the partners there one to one."""
    moved = [
        frame.turn(pair.picks) if pair.shape is None else frame.apply(pair.picks, pair.shape)
        for pair in pairs
    ]
    references = [pair.reference for pair in pairs]
    voted = _elect(moved, references, radius)
    at_voted = _partners(moved, references, voted, radius)
    at_zero = _partners(moved, references, np.zeros(2), radius)
    # Without the micrographs' shapes a mirror's shift is no fault, but unknown.
    free = (frame.flip_x or frame.flip_y) and any(pair.shape is None for pair in pairs)
    stays = at_zero >= _AS_GOOD * at_voted or free
    found = max(at_zero, at_voted) if free else at_zero if stays else at_voted
    chance = sum(_by_chance(pair, radius) for pair in pairs)
    share = found / sum(min(len(pair.picks), len(pair.reference)) for pair in pairs)
    evidence = max(0.0, (found - chance) / np.sqrt(max(chance, 1.0)))
    return Finding(
        frame=frame,
        evidence=float(evidence) if share >= _SMALLEST_SHARE else 0.0,
        share=float(share),
        offset=(0.0, 0.0) if stays else (float(voted[0]), float(voted[1])),
    )


def _elect(
    moved: Sequence[NDArray[np.float64]], references: Sequence[NDArray[np.float64]], radius: float
) -> NDArray[np.float64]:
    """Give the shift (x, y) px with most votes above those around it."""
    shifts = np.concatenate(
        [
            (ours[None] - theirs[:, None]).reshape(-1, 2)
            for theirs, ours in zip(moved, references, strict=True)
        ]
    )
    reach = min(float(np.abs(shifts).max()) + radius, _MOST_CELLS * radius)
    edges = (np.arange(-np.ceil(reach / radius), np.ceil(reach / radius) + 2) - 0.5) * radius
    votes = np.histogram2d(shifts[:, 0], shifts[:, 1], bins=[edges, edges])[0]
    near = uniform_filter(votes, size=3, mode="constant")
    around = uniform_filter(votes, size=15, mode="constant")
    place = np.unravel_index(int(np.argmax((near - around) / np.sqrt(around + 1.0))), votes.shape)
    middle = np.array([edges[index] + radius / 2 for index in place])
    voters = shifts[(np.abs(shifts - middle) <= 1.5 * radius).all(axis=1)]
    return np.median(voters, axis=0) if len(voters) else middle


def _partners(
    moved: Sequence[NDArray[np.float64]],
    references: Sequence[NDArray[np.float64]],
    shift: NDArray[np.float64],
    radius: float,
) -> int:
    return sum(
        match_nearest_first(theirs + shift, ours, radius).n_matched
        for theirs, ours in zip(moved, references, strict=True)
    )


def _by_chance(pair: _Pair, radius: float) -> float:
    """Give the partners that places thrown at random into the reference's field would find."""
    width, height = np.ptp(pair.reference, axis=0) + 2 * radius
    few, many = sorted((len(pair.picks), len(pair.reference)))
    return float(few * -np.expm1(-many * np.pi * radius**2 / (width * height)))
