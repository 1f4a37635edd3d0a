"""Standardisation that is part of the model: fitted once on training rows, kept with the weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn

BOUND = 5.0  # standard deviations; outliers beyond it lift no model and hurt most


class Standardize(nn.Module):
    """``clip((x - mean) / scale, -5, 5)``, a feature at a time; the identity (unclipped) until it is fitted.

    Args:
        features: number of features ``F``, the last axis of what it is given.
    """

    mean: Tensor
    scale: Tensor
    bound: Tensor

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("scale", torch.ones(features))
        self.register_buffer("bound", torch.full((), torch.finfo(torch.float32).max))

    @torch.no_grad()
    def fit(self, x: Tensor) -> Standardize:
        """Means and standard deviations of ``x (..., F)`` without its NaN cells, in place; returns itself.

        A feature that is constant or never there keeps a scale of one.
        """
        cells = x.flatten(0, -2).double()
        count = (~cells.isnan()).sum(0).clamp(min=1)
        mean = cells.nansum(0) / count
        return self.adopt(mean, ((cells - mean).square().nansum(0) / count).sqrt())

    @torch.no_grad()
    def adopt(self, mean: Tensor, scale: Tensor) -> Standardize:
        """Means and standard deviations ``(F,)`` that were found elsewhere, in place; returns itself."""
        self.mean.copy_(mean)
        self.scale.copy_(torch.where(scale > 1e-6 * (1 + mean.abs()), scale, 1.0))
        self.bound.fill_(BOUND)
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Standardised and clipped, ``(..., F)``; NaN cells stay NaN."""
        return ((x - self.mean) / self.scale).clamp(min=-self.bound, max=self.bound)

    def undo(self, x: Tensor) -> Tensor:
        """Back to the original units (clipped values stay clipped)."""
        return x * self.scale + self.mean
