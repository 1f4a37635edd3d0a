"""What each row adds to a score, so that a score of resampled rows is quickly had."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot


@dataclass(frozen=True)
class Losses:
    """A score as a ratio of two sums over rows, ``sum(loss) / sum(count)``, or the root of it.

    Attributes:
        loss: ``(n,)``.
        count: of known answers, ``(n,)``.
        root: whether the score is the root of the ratio.
    """

    loss: np.ndarray
    count: np.ndarray
    root: bool = False

    def score(self, rows: np.ndarray) -> float:
        """Of some rows, with repeats; NaN where none of them has a known answer."""
        known = float(self.count[rows].sum())
        if known == 0:
            return float("nan")
        ratio = float(self.loss[rows].sum()) / known
        return float(np.sqrt(ratio)) if self.root else ratio


def row_losses(task: str, mean: Tensor, target: Tensor) -> dict[str, Losses]:
    """Scores of `sklar.evaluation.SCORES` that are such sums, by their names there.

    Args:
        task: ``"classification"``, ``"multilabel"`` or ``"regression"``.
        mean: probabilities ``(n, C)`` or ``(n, L)``, or means ``(n,)``.
        target: as there; every row has a label.
    """
    if task == "regression":
        gap = mean.double() - target.double()
        return _alike({"rmse": gap.square()}, root=True) | _alike({"mae": gap.abs()})
    p = mean.double().clamp(min=torch.finfo(mean.dtype).tiny)
    if task == "classification":
        gap = mean.double() - one_hot(target, mean.shape[1])
        right = (mean.argmax(-1) == target).double()
        picked = p.gather(-1, target[:, None])[:, 0]
        return _alike({"accuracy": right, "log_loss": -picked.log(), "brier": gap.square().sum(-1)})
    known = ~target.isnan()
    y = target.nan_to_num()
    absent = (1 - mean.double()).clamp(min=torch.finfo(mean.dtype).tiny)
    each = {"log_loss": -(y * p.log() + (1 - y) * absent.log()), "brier": (mean.double() - y).square()}
    count = known.double().sum(-1).numpy()
    return {name: Losses(torch.where(known, value, 0.0).sum(-1).numpy(), count) for name, value in each.items()}


def _alike(each: dict[str, Tensor], root: bool = False) -> dict[str, Losses]:
    return {name: Losses(value.numpy(), np.ones(len(value)), root) for name, value in each.items()}
