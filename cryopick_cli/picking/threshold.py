"""Which score makes a candidate a pick, without labels and without the user.

The scores of good particles differ from one data set to the next, with contrast and crowding, and within one
from micrograph to micrograph, with defocus and ice; but the best cut goes with what the confident picks score
there. Where these score low and have no size in common, there seems to be nothing to pick. Decoys, copies of
a few micrographs in which there is nothing to find, tell how many picks are false at least.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cryopick_cli.errors import ConfigError
from cryopick_cli.model.weights import OperatingPoint

Floats = NDArray[np.float64]

TARGETS = ("f1", "precision", "recall")
BEST_A_MICROGRAPH = 5


@dataclass(frozen=True, kw_only=True)
class ThresholdConfig:
    """How the automatic threshold is moved from the one that suits F1 best."""

    precision_factor: float = field(
        default=1.4, metadata={"help": "Factor on the threshold where few false picks are wanted."}
    )
    recall_factor: float = field(
        default=0.6, metadata={"help": "Factor on the threshold where few particles may be missed."}
    )
    data_set_weight: float = field(
        default=10.0,
        metadata={"help": "Sure picks that the data set counts for in the threshold of one micrograph."},
    )
    lowest_share: float = field(
        default=0.75,
        metadata={"help": "Threshold of one micrograph over that of the data set, at least."},
    )
    decoy_micrographs: int = field(
        default=4, metadata={"help": "Micrographs from which decoys are made, at most."}
    )
    averaged_decoy_micrographs: int = field(
        default=1, metadata={"help": "The same where every look is taken many times and averaged."}
    )

    def __post_init__(self) -> None:
        """Refuse settings without meaning."""
        if not min(self.precision_factor, self.recall_factor) > 0:
            raise ConfigError("precision_factor, recall_factor: expected positive numbers")
        if not 0 < self.lowest_share <= 1:
            raise ConfigError(f"lowest_share: found {self.lowest_share}, expected more than 0 and at most 1")
        if not self.data_set_weight > 0:
            raise ConfigError(f"data_set_weight: found {self.data_set_weight}, expected a positive number")

    def factor(self, target: str) -> float:
        """Give the factor on the threshold for a target."""
        return {"f1": 1.0, "precision": self.precision_factor, "recall": self.recall_factor}[target]


class DecoyScores(NamedTuple):
    """Scores of candidates in some micrographs, and of those in copies of them that hold no particle."""

    genuine: Floats
    inverted: Floats
    """In the copies with the contrast inverted: blotches and rings look alike in either sign."""
    randomised: Floats
    """In the copies with phases drawn anew: noise of the same spectrum."""

    def false_discovery_rate(self, threshold: float) -> float | None:
        """Estimate the share of false picks: as many as the worse of the two copies gives, 1 at most.

        None where the micrographs with decoys have no pick.

        Dirt and ice crystals are in neither copy as they are in the micrograph: their share comes on top.
        """
        picks = int((self.genuine >= threshold).sum())
        false = max(int((self.inverted >= threshold).sum()), int((self.randomised >= threshold).sum()))
        return min(1.0, false / picks) if picks else None


@dataclass(frozen=True)
class CurvePoint:
    """What a threshold would give in the micrographs with decoys."""

    threshold: float
    picks: int
    false_discovery_rate: float | None
    """None where there is no pick."""


def threshold_curve(decoys: DecoyScores) -> tuple[CurvePoint, ...]:
    """Give picks and their estimated share of false ones at thresholds from 0.05 to 0.95."""
    thresholds = (round(0.05 * step, 2) for step in range(1, 20))
    return tuple(
        CurvePoint(t, int((decoys.genuine >= t).sum()), decoys.false_discovery_rate(t)) for t in thresholds
    )


def choose_threshold(
    score: Floats, point: OperatingPoint, config: ThresholdConfig | None = None, target: str = "f1"
) -> float:
    """Give the threshold for a data set that holds particles, from the scores of a sample of its candidates.

    It is ``threshold_share`` times a power of the typical confident score, never below ``least_threshold``:
    the fainter particles are, the lower lies the best cut among their scores. Of scores that are
    probabilities the power is 2.

    Parameters
    ----------
    score : (n,) float64
        Scores of all candidates after size prior and suppression of duplicates, 0 to 1.
    point : OperatingPoint
        Share and limits, as fitted for the weights on development data.
    config : ThresholdConfig, optional
    target : {"f1", "precision", "recall"}
    """
    return _cut_at(typical_score(score), point, config or ThresholdConfig(), target)


def adapt_threshold(
    score: Floats,
    typical: float,
    point: OperatingPoint,
    config: ThresholdConfig | None = None,
    target: str = "f1",
) -> float:
    """Give the threshold for one micrograph of a data set that holds particles.

    Faint micrographs are cut lower than clear ones: the typical score is the mean of the micrograph's own,
    which weighs as its candidates do, and of the data set's, which weighs as ``data_set_weight`` sure picks.
    It never falls below ``lowest_share`` of the data set's, so that a micrograph of nothing but dirt, which
    scores low throughout, is not taken for a faint one.

    Parameters
    ----------
    score : (n,) float64
        Scores of the micrograph's candidates after size prior and suppression of duplicates, 0 to 1.
    typical : float
        The data set's :func:`typical_score`.
    point, config, target
        As for :func:`choose_threshold`.
    """
    config = config or ThresholdConfig()
    own = float((score**2).sum())
    mean = (own * typical_score(score) + config.data_set_weight * typical) / (own + config.data_set_weight)
    return max(
        _cut_at(mean, point, config, target), config.lowest_share * _cut_at(typical, point, config, target)
    )


def _cut_at(typical: float, point: OperatingPoint, config: ThresholdConfig, target: str) -> float:
    share = config.factor(target) * point.threshold_share
    return min(0.99, max(point.least_threshold, share * float(typical**point.threshold_power)))


def typical_score(score: Floats) -> float:
    """Give the mean of the scores weighted by their squares, ``sum(s³) / sum(s²)``; 0 without scores."""
    weight = score**2
    return float((score * weight).sum() / weight.sum()) if weight.any() else 0.0


@dataclass(frozen=True)
class Evidence:
    """What tells data sets with particles from those without: how candidates score, if they have one size."""

    typical_score: float
    """Of all candidates, see :func:`typical_score`."""
    best_score: float
    """Mean of the five best a micrograph; missing ones count as 0."""
    agreement: float
    """Share of the candidates' weight that has the data set's size, 0 to 1."""

    @property
    def strength(self) -> float:
        """Give the best scores times the agreement: noise and dirt have no size of their own."""
        return self.best_score * self.agreement

    def seems_empty(self, point: OperatingPoint) -> bool:
        """Tell whether there seems to be no particle, or none that is clearly visible.

        Then confident candidates score low, and the best of them do, too, all the more with the share of
        candidates that agrees on one size. Without a candidate there is nothing, whatever the limits.
        """
        low = self.typical_score < point.least_typical and self.strength < point.least_evidence
        return low or self.typical_score == 0


def find_evidence(score: Floats, agreement: float, micrographs: int = 1) -> Evidence:
    """Sum up what speaks for particles.

    Parameters
    ----------
    score : (n,) float64
        As for :func:`choose_threshold`.
    agreement : float
        From :func:`~cryopick_cli.picking.consistency.size_agreement`.
    micrographs : int
        How many micrographs the scores are of.
    """
    expected = BEST_A_MICROGRAPH * micrographs
    best = float(np.sort(score)[::-1][:expected].sum()) / expected
    return Evidence(typical_score(score), best, agreement)
