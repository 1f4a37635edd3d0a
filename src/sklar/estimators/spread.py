"""Standard deviations of predicted values, set on held-out rows by what each shows."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from sklar.copulas.patterns import random_subpattern
from sklar.data import Batch
from sklar.evaluation import predict_rows
from sklar.models import FusionModel

SUBPATTERNS = 4  # under which each held-out row is seen as well as under its own
PRIOR_PRECISION = 4.0  # of each logarithm that is fitted: a priori normal around zero with a deviation of a half


class Spread(NamedTuple):
    """The standard deviation of a value around its prediction, by what a row shows.

    Variance: ``(scale * spread)^2 + noise^2 exp(2 growth . f)`` with the features ``f`` of `pattern_features`. One
    factor for each modality's absence serves modalities that say different things; where they say the same, errors
    grow as a power of how few there are.

    Attributes:
        scale: factor on the spread of the predictions over draws of what is missing.
        noise: deviation of the noise beside it, in units of the target, in a row that shows everything.
        growth: logarithm of its growth by feature, ``M + 1`` numbers.
    """

    scale: float
    noise: float
    growth: tuple[float, ...]

    def deviation(self, spread: Tensor, observed: Tensor) -> Tensor:
        """Standard deviations ``(n,)``, float64, from spreads over draws ``(n,)`` and masks ``(n, M)``."""
        growth = pattern_features(observed) @ torch.tensor(self.growth, dtype=torch.float64)
        return torch.hypot(self.scale * spread.double(), self.noise * growth.exp())


def pattern_features(observed: Tensor) -> Tensor:
    """Which modalities are absent (0 or 1), and log of all modalities by those observed: ``(n, M) -> (n, M + 1)``."""
    fewer = torch.log(observed.shape[1] / observed.sum(-1, keepdim=True).double())
    return torch.cat([(~observed).double(), fewer], -1)


def fit_spread(model: FusionModel, validation: Batch, seed: int) -> Spread:
    """The spread under which held-out targets are most nearly normal, by penalised maximum likelihood.

    Each held-out row is seen as it is and under random sub-patterns. The fewer rows, the more the penalty holds: with
    a handful, all patterns have about the same noise.

    Args:
        model: of the task regression, trained.
        validation: labelled rows.
        seed: of the random sub-patterns.
    """
    generator, own = torch.Generator().manual_seed(seed), validation.observed
    masks = [own, *(random_subpattern(own, 0.5, generator) for _ in range(SUBPATTERNS))]
    predictions = [predict_rows(model, validation.see(mask)) for mask in masks]
    assert validation.target is not None
    gap = torch.cat([validation.target - prediction.mean for prediction in predictions]).double()
    spread = torch.cat([prediction.spread for prediction in predictions]).double()
    return likeliest_spread(gap, spread, torch.cat(masks), len(own))


def likeliest_spread(gap: Tensor, spread: Tensor, observed: Tensor, rows: int) -> Spread:
    """Penalised maximum likelihood of errors ``(n,)`` given spreads ``(n,)`` and masks ``(n, M)`` of so many rows."""
    features, start = pattern_features(observed), gap.square().mean().sqrt().clamp(min=1e-6).log()
    level = torch.zeros((), dtype=torch.float64, requires_grad=True)  # of the noise, around that of all errors together
    logs = torch.zeros(1 + features.shape[1], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([level, logs], max_iter=200, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        noise = start + level + features @ logs[1:]
        variance = (torch.exp(logs[0]) * spread).square() + torch.exp(2 * noise)
        fit = 0.5 * (variance.log() + gap.square() / variance).mean()
        loss = fit + 0.5 * PRIOR_PRECISION / rows * (logs.square().sum() + level.square())
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    found = logs.detach()
    return Spread(float(found[0].exp()), float((start + level.detach()).exp()), tuple(found[1:].tolist()))
