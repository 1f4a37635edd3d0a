"""What a model predicts: the likelihood of a target, averaged over draws, and how predictions are combined.

A head gives raw outputs ``(S, B, k)``, one for each of S draws of the embeddings. An outcome turns them into a
*summary* ``(B, ...)`` of the predictive distribution; the summary is what is blended, compared and reported.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sklar.joint import Calibration
from sklar.models.binary_logits import pool_logits
from sklar.numerics import log_normal


class Outcome(nn.Module):
    """Interface of an outcome. Attribute ``size``: number ``k`` of raw outputs that a head must give."""

    size: int

    def labelled(self, target: Tensor) -> Tensor:
        """Which rows have a label: bool ``(B,)``."""
        raise NotImplementedError

    def start(self, target: Tensor) -> None:
        """Fit what standardises the targets to training labels, in place; nothing by default."""

    def check(self, target: Tensor) -> None:
        """Raise ValueError where a target is not one of this outcome."""
        raise NotImplementedError

    def groups(self, target: Tensor) -> Tensor:
        """Which rows have the same target, numbers from 0 ``(B,)``; -1 for rows without one, or without equals."""
        return torch.full((len(target),), -1, device=target.device)

    def log_prob(self, outputs: Tensor, target: Tensor) -> Tensor:
        """``log (1/S) sum_s p(y | draw s)`` in nats: ``(S, B, k), (B,) -> (B,)``; zero for unlabelled rows."""
        raise NotImplementedError

    def summary(self, outputs: Tensor) -> Tensor:
        """Predictive distribution averaged over the draws: ``(S, B, k) -> (B, ...)``."""
        raise NotImplementedError

    def log_likelihood(self, summary: Tensor, target: Tensor) -> Tensor:
        """Log probability of targets under a summary in nats, ``(B,)``; zero for unlabelled rows."""
        raise NotImplementedError

    def divergence(self, first: Tensor, second: Tensor) -> Tensor:
        """Kullback-Leibler divergence in nats of one summary from another, ``(B,)``."""
        raise NotImplementedError

    def blend(self, first: Tensor, second: Tensor, share: float = 0.5) -> Tensor:
        """Two summaries, ``share`` of the second: normalised mean of the log probabilities, or mean of the values."""
        raise NotImplementedError

    def average(self, outputs: Tensor, shown: Tensor) -> Tensor:
        """Raw outputs that say the average of several experts' predictions: ``(M, B, k), (B, M) -> (B, k)``."""
        raise NotImplementedError

    def product(self, outputs: Tensor, shown: Tensor) -> Tensor:
        """Raw outputs that say the normalised product of several experts' predictions, likewise.

        Hinton, "Training products of experts by minimizing contrastive divergence", 2002.
        """
        raise NotImplementedError

    def values(self, summary: Tensor) -> Tensor:
        """A summary as (uncalibrated) probabilities ``(B, C)`` or ``(B, L)``, or the mean ``(B,)``."""
        raise NotImplementedError

    def calibrated(self, summary: Tensor, observed: Tensor) -> Tensor:
        """A summary, calibrated for how many modalities ``(B, M)`` a row has, where the outcome knows how."""
        return summary

    def prediction(self, summary: Tensor, observed: Tensor) -> Tensor:
        """What `predict` returns: `values` of the calibrated summary."""
        return self.values(self.calibrated(summary, observed))

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
        self.calibration = Calibration(classes)

    def labelled(self, target: Tensor) -> Tensor:
        """Rows whose class is not -1."""
        return target >= 0

    def check(self, target: Tensor) -> None:
        """Classes must be integers from -1 to C - 1."""
        if target.is_floating_point() or bool(((target < -1) | (target >= self.size)).any()):
            raise ValueError(f"targets must be integers from 0 to {self.size - 1}, or -1 where there is no label")

    def groups(self, target: Tensor) -> Tensor:
        """The classes."""
        return target.long()

    def log_prob(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Log of the averaged probability of the true class."""
        return self.log_likelihood(self.summary(outputs), target)

    def summary(self, outputs: Tensor) -> Tensor:
        """Log of the averaged probabilities."""
        return torch.logsumexp(torch.log_softmax(outputs, -1), 0) - math.log(len(outputs))

    def log_likelihood(self, summary: Tensor, target: Tensor) -> Tensor:
        """Log probability of the true class."""
        picked = summary.gather(-1, target.clamp(min=0)[:, None])[:, 0]
        return torch.where(target >= 0, picked, 0.0)

    def divergence(self, first: Tensor, second: Tensor) -> Tensor:
        """``sum_c p_c (log p_c - log q_c)``."""
        return (first.exp() * (first - second)).sum(-1)

    def blend(self, first: Tensor, second: Tensor, share: float = 0.5) -> Tensor:
        """Normalised geometric mean."""
        return torch.log_softmax(torch.lerp(first, second, share), -1)

    def average(self, outputs: Tensor, shown: Tensor) -> Tensor:
        """Log of the averaged probabilities."""
        each = torch.log_softmax(_masked(outputs, shown), -1)
        total = torch.logsumexp(_masked(each, shown, -torch.inf), 0)
        return total - torch.log(shown.sum(-1, keepdim=True).to(total))

    def product(self, outputs: Tensor, shown: Tensor) -> Tensor:
        """Summed log probabilities."""
        return _masked(torch.log_softmax(_masked(outputs, shown), -1), shown).sum(0)

    def values(self, summary: Tensor) -> Tensor:
        """Probabilities ``(B, C)``."""
        return summary.exp()

    def calibrated(self, summary: Tensor, observed: Tensor) -> Tensor:
        """Log of the calibrated probabilities ``(B, C)``."""
        probabilities: Tensor = self.calibration(summary.exp(), observed)
        return probabilities.log()

    def calibrate(self, summary: Tensor, observed: Tensor, target: Tensor) -> None:
        """Fit ``exp(a + b log n_observed)`` on the labelled rows."""
        rows = self.labelled(target)
        self.calibration.fit(summary[rows].exp(), observed[rows], target[rows])


class Labels(Outcome):
    """``L`` labels that may hold together, each unknown where it is NaN. Summaries: log probabilities ``(B, L, 2)``.

    Given the embeddings the labels are independent; averaged over draws of what is missing they are not.

    Args:
        labels: number of labels ``L``.
    """

    def __init__(self, labels: int) -> None:
        super().__init__()
        if labels < 1:
            raise ValueError(f"multilabel classification needs at least one label, got {labels}")
        self.size = labels
        self.calibration = Calibration()

    def labelled(self, target: Tensor) -> Tensor:
        """Rows of which some label is known."""
        return ~target.isnan().all(-1)

    def check(self, target: Tensor) -> None:
        """Labels must be 0, 1 or NaN, one column each."""
        shaped = target.ndim == 2 and target.shape[1] == self.size and target.is_floating_point()
        if not shaped or not bool(((target == 0) | (target == 1) | target.isnan()).all()):
            raise ValueError(f"targets must be (rows, {self.size}) of 0.0, 1.0, or NaN where a label is not known")

    def groups(self, target: Tensor) -> Tensor:
        """Rows with the same labels, all of them known."""
        found, known = super().groups(target), ~target.isnan().any(-1)
        found[known] = target[known].unique(dim=0, return_inverse=True)[1]
        return found

    def log_prob(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Log of the averaged joint probability of the known labels."""
        sign = torch.where(target.isnan(), 0.0, 2 * target - 1).to(outputs)
        each = nn.functional.logsigmoid(sign * outputs) * sign.abs()
        return torch.logsumexp(each.sum(-1), 0) - math.log(len(outputs))

    def summary(self, outputs: Tensor) -> Tensor:
        """Log of the averaged probabilities of absence and presence, label by label."""
        both = nn.functional.logsigmoid(torch.stack([-outputs, outputs], -1))
        return torch.logsumexp(both, 0) - math.log(len(outputs))

    def log_likelihood(self, summary: Tensor, target: Tensor) -> Tensor:
        """Log probabilities of the known labels, summed."""
        picked = summary.gather(-1, target.nan_to_num().long().unsqueeze(-1))[..., 0]
        return torch.where(target.isnan(), 0.0, picked).sum(-1)

    def divergence(self, first: Tensor, second: Tensor) -> Tensor:
        """Summed over the labels."""
        return (first.exp() * (first - second)).sum((-2, -1))

    def blend(self, first: Tensor, second: Tensor, share: float = 0.5) -> Tensor:
        """Normalised geometric mean, label by label."""
        return torch.log_softmax(torch.lerp(first, second, share), -1)

    def average(self, outputs: Tensor, shown: Tensor) -> Tensor:
        """Log odds of the averaged probabilities."""
        return pool_logits(outputs.movedim(0, 1), shown)

    def product(self, outputs: Tensor, shown: Tensor) -> Tensor:
        """Summed log odds."""
        return _masked(outputs, shown).sum(0)

    def values(self, summary: Tensor) -> Tensor:
        """Probabilities of presence ``(B, L)``."""
        return summary[..., 1].exp()

    def calibrated(self, summary: Tensor, observed: Tensor) -> Tensor:
        """Log of the calibrated probabilities of absence and presence ``(B, L, 2)``."""
        flat: Tensor = self.calibration(summary.exp().flatten(0, 1), observed.repeat_interleave(self.size, 0))
        return flat.log().unflatten(0, (len(summary), self.size))

    def calibrate(self, summary: Tensor, observed: Tensor, target: Tensor) -> None:
        """Fit ``exp(a + b log n_observed)``, common to all labels, on the known ones."""
        known = ~target.isnan()
        masks = observed.repeat_interleave(self.size, 0)[known.flatten()]
        self.calibration.fit(summary.exp()[known], masks, target[known].long())


class Value(Outcome):
    """A real value with normal noise of one learned scale; unlabelled rows are NaN.

    Heads and summaries (means) speak of the value standardised by the training rows' mean and standard deviation;
    targets, predictions and densities are in original units.
    """

    size = 1
    mean: Tensor
    scale: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(()))
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))
        self.register_buffer("scale", torch.ones((), dtype=torch.float64))

    def start(self, target: Tensor) -> None:
        """Mean and standard deviation of the labels; a scale of one where they are all equal."""
        known = target[self.labelled(target)].double()
        if len(known):
            scale = known.std(correction=0)
            self.mean.copy_(known.mean())
            self.scale.copy_(torch.where(scale > 1e-12 * known.abs().max(), scale, 1.0))

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
        standard = ((torch.where(rows, target, self.mean.to(target)).double() - self.mean) / self.scale).to(outputs)
        gap = (standard - outputs[..., 0]) * torch.exp(-self.log_scale)
        density = torch.logsumexp(log_normal(gap) - self.log_scale, 0) - math.log(len(outputs))
        return torch.where(rows, density - torch.log(self.scale).to(density), 0.0)

    def summary(self, outputs: Tensor) -> Tensor:
        """Mean over the draws."""
        return outputs.mean(0)

    def log_likelihood(self, summary: Tensor, target: Tensor) -> Tensor:
        """Log density around the mean."""
        return self.log_prob(summary[None], target)

    def divergence(self, first: Tensor, second: Tensor) -> Tensor:
        """Between two normals of the learned standard deviation."""
        return 0.5 * ((first - second)[..., 0] * torch.exp(-self.log_scale)).square()

    def blend(self, first: Tensor, second: Tensor, share: float = 0.5) -> Tensor:
        """Mean of the two."""
        return torch.lerp(first, second, share)

    def average(self, outputs: Tensor, shown: Tensor) -> Tensor:
        """Mean of the means."""
        return _masked(outputs, shown).sum(0) / shown.sum(-1, keepdim=True)

    def product(self, outputs: Tensor, shown: Tensor) -> Tensor:
        """Mean of the means: so do normals of one standard deviation multiply."""
        return self.average(outputs, shown)

    def values(self, summary: Tensor) -> Tensor:
        """The mean ``(B,)``, float64: large offsets keep their digits."""
        return summary[..., 0].double() * self.scale + self.mean


def _masked(outputs: Tensor, shown: Tensor, blank: float = 0.0) -> Tensor:
    """Outputs ``(M, B, k)`` with a value in the place of experts that do not speak; no gradient reaches those."""
    return torch.where(shown.T.unsqueeze(-1), outputs, blank)


def make_outcome(task: str, classes: int | None) -> Outcome:
    """``"classification"`` into classes, ``"multilabel"`` with that many labels, or ``"regression"``."""
    if task in ("classification", "multilabel"):
        if classes is None:
            raise ValueError(f"a {task} model needs classes, the number of classes or labels")
        return Classes(classes) if task == "classification" else Labels(classes)
    if task == "regression":
        return Value()
    raise ValueError(f"unknown task {task!r}; choose 'classification', 'multilabel' or 'regression'")
