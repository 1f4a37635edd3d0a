"""How good predictions and imputations are, under every missing pattern."""

from __future__ import annotations

from sklar.evaluation.compare import Estimate, by_seed, estimate, paired_difference
from sklar.evaluation.metrics import energy_score, prediction_scores, reliability
from sklar.evaluation.patterns import Record, evaluate, pattern_name

__all__ = [
    "Estimate", "Record", "by_seed", "energy_score", "estimate", "evaluate", "paired_difference", "pattern_name",
    "prediction_scores", "reliability",
]  # fmt: skip
