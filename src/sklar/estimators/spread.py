"""Standard deviations of predicted values, set on held-out rows."""

from __future__ import annotations

import torch
from torch import Tensor

from sklar.copulas.patterns import random_subpattern
from sklar.data import Batch
from sklar.evaluation import predict_rows
from sklar.models import FusionModel

SUBPATTERNS = 4  # under which each held-out row is seen as well as under its own
RIDGE = 0.02


def fit_spread(model: FusionModel, validation: Batch, seed: int) -> tuple[float, float]:
    """Factors ``a`` and ``b`` so that held-out targets are nearly normal with variance ``a^2 spread^2 + b^2``.

    The spread over draws of what is missing says how much more is open in one row than in another; how much of it, and
    how much noise there is beside it, is found by maximum likelihood with a small ridge.

    Args:
        model: of the task regression, trained.
        validation: labelled rows.
        seed: of the random sub-patterns.

    Returns:
        The factor on the spread, and the standard deviation of the noise in units of the target.
    """
    generator, own = torch.Generator().manual_seed(seed), validation.observed
    masks = [own, *(random_subpattern(own, 0.5, generator) for _ in range(SUBPATTERNS))]
    predictions = [predict_rows(model, validation.see(mask)) for mask in masks]
    assert validation.target is not None
    gap = torch.cat([validation.target - prediction.mean for prediction in predictions]).double()
    spread = torch.cat([prediction.spread for prediction in predictions]).double()
    start = gap.square().mean().sqrt().clamp(min=1e-6).log()
    logs = torch.zeros(2, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([logs], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        variance = (torch.exp(logs[0]) * spread).square() + torch.exp(2 * (start + logs[1]))
        loss = 0.5 * (variance.log() + gap.square() / variance).mean() + RIDGE * logs.square().sum()
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(closure)
    return float(logs[0].detach().exp()), float((start + logs[1].detach()).exp())
