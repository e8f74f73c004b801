"""The automatic threshold: a share of what the sure candidates of the data set score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cryopick_cli.errors import ConfigError
from cryopick_cli.model.weights import OperatingPoint
from cryopick_cli.picking.threshold import (
    TARGETS,
    DecoyScores,
    ThresholdConfig,
    adapt_threshold,
    choose_threshold,
    find_evidence,
    threshold_curve,
    typical_score,
)

POINT = OperatingPoint(threshold_share=0.5, threshold_power=2.0, least_threshold=0.1)


def test_equal_scores_give_the_share_of_their_square() -> None:
    assert choose_threshold(np.full(30, 0.8), POINT) == pytest.approx(0.32)


def test_weak_candidates_hardly_count(rng: np.random.Generator) -> None:
    sure, weak = rng.uniform(0.7, 0.9, 300), rng.uniform(0.02, 0.1, 2000)
    alone = choose_threshold(sure, POINT)
    assert choose_threshold(np.concatenate([sure, weak]), POINT) == pytest.approx(alone, rel=0.1)


def test_threshold_follows_the_contrast_of_the_data_set() -> None:
    """The same particles, scored lower throughout, must not all be lost: the fainter, the more are kept."""
    scores = np.array([0.9, 0.8, 0.85, 0.3, 0.05])
    usual = choose_threshold(scores, POINT)
    assert choose_threshold(0.6 * scores, POINT) == pytest.approx(0.36 * usual)


def test_micrograph_like_the_data_set_has_its_threshold(rng: np.random.Generator) -> None:
    scores = rng.uniform(0.6, 0.95, 200)
    assert adapt_threshold(scores, typical_score(scores), POINT) == pytest.approx(
        choose_threshold(scores, POINT)
    )


def test_faint_micrograph_is_cut_lower_and_the_more_so_the_more_it_shows() -> None:
    usual = 0.5 * 0.9**2
    few, many = (adapt_threshold(np.full(count, 0.6), 0.9, POINT) for count in (5, 500))
    assert usual > few > many
    assert many == pytest.approx(0.75 * usual)


def test_micrograph_full_of_dirt_is_not_cut_much_lower() -> None:
    dirt = np.full(1000, 0.3)
    usual = 0.5 * 0.9**2
    assert adapt_threshold(dirt, 0.9, POINT) == pytest.approx(0.75 * usual)
    assert adapt_threshold(dirt, 0.9, POINT, ThresholdConfig(lowest_share=1.0)) == pytest.approx(usual)


def test_micrograph_that_shows_nothing_keeps_the_threshold_of_the_data_set() -> None:
    usual = 0.5 * 0.9**2
    assert adapt_threshold(np.zeros(0), 0.9, POINT) == pytest.approx(usual)
    assert adapt_threshold(np.full(20, 0.03), 0.9, POINT) == pytest.approx(usual, rel=0.01)


def test_target_moves_the_threshold_of_a_micrograph() -> None:
    scores = np.full(100, 0.8)
    cuts = [adapt_threshold(scores, 0.8, POINT, target=target) for target in ("recall", "f1", "precision")]
    assert cuts == sorted(cuts)
    assert len(set(cuts)) == 3


def test_definition() -> None:
    scores = np.array([0.9, 0.6, 0.2])
    typical = (0.9**3 + 0.6**3 + 0.2**3) / (0.9**2 + 0.6**2 + 0.2**2)
    assert choose_threshold(scores, POINT) == pytest.approx(0.5 * typical**2)


def test_without_confident_candidates_the_least_threshold_stays() -> None:
    assert choose_threshold(np.full(9, 0.03), POINT) == 0.1


LIMITED = replace(POINT, least_typical=0.65, least_evidence=0.38)


@pytest.mark.parametrize(
    ("scores", "agreement", "empty"),
    [
        ([0.55] * 40, 0.5, True),
        ([0.55] * 40, 0.8, False),
        ([0.3] * 40, 0.9, True),
        ([0.75] * 40, 0.1, False),
        ([0.6], 1.0, True),
        ([0.9], 1.0, False),
        ([], 0.0, True),
    ],
    ids=[
        "noise",
        "faint particles of one size",
        "hardly a score",
        "clear particles of all sizes",
        "one speck, which agrees with itself",
        "one clear particle",
        "nothing",
    ],
)
def test_low_scores_without_a_common_size_are_no_particles(
    scores: list[float], agreement: float, *, empty: bool
) -> None:
    assert find_evidence(np.array(scores), agreement).seems_empty(LIMITED) == empty


def test_few_clear_particles_among_many_micrographs_are_no_empty_data_set() -> None:
    scores = np.array([0.9] * 16 + [0.1] * 300)
    assert not find_evidence(scores, 0.6, micrographs=16).seems_empty(LIMITED)


def test_faint_particles_with_some_that_are_less_so_are_no_empty_data_set() -> None:
    scores = np.array([0.7] * 5 + [0.3] * 200)
    assert not find_evidence(scores, 0.9).seems_empty(LIMITED)
    # Five such in twenty micrographs are dirt.
    assert find_evidence(scores, 0.9, micrographs=20).seems_empty(LIMITED)


def test_scores_that_are_no_probabilities_keep_a_share_of_themselves() -> None:
    point = replace(POINT, threshold_power=1.0)
    assert choose_threshold(np.full(30, 0.8), point) == pytest.approx(0.4)


def test_evidence_is_what_the_best_score_times_the_share_of_one_size() -> None:
    evidence = find_evidence(np.array([0.8] * 5 + [0.2] * 50), 0.5, micrographs=2)
    assert evidence.best_score == pytest.approx((5 * 0.8 + 5 * 0.2) / 10)
    assert evidence.strength == pytest.approx(0.5 * evidence.best_score)
    assert evidence.typical_score == pytest.approx(typical_score(np.array([0.8] * 5 + [0.2] * 50)))


@pytest.mark.parametrize("count", [0, 3])
def test_typical_score_of_nothing_is_zero(count: int) -> None:
    assert typical_score(np.zeros(count)) == 0


def test_targets_move_the_threshold_each_their_way() -> None:
    scores = np.full(30, 0.6)
    recall, f1, precision = (choose_threshold(scores, POINT, None, t) for t in ("recall", "f1", "precision"))
    assert recall < f1 < precision
    config = ThresholdConfig(precision_factor=2.0)
    assert choose_threshold(scores, POINT, config, "precision") == pytest.approx(2 * f1)
    assert set(TARGETS) == {"f1", "precision", "recall"}


def test_a_threshold_stays_below_one() -> None:
    assert choose_threshold(np.full(30, 0.99), POINT, ThresholdConfig(precision_factor=5.0), "precision") < 1


def test_false_discovery_rate_is_that_of_the_worse_decoy() -> None:
    decoys = DecoyScores(np.full(10, 0.8), np.array([0.9, 0.1]), np.array([0.85, 0.82, 0.3]))
    assert decoys.false_discovery_rate(0.5) == pytest.approx(0.2)
    assert decoys.false_discovery_rate(0.88) is None  # nothing is picked there: no share to speak of
    assert DecoyScores(np.full(1, 0.8), np.full(9, 0.9), np.zeros(0)).false_discovery_rate(0.5) == 1


def test_the_curve_counts_picks_over_the_threshold() -> None:
    curve = threshold_curve(DecoyScores(np.array([0.2, 0.6, 0.9]), np.array([0.3]), np.zeros(0)))
    assert [point.threshold for point in curve] == pytest.approx(np.arange(1, 20) * 0.05)
    picks = {point.threshold: point.picks for point in curve}
    assert (picks[0.1], picks[0.5], picks[0.95]) == (3, 2, 0)
    assert curve[0].false_discovery_rate == pytest.approx(1 / 3, abs=1e-4)


@pytest.mark.parametrize("values", [{"precision_factor": 0.0}, {"recall_factor": -1.0}])
def test_settings_without_meaning_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="precision_factor, recall_factor"):
        ThresholdConfig(**values)
