"""Scores of predictions and of imputed inputs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import nll_loss, one_hot

CALIBRATION_BINS = 15


def prediction_scores(probabilities: Tensor, target: Tensor) -> dict[str, float]:
    """Accuracy, log-loss (nats), Brier score and expected calibration error (15 bins of confidence).

    Args:
        probabilities: ``(N, C)``.
        target: class index ``(N,)``.
    """
    from torchmetrics.functional.classification import multiclass_calibration_error

    classes = probabilities.shape[1]
    log_p = torch.log(probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny))
    gap = probabilities - one_hot(target, classes)
    ece = multiclass_calibration_error(probabilities, target, num_classes=classes, n_bins=CALIBRATION_BINS)
    return {
        "accuracy": float((probabilities.argmax(-1) == target).double().mean()),
        "log_loss": float(nll_loss(log_p, target)),
        "brier": float(gap.square().sum(-1).mean()),
        "ece": float(ece),
    }


def energy_score(draws: Tensor, truth: Tensor) -> float:
    """Mean energy score ``E|X - x| - 1/2 E|X - X'|`` (Gneiting & Raftery 2007); lower is better.

    Args:
        draws: ``(S, N, features)``, at least two draws.
        truth: ``(N, features)``.
    """
    count = len(draws)
    if count < 2:
        raise ValueError("the energy score needs at least two draws")
    distance = torch.linalg.vector_norm(draws - truth, dim=-1).mean(0)
    rows = draws.transpose(0, 1)
    spread = torch.cdist(rows, rows).sum((1, 2)) / (count * (count - 1))
    return float((distance - 0.5 * spread).mean())


def reliability(probabilities: Tensor, target: Tensor, bins: int = 10) -> list[tuple[float, float, int]]:
    """Points of a reliability curve: mean confidence, accuracy and number of rows in each occupied bin."""
    confidence, guess = probabilities.max(-1)
    right = (guess == target).double()
    place = (confidence * bins).long().clamp(max=bins - 1)
    points = []
    for k in range(bins):
        rows = place == k
        if bool(rows.any()):
            points.append((float(confidence[rows].mean()), float(right[rows].mean()), int(rows.sum())))
    return points
