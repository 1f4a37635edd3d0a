"""Conditional quantiles of a pair copula without a closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sklar.numerics import find_root, log_normal

STEEPEST = 80.0  # bound on the log slope of one score in another


def solve_quantile(
    q: Tensor, b: Tensor, conditional: Callable[[Tensor], Tensor], log_prob: Callable[[Tensor], Tensor]
) -> Tensor:
    """The score ``a`` with ``conditional(a) = q``, by bracketed Newton steps on the score scale.

    The slope of the equation is the copula density, rescaled to scores. The search ends at a residual of some units of
    rounding; the gradient is the implicit function's; a second derivative is an error.

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
    found: Tensor = _Implicit.apply(root, q - score, step)
    return found


class _Implicit(torch.autograd.Function):
    """The root, with the gradient of a Newton step from it: right once, so a second derivative is refused."""

    generate_vmap_rule = True

    @staticmethod
    def forward(root: Tensor, gap: Tensor, step: Tensor) -> Tensor:
        return root.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(inputs[2])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, None]:
        (step,) = ctx.saved_tensors
        through = grad * step
        if torch.is_grad_enabled():
            through = _Refused.apply(through.detach().requires_grad_())
        return None, through, None


class _Refused(torch.autograd.Function):
    """A first derivative that must not be differentiated again."""

    generate_vmap_rule = True

    @staticmethod
    def forward(first: Tensor) -> Tensor:
        return first.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        """There is nothing to keep."""

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        raise RuntimeError("an inverse that is solved numerically has first derivatives only, not second ones")
