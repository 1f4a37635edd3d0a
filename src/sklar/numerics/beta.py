"""The regularised incomplete beta function with gradients in all its arguments, in logs."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

MAX_TERMS = 400  # of the continued fraction; twenty or so are needed, about sqrt(a + b) with large parameters


def _fraction(a: Tensor, b: Tensor, x: Tensor, derivatives: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Log of the continued fraction of I_x(a, b) (DLMF 8.17.22) and, where asked for, its derivatives in a and b.

    Modified Lentz, with each of its two sequences' derivatives carried along.
    """
    zero = torch.zeros_like(x)
    d = 1 / _away(1 - (a + b) * x / (a + 1))
    c, f = torch.ones_like(x), d
    da, db, ca, cb = d * d * x * (1 - b) / (a + 1).square(), d * d * x / (a + 1), zero, zero
    fa, fb = da / d, db / d
    for m in range(1, MAX_TERMS):
        two = a + 2 * m
        change = zero
        for even in (True, False):
            if even:
                scale = x / ((two - 1) * two)
                k = m * (b - m) * scale
            else:
                scale = x / (two * (two + 1))
                k = -(a + m) * (a + b + m) * scale
            new, last = 1 / _away(1 + k * d), c
            c = _away(1 + k / c)
            if derivatives:
                if even:
                    ka, kb = -k * (1 / (two - 1) + 1 / two), m * scale
                else:
                    ka, kb = -(2 * a + b + 2 * m) * scale - k * (1 / two + 1 / (two + 1)), -(a + m) * scale
                da, db = -new * new * (ka * d + k * da), -new * new * (kb * d + k * db)
                ca, cb = (ka - k * ca / last) / last, (kb - k * cb / last) / last
                fa, fb = fa + da / new + ca / c, fb + db / new + cb / c
            d = new
            ratio = c * d
            f = f * ratio
            change = torch.maximum(change, (ratio - 1).abs())
        if not bool((change > 1e-15).any()):  # NaN is done too
            break
    return torch.log(f), fa, fb


def _away(x: Tensor) -> Tensor:
    return torch.where(x.abs() < 1e-300, 1e-300, x)


def log_tails(
    a: Tensor, b: Tensor, log_x: Tensor, log_1mx: Tensor, derivatives: bool = True
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """``log I_x(a, b)``, ``log (1 - I)``, the derivatives of I in a and b (where asked for), ``log B(a, b)``.

    All in float64, elementwise, without gradients of torch's own: see `log_betainc`.
    """
    x = torch.exp(log_x)
    swap = x > (a + 1) / (a + b + 2)
    p, q = torch.where(swap, b, a), torch.where(swap, a, b)
    y = torch.where(swap, torch.exp(log_1mx), x)
    log_f, fp, fq = _fraction(p, q, y, derivatives)
    log_beta = torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)
    log_small = a * log_x + b * log_1mx - torch.log(p) - log_beta + log_f
    small = torch.exp(log_small)
    log_other = torch.log1p(-small.clamp(max=1.0))
    lower, upper = torch.where(swap, log_other, log_small), torch.where(swap, log_small, log_other)
    if not derivatives:
        return lower, upper, fp, fq, log_beta
    psi = torch.digamma(a + b)
    fa, fb = torch.where(swap, fq, fp), torch.where(swap, fp, fq)
    grad_a = small * (log_x - torch.digamma(a) + psi + fa - torch.where(swap, 0.0, 1 / a))
    grad_b = small * (log_1mx - torch.digamma(b) + psi + fb - torch.where(swap, 1 / b, 0.0))
    sign = torch.where(swap, -1.0, 1.0).to(x.dtype)
    return lower, upper, sign * grad_a, sign * grad_b, log_beta


class _LogBetainc(torch.autograd.Function):
    """``log I_x(a, b)`` and ``log (1 - I_x(a, b))`` of the logs of ``x`` and ``1 - x``."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, log_x: Tensor, log_1mx: Tensor) -> tuple[Tensor, Tensor]:
        lower, upper, grad_a, grad_b, log_beta = log_tails(a, b, log_x, log_1mx)
        # d I / d log x, given that 1 - x follows.
        grad_x = torch.exp(a * log_x + (b - 1) * log_1mx - log_beta)
        ctx.save_for_backward(lower, upper, grad_a, grad_b, grad_x)
        return lower, upper

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_lower: Tensor, grad_upper: Tensor) -> tuple[Tensor, ...]:
        lower, upper, grad_a, grad_b, grad_x = ctx.saved_tensors
        g = grad_lower * torch.exp(-lower) - grad_upper * torch.exp(-upper)
        return g * grad_a, g * grad_b, g * grad_x, torch.zeros_like(g)


def log_betainc(a: Tensor, b: Tensor, log_x: Tensor, log_1mx: Tensor) -> tuple[Tensor, Tensor]:
    """Logs of the regularised incomplete beta function ``I_x(a, b)`` and of its complement, elementwise.

    Args:
        a: first parameter, positive.
        b: second parameter, positive.
        log_x: log of ``x``.
        log_1mx: log of ``1 - x``; gradients in ``x`` pass through ``log_x`` alone.

    Returns:
        Two float64 tensors, each with relative accuracy in its small tail. First derivatives in ``a``, ``b``, ``x``.
    """
    a, b, log_x, log_1mx = torch.broadcast_tensors(a.double(), b.double(), log_x.double(), log_1mx.double())
    lower, upper = _LogBetainc.apply(a, b, log_x, log_1mx)
    return lower, upper


def betainc(a: Tensor, b: Tensor, x: Tensor) -> Tensor:
    """Regularised incomplete beta function ``I_x(a, b)``, elementwise, ``x`` in (0, 1), with gradients in all three."""
    lower, _ = log_betainc(a, b, torch.log(x.double()), torch.log1p(-x.double()).detach())
    return torch.exp(lower).to(torch.promote_types(a.dtype, x.dtype))
