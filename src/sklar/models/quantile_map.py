"""Draws of features brought onto the values that the features have: a monotone map each, from draws to truths."""

from __future__ import annotations

import torch
from torch import Tensor, nn

KNOTS = 33  # quantiles of a feature, from the least to the greatest
FEWEST = 20  # true values from which a map is fitted


class QuantileMap(nn.Module):
    """``x -> Q_truth(F_draws(x))`` a feature, piecewise linear between quantiles; nothing until it is fitted.

    A decoder's noise is normal, features are not: counts have no values between, sums none below zero. The map gives
    the draws of many rows together the distribution that the features of these rows have, and keeps the order of each
    feature's draws, hence their dependence. Draws beyond the outermost quantiles become these.

    Args:
        features: number ``F`` of them.

    References:
        Quantile mapping as in the correction of climate models, Maraun, "Bias correction, quantile mapping, and
        downscaling", J. Climate 2013.
    """

    drawn: Tensor
    found: Tensor
    fitted: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        for name in ("drawn", "found"):
            self.register_buffer(name, torch.zeros(KNOTS, features))
        self.register_buffer("fitted", torch.zeros(features, dtype=torch.bool))

    @torch.no_grad()
    def fit(self, draws: Tensor, truth: Tensor, known: Tensor) -> None:
        """Take the quantiles, in place; features with fewer than `FEWEST` known values stay as they are.

        Args:
            draws: of features, with all their noise, ``(S, n, F)``.
            truth: what they should be, ``(n, F)``, in the units that the values shall have.
            known: bool ``(n, F)``: which of the true values are known.
        """
        self.fitted.copy_(known.sum(0) >= FEWEST)
        if not bool(self.fitted.any()):
            return
        self.drawn.copy_(quantiles(draws.flatten(0, 1), known.repeat(len(draws), 1)))
        self.found.copy_(quantiles(truth, known))

    def forward(self, x: Tensor, plain: Tensor) -> Tensor:
        """``(..., F) -> (..., F)``; features whose map is not fitted are those of ``plain``, likewise ``(..., F)``."""
        if not bool(self.fitted.any()):
            return plain
        columns, knots = x.reshape(-1, x.shape[-1]).T.contiguous(), self.drawn.T.contiguous()
        upper = torch.searchsorted(knots, columns).clamp(1, KNOTS - 1)
        ends = [knots.gather(1, upper + shift) for shift in (-1, 0)]
        share = ((columns - ends[0]) / (ends[1] - ends[0]).clamp(min=1e-12)).clamp(0, 1)
        values = self.found.T
        mapped = torch.lerp(values.gather(1, upper - 1), values.gather(1, upper), share)
        return torch.where(self.fitted, mapped.T.reshape(x.shape), plain)


def quantiles(x: Tensor, known: Tensor) -> Tensor:
    """`KNOTS` evenly spaced quantiles of the known values of each feature, ``(n, F) -> (KNOTS, F)``; zeros for none."""
    count = known.sum(0)
    ranked = torch.where(known, x, torch.inf).sort(0).values
    place = torch.linspace(0, 1, KNOTS, device=x.device)[:, None] * (count - 1).clamp(min=0)
    low = place.long()
    high = torch.minimum(low + 1, (count - 1).clamp(min=0).expand_as(low))
    found = torch.lerp(ranked.gather(0, low), ranked.gather(0, high), (place - low).to(x.dtype))
    return torch.where(count > 0, found, 0.0)
