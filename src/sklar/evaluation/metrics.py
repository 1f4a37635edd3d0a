"""Scores of predictions and of imputed inputs."""

from __future__ import annotations

import math
from collections.abc import Callable

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


def class_scores(probabilities: Tensor, target: Tensor) -> dict[str, float]:
    """`prediction_scores` with AUROC and AUPRC: of class 1 where there are two, else one against the rest, averaged.

    Args:
        probabilities: ``(N, C)``.
        target: class index ``(N,)``; an area is NaN where a class it needs is absent.
    """
    classes = probabilities.shape[1]
    kinds = range(1, 2) if classes == 2 else range(classes)
    areas = [_areas(probabilities[:, k], target == k) for k in kinds]
    return {
        "auroc": sum(a for a, _ in areas) / len(areas),
        "auprc": sum(a for _, a in areas) / len(areas),
        **prediction_scores(probabilities, target),
    }


def label_scores(probabilities: Tensor, target: Tensor) -> dict[str, float]:
    """Scores of several labels: areas averaged over the labels (macro) and over all answers (micro), log-loss, Brier.

    Args:
        probabilities: of presence, ``(N, L)``.
        target: 0 or 1, NaN where a label is unknown, ``(N, L)``. A label that is only ever present or absent is left
            out of the macro averages, which are NaN where that leaves none.
    """
    known = ~target.isnan()
    areas = []
    for label in range(target.shape[1]):
        rows = known[:, label]
        pair = _areas(probabilities[rows, label], target[rows, label] == 1)
        if not math.isnan(pair[0]):
            areas.append(pair)
    p, y = probabilities[known].double(), target[known].double()
    micro = _areas(p, y == 1)
    tiny = torch.finfo(probabilities.dtype).tiny
    loss = -(y * p.clamp(min=tiny).log() + (1 - y) * (1 - p).clamp(min=tiny).log())
    count = len(areas)
    return {
        "auroc_macro": sum(a for a, _ in areas) / count if count else math.nan,
        "auprc_macro": sum(a for _, a in areas) / count if count else math.nan,
        "auroc_micro": micro[0],
        "auprc_micro": micro[1],
        "log_loss": float(loss.mean()),
        "brier": float((p - y).square().mean()),
    }


def value_scores(mean: Tensor, target: Tensor) -> dict[str, float]:
    """Root mean squared error, mean absolute error, and explained share of the variance (R squared); ``(N,)`` each."""
    target = target.double()
    gap = mean.double() - target
    spread = (target - target.mean()).square().sum()
    return {
        "rmse": float(gap.square().mean().sqrt()),
        "mae": float(gap.abs().mean()),
        "r2": float(1 - gap.square().sum() / spread) if float(spread) > 0 else math.nan,
    }


SCORES: dict[str, Callable[[Tensor, Tensor], dict[str, float]]] = {
    "classification": class_scores,
    "multilabel": label_scores,
    "regression": value_scores,
}


def _areas(score: Tensor, positive: Tensor) -> tuple[float, float]:
    """Area under the ROC curve, and average precision."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    if bool(positive.all()) or not bool(positive.any()):
        return math.nan, math.nan
    y, p = positive.cpu().numpy(), score.cpu().numpy()
    return float(roc_auc_score(y, p)), float(average_precision_score(y, p))


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
