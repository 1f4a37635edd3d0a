"""How good predictions and imputations are, under every missing pattern."""

from __future__ import annotations

from sklar.evaluation.compare import Estimate, by_seed, estimate, paired_difference
from sklar.evaluation.metrics import (
    SCORES,
    class_scores,
    energy_score,
    label_scores,
    prediction_scores,
    reliability,
    value_scores,
)
from sklar.evaluation.patterns import Record, evaluate, pattern_name
from sklar.evaluation.rows import evaluate_rows, predict_rows

__all__ = [
    "SCORES", "Estimate", "Record", "by_seed", "class_scores", "energy_score", "estimate", "evaluate", "evaluate_rows",
    "label_scores", "paired_difference", "pattern_name", "predict_rows", "prediction_scores", "reliability",
    "value_scores",
]  # fmt: skip
