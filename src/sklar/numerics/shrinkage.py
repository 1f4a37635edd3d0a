"""How far a sample correlation matrix should be shrunk."""

from __future__ import annotations

import torch
from torch import Tensor


def shrinkage_intensity(x: Tensor) -> Tensor:
    """How far to shrink a sample correlation matrix towards the identity (Schaefer & Strimmer 2005).

    The estimated variance of the off-diagonal correlations over their squared sum: near zero with many rows, near one
    with few. There is nothing to shrink for a single variable.

    Args:
        x: standardised rows, ``(..., n, d)``.

    Returns:
        Intensities in [0, 1], ``(...)``.
    """
    n, d = x.shape[-2:]
    correlation = x.mT @ x / n
    variance = ((x * x).mT @ (x * x) / n - correlation.square()).clamp(min=0) / max(n - 1, 1)
    off = ~torch.eye(d, dtype=torch.bool, device=x.device)
    signal = (correlation.square() * off).sum((-2, -1))
    return ((variance * off).sum((-2, -1)) / signal.clamp(min=1e-12)).clamp(max=1.0)
