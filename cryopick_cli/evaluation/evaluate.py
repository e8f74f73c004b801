"""Judge picks against reference coordinates, a micrograph at a time and pooled.

Holds the protocol: what a match is, what counts neither way, which picks a figure speaks of. Tables in,
figures out; reading folders is `folders.py`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cryopick_cli.errors import ConfigError, InputError
from cryopick_cli.evaluation.matching import UNMATCHED, Matching, match_nearest_first, within_any
from cryopick_cli.evaluation.metrics import (
    Counts,
    PrecisionRecallCurve,
    RankedPicks,
    average_precision,
    best_f1,
    precision_recall_curve,
)
from cryopick_cli.progress import Watch, unwatched


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How picks are judged."""

    radius_fraction: float = field(
        default=0.25,
        metadata={
            "help": "Greatest distance of a match, as a fraction of the reference particle's diameter."
        },
    )
    diameter_px: float | None = field(
        default=None,
        metadata={"help": "Diameter in px of reference particles whose file gives none."},
    )

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not 0 < self.radius_fraction <= 1:
            raise ConfigError(
                f"--radius-fraction: found {self.radius_fraction:g}, expected more than 0 and at most 1; "
                "0.25 is a quarter of the particle diameter"
            )
        if self.diameter_px is not None and not 0 < self.diameter_px < math.inf:
            raise ConfigError(
                f"diameter_px: found {self.diameter_px:g}, expected a positive number of px; "
                "leave it out where the reference gives diameters"
            )


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """The figures of one micrograph, or of several pooled.

    Attributes
    ----------
    counts
        Of the accepted picks; ``counts.precision``, ``counts.recall`` and ``counts.f1`` follow from them.
    average_precision, best_f1, best_threshold
        Over every candidate, ranked by score; NaN where picks carry no score or there is no reference
        particle.
    diameter_ratio
        Median over matched accepted picks of pick diameter over reference diameter; NaN where unknown.
    distance_px
        Median distance of matched accepted picks from their reference particle, in px.
    """

    counts: Counts
    average_precision: float
    best_f1: float
    best_threshold: float
    diameter_ratio: float
    distance_px: float

    def as_row(self) -> dict[str, float | int]:
        """Give every figure under the name it carries in tables and JSON."""
        return {
            "reference": self.counts.reference,
            "picks": self.counts.matched + self.counts.false_picks + self.counts.ignored,
            "matched": self.counts.matched,
            "ignored": self.counts.ignored,
            "precision": self.counts.precision,
            "recall": self.counts.recall,
            "f1": self.counts.f1,
            "average_precision": self.average_precision,
            "best_f1": self.best_f1,
            "best_threshold": self.best_threshold,
            "diameter_ratio": self.diameter_ratio,
            "distance_px": self.distance_px,
        }


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """The figures of every judged micrograph, and the pooled ones with their curve (empty without scores)."""

    config: EvaluationConfig
    per_micrograph: dict[str, Metrics]
    pooled: Metrics
    curve: PrecisionRecallCurve

    def to_table(self) -> pd.DataFrame:
        """Make a table with a row a micrograph, named in the column ``micrograph``."""
        rows = [{"micrograph": name, **metrics.as_row()} for name, metrics in self.per_micrograph.items()]
        return pd.DataFrame(rows)

    def to_json(self) -> dict[str, object]:
        """Make a tree of plain values for JSON; a figure that does not exist is ``None``."""
        return {
            "config": asdict(self.config),
            "pooled": _without_nan(self.pooled.as_row()),
            "micrographs": {
                name: _without_nan(metrics.as_row()) for name, metrics in self.per_micrograph.items()
            },
            "curve": {
                "threshold": self.curve.threshold.tolist(),
                "matched": self.curve.matched.tolist(),
                "false_picks": self.curve.false_picks.tolist(),
            },
        }


def evaluate_picks(
    picks: Mapping[str, pd.DataFrame],
    reference: Mapping[str, pd.DataFrame],
    config: EvaluationConfig | None = None,
    watch: Watch = unwatched,
) -> EvaluationResult:
    """Judge the picks of several micrographs.

    Every micrograph of the reference is judged: where it has no picks, all its particles are missed; where
    its reference table is empty, all its picks are false. Picks on micrographs without a reference are not
    judged. Pooled figures count particles, not micrographs: counts are added up and all candidates stand in
    one ranking.

    Parameters
    ----------
    picks
        A coordinates table for each micrograph, columns ``x, y`` and where known ``diameter_px, score,
        accepted``, in px. Without ``accepted`` every pick counts as accepted. Candidates are ranked by
        ``score``, or by ``figure_of_merit`` where no score is known.
    reference
        A table for each micrograph, columns ``x, y`` and where known ``diameter_px``, ``ignore``. Rows
        marked ``ignore`` are places where a pick counts neither way; rows not ``accepted`` (of another run
        that serves as reference) are left out.
    config
        How to judge.
    watch
        Looks on while micrographs are judged.

    Raises
    ------
    InputError
        If a reference particle has no diameter and the config gives none, or if some picks of a micrograph
        have scores and others not.
    """
    config = config or EvaluationConfig()
    if not reference:
        raise InputError(
            "reference: found no micrograph, expected at least one; give a folder of reference coordinates"
        )
    judged = {}
    with watch("Judging", len(reference), "micrographs") as advance:
        for name, table in reference.items():
            judged[name] = _judge(name, picks.get(name), table, config)
            advance(name)
    pooled, curve = _summarise(list(judged.values()))
    return EvaluationResult(
        config=config,
        per_micrograph={name: _summarise([one])[0] for name, one in judged.items()},
        pooled=pooled,
        curve=curve,
    )


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """What one micrograph contributes to the figures; the arrays of pairs speak of accepted picks."""

    counts: Counts
    ranked: RankedPicks
    diameter_ratio: NDArray[np.float64]
    distance_px: NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class _Reference:
    """The particles to find and the places to ignore, each with its radius of match in px."""

    xy: NDArray[np.float64]
    diameter_px: NDArray[np.float64]
    radius_px: NDArray[np.float64]
    ignore_xy: NDArray[np.float64]
    ignore_radius_px: NDArray[np.float64]


def _judge(
    name: str, picks: pd.DataFrame | None, reference: pd.DataFrame, config: EvaluationConfig
) -> _Judged:
    places = _split_reference(name, reference, config)
    if picks is None:
        picks = pd.DataFrame({"x": np.empty(0), "y": np.empty(0)})
    score = _ranking_score(name, picks)
    order = np.argsort(-score, kind="stable")
    xy = np.asarray(picks[["x", "y"]], np.float64)

    ranked = _rank(xy[order], score[order], places)
    accepted = _column(picks, "accepted", 1.0).astype(bool)
    matching = match_nearest_first(xy[accepted], places.xy, places.radius_px)
    paired = matching.reference_of_pick != UNMATCHED
    aside = within_any(xy[accepted], places.ignore_xy, places.ignore_radius_px) & ~paired
    counts = Counts(
        matched=matching.n_matched,
        ignored=int(aside.sum()),
        false_picks=int((~paired & ~aside).sum()),
        reference=len(places.xy),
    )
    return _Judged(
        counts=counts,
        ranked=ranked,
        diameter_ratio=_diameter_ratio(_column(picks, "diameter_px", np.nan)[accepted], matching, places),
        distance_px=matching.distance_px[paired],
    )


def _split_reference(name: str, reference: pd.DataFrame, config: EvaluationConfig) -> _Reference:
    if "accepted" in reference.columns:
        reference = reference[reference["accepted"].astype(bool)]
    diameter_px = _column(reference, "diameter_px", np.nan)
    diameter_px = np.where(np.isnan(diameter_px), config.diameter_px or np.nan, diameter_px)
    if np.isnan(diameter_px).any():
        raise InputError(
            f"{name}: found {int(np.isnan(diameter_px).sum())} reference particles without a diameter, "
            "expected one for each, since the radius of a match is a fraction of it; give --diameter"
        )
    ignore = _column(reference, "ignore", 0.0).astype(bool)
    xy = np.asarray(reference[["x", "y"]], np.float64)
    radius_px = diameter_px * config.radius_fraction
    return _Reference(
        xy=xy[~ignore],
        diameter_px=diameter_px[~ignore],
        radius_px=radius_px[~ignore],
        ignore_xy=xy[ignore],
        ignore_radius_px=radius_px[ignore],
    )


def _ranking_score(name: str, picks: pd.DataFrame) -> NDArray[np.float64]:
    score = _column(picks, "score", np.nan)
    if np.isnan(score).all():
        score = _column(picks, "figure_of_merit", np.nan)
    known = ~np.isnan(score)
    if known.any() and not known.all():
        raise InputError(
            f"{name}: found {int((~known).sum())} of {len(score)} picks without a score, expected all or "
            "none to have one; a ranking needs them all"
        )
    return score


def _rank(xy: NDArray[np.float64], score: NDArray[np.float64], places: _Reference) -> RankedPicks:
    """Tell what each pick brings, the picks being in falling order of score."""
    dropped = match_nearest_first(xy, places.xy, places.radius_px).dropped_at
    on_ignored = within_any(xy, places.ignore_xy, places.ignore_radius_px)
    gained = dropped == UNMATCHED
    spoiled = ~gained & ~on_ignored[dropped]
    return RankedPicks(score=score, gained=gained.astype(np.int64), spoiled=spoiled.astype(np.int64))


def _diameter_ratio(
    diameter_px: NDArray[np.float64], matching: Matching, places: _Reference
) -> NDArray[np.float64]:
    paired = matching.reference_of_pick != UNMATCHED
    ratio: NDArray[np.float64] = diameter_px[paired] / places.diameter_px[matching.reference_of_pick[paired]]
    return ratio[~np.isnan(ratio)]


def _summarise(judged: list[_Judged]) -> tuple[Metrics, PrecisionRecallCurve]:
    counts = sum((one.counts for one in judged), Counts())
    ranked = RankedPicks.pool([one.ranked for one in judged])
    scored = not np.isnan(ranked.score).any()
    curve = precision_recall_curve(ranked if scored else RankedPicks.pool([]), counts.reference)
    best, threshold = best_f1(curve) if scored else (float("nan"), float("nan"))
    return Metrics(
        counts=counts,
        average_precision=average_precision(curve) if scored else float("nan"),
        best_f1=best,
        best_threshold=threshold,
        diameter_ratio=_median(np.concatenate([one.diameter_ratio for one in judged])),
        distance_px=_median(np.concatenate([one.distance_px for one in judged])),
    ), curve


def _column(table: pd.DataFrame, name: str, missing: float) -> NDArray[np.float64]:
    if name not in table.columns:
        return np.full(len(table), missing)
    values: NDArray[np.float64] = np.asarray(table[name], np.float64)
    return values


def _median(values: NDArray[np.float64]) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def _without_nan(row: dict[str, float | int]) -> dict[str, float | int | None]:
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value for name, value in row.items()
    }
