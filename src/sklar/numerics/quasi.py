"""Evenly spread normal points."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def quasi_normal(num_samples: int, shape: tuple[int, ...], seed: int = 0, dtype: torch.dtype | None = None) -> Tensor:
    """A fixed set of standard normal points, evenly spread: a scrambled Sobol sequence through the normal quantile.

    Args:
        num_samples: number of points ``S``.
        shape: shape of one point.
        seed: of the scrambling; the same seed gives the same points.
        dtype: of the result, default float32.

    Returns:
        ``(S, *shape)``.
    """
    engine = torch.quasirandom.SobolEngine(math.prod(shape), scramble=True, seed=seed)
    uniform = engine.draw(num_samples, dtype=torch.float64).clamp(1e-7, 1 - 1e-7)
    return torch.special.ndtri(uniform).reshape(num_samples, *shape).to(dtype or torch.get_default_dtype())
