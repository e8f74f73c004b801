"""Which score makes a candidate a pick, without labels and without the user.

The scores of good particles differ from one data set to the next, with contrast and crowding, but the best
cut stays near one share of what the confident picks of that data set score.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cryopick_cli.model.weights import OperatingPoint


def choose_threshold(score: NDArray[np.float64], point: OperatingPoint) -> float:
    """Give the threshold for a data set from the scores of a sample of its candidates.

    It is ``threshold_share`` of the typical confident score, the mean of the scores weighted by their
    squares, ``sum(s³) / sum(s²)``; never below ``least_threshold``, so that without particles there are no
    picks.

    Parameters
    ----------
    score : (n,) float64
        Scores of all candidates after size prior and suppression of duplicates, 0 to 1.
    point : OperatingPoint
        Share and lower limit, as fitted for the weights on development data.
    """
    if len(score) == 0:
        return point.least_threshold
    typical = float((score**3).sum() / (score**2).sum())
    return max(point.least_threshold, point.threshold_share * typical)
