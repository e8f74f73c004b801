"""The automatic threshold: a share of what the sure candidates of the data set score."""

from __future__ import annotations

import numpy as np
import pytest

from cryopick_cli.model.weights import OperatingPoint
from cryopick_cli.picking.threshold import choose_threshold

POINT = OperatingPoint(threshold_share=0.5, least_threshold=0.1)


def test_equal_scores_give_their_share() -> None:
    assert choose_threshold(np.full(30, 0.8), POINT) == pytest.approx(0.4)


def test_weak_candidates_hardly_count(rng: np.random.Generator) -> None:
    sure, weak = rng.uniform(0.7, 0.9, 300), rng.uniform(0.02, 0.1, 2000)
    alone = choose_threshold(sure, POINT)
    assert choose_threshold(np.concatenate([sure, weak]), POINT) == pytest.approx(alone, rel=0.05)


def test_threshold_follows_the_contrast_of_the_data_set() -> None:
    """The same particles, scored lower throughout, must not all be lost."""
    scores = np.array([0.9, 0.8, 0.85, 0.3, 0.05])
    assert choose_threshold(0.6 * scores, POINT) == pytest.approx(0.6 * choose_threshold(scores, POINT))


def test_definition() -> None:
    scores = np.array([0.9, 0.6, 0.2])
    typical = (0.9**3 + 0.6**3 + 0.2**3) / (0.9**2 + 0.6**2 + 0.2**2)
    assert choose_threshold(scores, POINT) == pytest.approx(0.5 * typical)


@pytest.mark.parametrize("scores", [np.zeros(0), np.full(9, 0.03)])
def test_without_particles_the_least_threshold_stays(scores: np.ndarray) -> None:
    assert choose_threshold(scores, POINT) == 0.1
