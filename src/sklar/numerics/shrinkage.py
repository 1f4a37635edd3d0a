"""How far a sample correlation matrix should be shrunk."""

from __future__ import annotations

import torch
from torch import Tensor


def shrinkage_intensity(x: Tensor, observed: Tensor | None = None) -> Tensor:
    """How far to shrink a sample correlation matrix towards the identity (Schaefer & Strimmer 2005).

    The estimated variance of the off-diagonal correlations over their squared sum: near zero with many rows, near one
    with few. There is nothing to shrink for a single variable.

    Args:
        x: standardised rows, ``(..., n, d)``.
        observed: bool ``(..., n, d)``; a pair's correlation is then estimated from the rows that have both.

    Returns:
        Intensities in [0, 1], ``(...)``.
    """
    off = ~torch.eye(x.shape[-1], dtype=torch.bool, device=x.device)
    if observed is None:
        count = torch.full_like(x[..., :1, :1], x.shape[-2])
    else:
        shown = observed.to(x.dtype)
        x, count = x * shown, shown.mT @ shown
        off = off & (count > 1)
    correlation = x.mT @ x / count.clamp(min=1)
    variance = ((x * x).mT @ (x * x) / count.clamp(min=1) - correlation.square()).clamp(min=0)
    variance = variance / (count - 1).clamp(min=1)
    signal = (correlation.square() * off).sum((-2, -1))
    return ((variance * off).sum((-2, -1)) / signal.clamp(min=1e-12)).clamp(max=1.0)
