"""From pairs to figures: precision, recall, F1, average precision, the best threshold.

Holds the definitions, each in the docstring of the function that computes it. It knows nothing of coordinates
(`matching.py`) or of files (`folders.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What came of judging picks: matched picks, false picks, picks set aside, reference particles.

    Attributes
    ----------
    matched
        Picks paired with a reference particle.
    false_picks
        Picks without a partner, less those set aside.
    ignored
        Picks without a partner that lie on an entry to ignore: they count neither way.
    reference
        Reference particles that should have been found (entries to ignore are not among them).
    """

    matched: int = 0
    false_picks: int = 0
    ignored: int = 0
    reference: int = 0

    def __add__(self, other: Counts) -> Counts:
        """Pool the counts of two micrographs."""
        return Counts(
            matched=self.matched + other.matched,
            false_picks=self.false_picks + other.false_picks,
            ignored=self.ignored + other.ignored,
            reference=self.reference + other.reference,
        )

    @property
    def precision(self) -> float:
        """Matched picks over judged picks; NaN without judged picks."""
        return _ratio(self.matched, self.matched + self.false_picks)

    @property
    def recall(self) -> float:
        """Matched picks over reference particles; NaN without reference particles."""
        return _ratio(self.matched, self.reference)

    @property
    def f1(self) -> float:
        """Twice the matched picks over judged picks and reference particles; NaN where there are neither."""
        return _ratio(2 * self.matched, self.matched + self.false_picks + self.reference)


@dataclass(frozen=True, kw_only=True)
class RankedPicks:
    """What each pick brought when picks joined in falling order of score.

    Attributes
    ----------
    score
        (n,) score of the pick; any order.
    gained
        (n,) 1 where the pick raised the number of matched reference particles, else 0.
    spoiled
        (n,) 1 where the pick raised the number of false picks, else 0. Both are 0 where a pick ended on an
        entry to ignore.
    """

    score: NDArray[np.float64]
    gained: NDArray[np.int64]
    spoiled: NDArray[np.int64]

    @classmethod
    def pool(cls, parts: list[RankedPicks]) -> RankedPicks:
        """Put the picks of several micrographs in one ranking."""
        return cls(
            score=np.concatenate([part.score for part in parts] or [np.empty(0)]),
            gained=np.concatenate([part.gained for part in parts] or [np.empty(0, np.int64)]),
            spoiled=np.concatenate([part.spoiled for part in parts] or [np.empty(0, np.int64)]),
        )


@dataclass(frozen=True, kw_only=True)
class PrecisionRecallCurve:
    """Counts at every threshold that makes a difference, highest threshold first.

    Attributes
    ----------
    threshold
        (k,) the distinct scores, falling. Row ``i`` speaks of all picks with ``score >= threshold[i]``.
    matched, false_picks
        (k,) counts at that threshold; picks with equal scores enter together.
    reference
        Number of reference particles.
    """

    threshold: NDArray[np.float64]
    matched: NDArray[np.int64]
    false_picks: NDArray[np.int64]
    reference: int

    @property
    def precision(self) -> NDArray[np.float64]:
        """(k,) matched over judged picks; 1 where no pick is judged yet."""
        judged = self.matched + self.false_picks
        return np.where(judged > 0, self.matched / np.maximum(judged, 1), 1.0)

    @property
    def recall(self) -> NDArray[np.float64]:
        """(k,) matched picks over reference particles; NaN without reference particles."""
        return self.matched / np.float64(self.reference or np.nan)

    @property
    def f1(self) -> NDArray[np.float64]:
        """(k,) harmonic mean of precision and recall; NaN without reference particles."""
        return 2 * self.matched / (self.matched + self.false_picks + np.float64(self.reference or np.nan))


def precision_recall_curve(ranked: RankedPicks, reference: int) -> PrecisionRecallCurve:
    """Count matched and false picks at every distinct score.

    Parameters
    ----------
    ranked
        The picks of one micrograph, or of several pooled.
    reference
        Number of reference particles.
    """
    order = np.argsort(-ranked.score, kind="stable")
    score = ranked.score[order]
    last_of_each = (
        np.flatnonzero(np.append(np.diff(score) != 0, True)) if len(score) else np.empty(0, np.intp)
    )
    return PrecisionRecallCurve(
        threshold=score[last_of_each],
        matched=np.cumsum(ranked.gained[order])[last_of_each],
        false_picks=np.cumsum(ranked.spoiled[order])[last_of_each],
        reference=reference,
    )


def average_precision(curve: PrecisionRecallCurve) -> float:
    """Compute the area under the precision-recall curve, from 0 to 1.

    At recall ``r`` the curve's height is the best precision at any threshold whose recall is at least
    ``r``, and 0 beyond the highest recall reached: the sum over thresholds, from high to low, of
    ``(recall[i] - recall[i-1]) * max(precision[i:])``. This is the "all points" form of the PASCAL VOC
    challenge from 2010 on (Everingham et al. 2015, doi:10.1007/s11263-014-0733-5). NaN without reference
    particles; 0 without picks.
    """
    if curve.reference == 0:
        return float("nan")
    envelope = np.maximum.accumulate(curve.precision[::-1])[::-1]
    return float(np.sum(np.diff(curve.recall, prepend=0.0) * envelope))


def best_f1(curve: PrecisionRecallCurve) -> tuple[float, float]:
    """Find the highest F1 on the curve and the threshold that gives it.

    Chosen afterwards, with the reference in hand: an upper bound of what a threshold chosen beforehand can
    reach. Of equal F1 the highest threshold is given. Both are NaN without reference particles; without
    picks F1 is 0 and the threshold NaN.
    """
    if curve.reference == 0:
        return float("nan"), float("nan")
    if len(curve.threshold) == 0:
        return 0.0, float("nan")
    best = int(np.argmax(curve.f1))
    return float(curve.f1[best]), float(curve.threshold[best])


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
