"""Standardisation of features with a bound, fitted on training rows."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

BOUND = 5.0  # standard deviations; outliers beyond it lift no model and hurt most


@dataclass(frozen=True)
class Scaling:
    """``clip((x - mean) / scale, -5, 5)``, a feature at a time.

    Attributes:
        mean: ``(features,)``.
        scale: standard deviations ``(features,)``, one where a feature is constant.
    """

    mean: Tensor
    scale: Tensor

    @classmethod
    def fit(cls, x: Tensor) -> Scaling:
        """Mean and standard deviation of the rows of ``x (n, features)``."""
        scale = x.std(0, correction=0)
        return cls(x.mean(0), torch.where(scale > 1e-6, scale, 1.0))

    def __call__(self, x: Tensor) -> Tensor:
        """Standardised and clipped features, ``(..., features)``."""
        return ((x - self.mean) / self.scale).clamp(-BOUND, BOUND)

    def undo(self, x: Tensor) -> Tensor:
        """Back to the original units (clipped values stay clipped)."""
        return x * self.scale + self.mean
