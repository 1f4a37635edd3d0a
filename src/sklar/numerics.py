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


def _call(function: Any, x: Tensor) -> Tensor:
    """The function with its own gradient where one is asked for, else its bare forward, which is cheaper."""
    result: Tensor = function.apply(x) if x.requires_grad else function.forward(x)
    return result


class _InverseMills(torch.autograd.Function):
    """``phi(x) / Phi(x)``, whose derivative is ``-r (x + r)``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        # Where erfcx overflows, far to the right, the ratio is zero to all digits.
        return math.sqrt(2 / math.pi) / torch.special.erfcx(x * -math.sqrt(0.5))

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
    return _call(_InverseMills, x)


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
    return _call(_LogNdtr, x)


class _LogNdtri(torch.autograd.Function):
    """Normal quantile of ``exp(log_p)``; its derivative is the Mills ratio at the result."""

    generate_vmap_rule = True

    @staticmethod
    def forward(log_p: Tensor) -> Tensor:
        # In float64 the plain quantile reaches w = -37; the error that exp makes in p costs w less than its rounding.
        log_p64 = log_p.double()
        w = torch.where(
            log_p64 > -math.log(2.0),
            -torch.special.ndtri(-torch.expm1(log_p64)),
            torch.special.ndtri(torch.exp(log_p64.clamp(min=-700.0))),
        )
        # Beyond, log Phi(-x) = -x^2/2 - log(x sqrt(2 pi)) + log(1 - x^-2 + 3 x^-4 - ...), solved for x by iteration;
        # each step gains three digits.
        tail = -log_p64.clamp(min=-1e300, max=-700.0)
        x = torch.sqrt(2 * tail)
        for _ in range(4):
            y = 1 / (x * x)
            series = torch.log1p(y * (-1 + y * (3 + y * (-15 + y * 105))))
            x = torch.sqrt(2 * (tail - LOG_SQRT_2PI - torch.log(x) + series))
        w = torch.where(log_p64 < -700.0, -x, w)
        return torch.where(log_p64 == -math.inf, log_p64, w).to(log_p.dtype)

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

    Near ``log_p = 0`` the input itself has lost its digits; work with the other tail there.
    """
    return _call(_LogNdtri, log_p)


def find_root(
    function: Callable[[Tensor], tuple[Tensor, Tensor]],
    lower: Tensor,
    upper: Tensor,
    start: Tensor,
    tolerance: Tensor,
    max_iterations: int = 200,
) -> Tensor:
    """Root of an increasing function, elementwise, by Newton steps kept inside a shrinking bracket.

    A step that would leave the bracket, or that follows one which did not halve the residual, is replaced by a
    bisection, so that the worst case is bisection down to neighbouring floating-point numbers. No gradient passes;
    callers add the implicit one.

    Args:
        function: maps ``x`` to ``(value, derivative)``, all of the bracket's shape.
        lower: a point at or below each root.
        upper: a point at or above each root.
        start: where to begin, inside the bracket.
        tolerance: a residual small enough to stop at, a few units of rounding of the function's value.
        max_iterations: a safety net; Newton usually needs fewer than ten.

    Returns:
        The roots, shape of ``lower``.
    """
    with torch.no_grad():
        # Room for rounding in the bracket's own computation.
        slack = 8 * torch.finfo(lower.dtype).eps * (lower.abs() + upper.abs())
        low, high, x = lower - slack, upper + slack, start
        best, best_residual = x, torch.full_like(x, math.inf)
        previous = best_residual
        for _ in range(max_iterations):
            value, derivative = function(x)
            residual = value.abs()
            best = torch.where(residual < best_residual, x, best)
            best_residual = torch.minimum(residual, best_residual)
            low, high = torch.where(value <= 0, x, low), torch.where(value >= 0, x, high)
            middle = 0.5 * (low + high)
            # Finished where the residual is rounding, or no floating-point number is left inside the bracket.
            done = (best_residual <= tolerance) | (middle <= low) | (middle >= high)
            if bool(done.all()):
                break
            newton = x - value / derivative
            useful = (newton > low) & (newton < high) & (residual < 0.5 * previous)
            previous = torch.where(useful, residual, math.inf)
            x = torch.where(useful, newton, middle)
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
