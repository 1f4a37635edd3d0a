"""Special functions in log space, and roots of monotone functions, with the gradients that torch lacks.

Scores (normal quantiles ``w = ndtri(u)``) rather than uniforms travel through the library, because a float32 ``u``
near one has no digits left. These functions turn log probabilities into scores and back without leaving log space.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


def log_normal(w: Tensor) -> Tensor:
    """Log density of the standard normal at ``w``, elementwise."""
    return -0.5 * w * w - LOG_SQRT_2PI


class _InverseMills(torch.autograd.Function):
    """``phi(x) / Phi(x)``, whose derivative is ``-r (x + r)``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        lower = x <= 0
        tail = math.sqrt(2 / math.pi) / torch.special.erfcx(torch.where(lower, -x, x) / math.sqrt(2))
        return torch.where(lower, tail, torch.exp(log_normal(x)) / torch.special.ndtr(x))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        r = inverse_mills(x)
        return -grad * r * (x + r)


def inverse_mills(x: Tensor) -> Tensor:
    """Inverse Mills ratio ``phi(x) / Phi(x)``, the derivative of `log_ndtr`, elementwise and stable in both tails."""
    result: Tensor = _InverseMills.apply(x)
    return result


class _LogNdtr(torch.autograd.Function):
    """``torch.special.log_ndtr`` with a gradient that does not cancel (torch's is 4% off at -1000 in float32)."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.special.log_ndtr(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * inverse_mills(x)


def log_ndtr(x: Tensor) -> Tensor:
    """Log of the standard normal distribution function, elementwise; differentiable in the far tails too."""
    result: Tensor = _LogNdtr.apply(x)
    return result


class _LogNdtri(torch.autograd.Function):
    """Normal quantile of ``exp(log_p)``; its derivative is the Mills ratio at the result."""

    generate_vmap_rule = True

    @staticmethod
    def forward(log_p: Tensor) -> Tensor:
        # Above this the plain quantile loses nothing; below it exp(log_p) would run out of exponent.
        plain = log_p > -5.0
        upper = log_p > -math.log(2.0)
        p = torch.where(plain, log_p, -torch.ones_like(log_p))
        w_plain = torch.where(upper, -torch.special.ndtri(-torch.expm1(p)), torch.special.ndtri(torch.exp(p)))
        # The tail: log Phi(w) = -w^2/2 - log(-w) - log sqrt(2 pi) + O(w^-2) for the start, then Newton on log_ndtr,
        # which is concave, so that every step after the first stays on one side.
        t = torch.where(plain, -torch.full_like(log_p, 10.0), log_p).clamp(min=torch.finfo(log_p.dtype).min / 8)
        w = -torch.sqrt(-2.0 * t - torch.log(-4.0 * math.pi * t))
        for _ in range(4):
            w = w - (torch.special.log_ndtr(w) - t) / inverse_mills(w)
        w = torch.where(plain, w_plain, w)
        return torch.where(log_p == -math.inf, log_p, w)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (w,) = ctx.saved_tensors
        return grad / inverse_mills(w)


def log_ndtri(log_p: Tensor) -> Tensor:
    """Normal quantile of a log probability, accurate in the far lower tail: the inverse of `log_ndtr`.

    Args:
        log_p: log probabilities, any shape, at most zero.

    Returns:
        ``w`` with ``log_ndtr(w) = log_p``, same shape. Differentiable, also twice.

    Near ``log_p = 0`` the input itself has lost its digits; use `scores_from_logs` with both tails there.
    """
    result: Tensor = _LogNdtri.apply(log_p)
    return result


def scores_from_logs(log_u: Tensor, log_survival: Tensor) -> Tensor:
    """Scores ``w = ndtri(u)`` from ``log u`` and ``log(1 - u)``, whichever tail is the smaller one deciding.

    Args:
        log_u: log of the uniforms, any shape.
        log_survival: log of one minus the uniforms, same shape.

    Returns:
        Scores of the same shape, to a few units of rounding in both tails.
    """
    lower = log_u <= log_survival
    w = log_ndtri(torch.where(lower, log_u, log_survival))
    return torch.where(lower, w, -w)


def find_root(
    function: Callable[[Tensor], tuple[Tensor, Tensor]], lower: Tensor, upper: Tensor, max_iterations: int = 200
) -> Tensor:
    """Root of an increasing function, elementwise, by Newton steps kept inside a shrinking bracket.

    A step that would leave the bracket, or that follows one which did not halve the residual, is replaced by a
    bisection, so that the worst case is bisection down to neighbouring floating-point numbers. No gradient passes;
    callers add the implicit one.

    Args:
        function: maps ``x`` to ``(value, derivative)``, all of the bracket's shape.
        lower: a point at or below each root.
        upper: a point at or above each root.
        max_iterations: a safety net; Newton usually needs fewer than ten.

    Returns:
        The roots, shape of ``lower``.
    """
    with torch.no_grad():
        # Room for rounding in the bracket's own computation.
        slack = 8 * torch.finfo(lower.dtype).eps * (lower.abs() + upper.abs())
        low, high = lower - slack, upper + slack
        x = 0.5 * (low + high)
        best, best_residual = x, torch.full_like(x, math.inf)
        previous = torch.full_like(x, math.inf)
        for _ in range(max_iterations):
            value, derivative = function(x)
            residual = value.abs()
            better = residual < best_residual
            best, best_residual = torch.where(better, x, best), torch.where(better, residual, best_residual)
            low, high = torch.where(value <= 0, x, low), torch.where(value >= 0, x, high)
            newton = x - value / derivative
            middle = 0.5 * (low + high)
            useful = (newton > low) & (newton < high) & (residual < 0.5 * previous)
            step = torch.where(useful, newton, middle)
            # Finished where the residual is zero or no floating-point number is left inside the bracket.
            done = (value == 0) | (step == x) | (middle <= low) | (middle >= high)
            if bool(done.all()):
                break
            previous = torch.where(useful, residual, torch.full_like(residual, math.inf))
            x = torch.where(done, x, step)
        return best


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
