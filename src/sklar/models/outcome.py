"""What a model predicts: the likelihood of a target, averaged over draws, and how predictions are combined.

A head gives raw outputs ``(S, B, k)``, one for each of S draws of the embeddings. An outcome turns them into a
*summary* ``(B, k)`` of the predictive distribution; the summary is what is blended, compared and reported.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sklar.joint import Calibration
from sklar.numerics import log_normal


class Outcome(nn.Module):
    """Interface of an outcome. Attribute ``size``: number ``k`` of raw outputs that a head must give."""

    size: int

    def labelled(self, target: Tensor) -> Tensor:
        """Which rows have a label: bool ``(B,)``."""
        raise NotImplementedError

    def check(self, target: Tensor) -> None:
        """Raise ValueError where a target is not one of this outcome."""
        raise NotImplementedError

    def log_prob(self, outputs: Tensor, target: Tensor) -> Tensor:
        """``log (1/S) sum_s p(y | draw s)`` in nats: ``(S, B, k), (B,) -> (B,)``; zero for unlabelled rows."""
        raise NotImplementedError

    def summary(self, outputs: Tensor) -> Tensor:
        """Predictive distribution averaged over the draws: ``(S, B, k) -> (B, k)``."""
        raise NotImplementedError

    def divergence(self, first: Tensor, second: Tensor) -> Tensor:
        """Kullback-Leibler divergence in nats of one summary from another: ``(B, k), (B, k) -> (B,)``."""
        raise NotImplementedError

    def blend(self, first: Tensor, second: Tensor) -> Tensor:
        """Two summaries, half and half: normalised mean of the log probabilities, or the mean of the values."""
        raise NotImplementedError

    def prediction(self, summary: Tensor, observed: Tensor) -> Tensor:
        """What `predict` returns: calibrated class probabilities ``(B, C)``, or the mean ``(B,)``."""
        raise NotImplementedError

    def calibrate(self, summary: Tensor, observed: Tensor, target: Tensor) -> None:
        """Fit the calibration on held-out rows, in place."""


class Classes(Outcome):
    """One of ``C`` classes; unlabelled rows are -1. Summaries are log probabilities.

    Args:
        classes: number of classes ``C``.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        if classes < 2:
            raise ValueError(f"classification needs at least two classes, got {classes}")
        self.size = classes
        self.calibration = Calibration()

    def labelled(self, target: Tensor) -> Tensor:
        """Rows whose class is not -1."""
        return target >= 0

    def check(self, target: Tensor) -> None:
        """Classes must be integers from -1 to C - 1."""
        if target.is_floating_point() or bool(((target < -1) | (target >= self.size)).any()):
            raise ValueError(f"targets must be integers from 0 to {self.size - 1}, or -1 where there is no label")

    def log_prob(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Log of the averaged probability of the true class."""
        picked = self.summary(outputs).gather(-1, target.clamp(min=0)[:, None])[:, 0]
        return torch.where(target >= 0, picked, 0.0)

    def summary(self, outputs: Tensor) -> Tensor:
        """Log of the averaged probabilities."""
        return torch.logsumexp(torch.log_softmax(outputs, -1), 0) - math.log(len(outputs))

    def divergence(self, first: Tensor, second: Tensor) -> Tensor:
        """``sum_c p_c (log p_c - log q_c)``."""
        return (first.exp() * (first - second)).sum(-1)

    def blend(self, first: Tensor, second: Tensor) -> Tensor:
        """Normalised geometric mean."""
        return torch.log_softmax(0.5 * (first + second), -1)

    def prediction(self, summary: Tensor, observed: Tensor) -> Tensor:
        """Calibrated probabilities ``(B, C)``."""
        probabilities: Tensor = self.calibration(summary.exp(), observed)
        return probabilities

    def calibrate(self, summary: Tensor, observed: Tensor, target: Tensor) -> None:
        """Fit ``exp(a + b log n_observed)`` on the labelled rows."""
        rows = self.labelled(target)
        self.calibration.fit(summary[rows].exp(), observed[rows], target[rows])


class Value(Outcome):
    """A real value with normal noise of one learned scale; unlabelled rows are NaN. Summaries are means."""

    size = 1

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(()))

    def labelled(self, target: Tensor) -> Tensor:
        """Rows whose value is not NaN."""
        return ~target.isnan()

    def check(self, target: Tensor) -> None:
        """Values must be floating point, and finite or NaN."""
        if not target.is_floating_point() or bool(target.isinf().any()):
            raise ValueError("targets must be finite floating-point values, or NaN where there is no label")

    def log_prob(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Log of the averaged normal density."""
        rows = self.labelled(target)
        gap = (torch.where(rows, target, 0.0) - outputs[..., 0]) * torch.exp(-self.log_scale)
        density = torch.logsumexp(log_normal(gap) - self.log_scale, 0) - math.log(len(outputs))
        return torch.where(rows, density, 0.0)

    def summary(self, outputs: Tensor) -> Tensor:
        """Mean over the draws."""
        return outputs.mean(0)

    def divergence(self, first: Tensor, second: Tensor) -> Tensor:
        """Between two normals of the learned standard deviation."""
        return 0.5 * ((first - second)[..., 0] * torch.exp(-self.log_scale)).square()

    def blend(self, first: Tensor, second: Tensor) -> Tensor:
        """Mean of the two."""
        return 0.5 * (first + second)

    def prediction(self, summary: Tensor, observed: Tensor) -> Tensor:
        """The mean ``(B,)``."""
        return summary[..., 0]


def make_outcome(task: str, classes: int | None) -> Outcome:
    """``"classification"`` into a number of classes, or ``"regression"``."""
    if task == "classification":
        if classes is None:
            raise ValueError("a classification model needs classes, the number of classes")
        return Classes(classes)
    if task == "regression":
        return Value()
    raise ValueError(f"unknown task {task!r}; choose 'classification' or 'regression'")
