"""Roots of monotone functions, elementwise."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor


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
