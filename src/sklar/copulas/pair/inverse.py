"""Conditional quantiles of a pair copula without a closed form."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sklar.numerics import find_root, log_normal

STEEPEST = 80.0  # bound on the log slope of one score in another


def solve_quantile(
    q: Tensor, b: Tensor, conditional: Callable[[Tensor], Tensor], log_prob: Callable[[Tensor], Tensor]
) -> Tensor:
    """The score ``a`` with ``conditional(a) = q``, by bracketed Newton steps on the score scale.

    The slope of the equation is the copula density, rescaled to scores. The search ends at a residual of some units of
    rounding; the gradient is the implicit function's, first derivatives only.

    Args:
        q: scores of the wanted probabilities.
        b: scores of the conditioning variable.
        conditional: score of ``P(A <= a | b)``, increasing in ``a``.
        log_prob: log copula density at ``(a, b)``.
    """
    with torch.no_grad():
        start = 0.7 * q + 0.5 * b
        # The largest scores whose tail probability still has a floating-point number.
        edge = torch.full_like(conditional(start), 38.0 if start.dtype == torch.float64 else 13.0)
        q_wide = q.expand_as(edge)

        def log_slope(a: Tensor, score: Tensor) -> Tensor:
            return (log_prob(a) + log_normal(a) - log_normal(score)).clamp(-STEEPEST, STEEPEST)

        def residual(a: Tensor) -> tuple[Tensor, Tensor]:
            score = conditional(a)
            return score - q_wide, torch.exp(log_slope(a, score))

        tolerance = 64 * torch.finfo(edge.dtype).eps * (1 + q_wide.abs())
        root = find_root(residual, -edge, edge, start.expand_as(edge).clamp(-8.0, 8.0), tolerance)
    if not torch.is_grad_enabled():
        return root
    score = conditional(root)
    if not (score.requires_grad or q.requires_grad):
        return root
    with torch.no_grad():
        step = torch.exp(-log_slope(root, score))
    change = (q - score) * step
    return root + (change - change.detach())
