"""Judge picks: matching to reference coordinates, precision, recall, F1 and average precision."""

from cryopick_cli.evaluation.evaluate import EvaluationConfig, EvaluationResult, Metrics, evaluate_picks
from cryopick_cli.evaluation.metrics import Counts, PrecisionRecallCurve

__all__ = [
    "Counts",
    "EvaluationConfig",
    "EvaluationResult",
    "Metrics",
    "PrecisionRecallCurve",
    "evaluate_picks",
]
