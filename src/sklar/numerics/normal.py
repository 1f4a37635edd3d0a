"""The normal distribution in log space, with the gradients that torch lacks.

torch's ``log_ndtr`` and ``erfcx`` run number by number on a CPU, its ``erfc``, ``exp`` and ``log`` by vectors, five
times as fast: so the former serve only far out, where ``erfc`` underflows, and on other devices.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sklar.numerics.elementwise import Elementwise, Quick, expm1, vectorised
from sklar.numerics.remember import remembered

LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)
REACH = {torch.float32: 12.0, torch.float64: 37.0}  # farther out erfc has no digits


def log_normal(w: Tensor) -> Tensor:
    """Log density of the standard normal at ``w``, elementwise."""
    return -0.5 * w * w - LOG_SQRT_2PI


def ndtr(x: Tensor) -> Tensor:
    """Standard normal distribution function, elementwise; torch's own has lost its digits at -8."""
    return 0.5 * torch.erfc(x * -math.sqrt(0.5))


def _mend_far(result: Tensor, x: Tensor, exact: Callable[[Tensor], Tensor]) -> Tensor:
    """Replace, in place, what lies beyond reach."""
    reach = REACH[x.dtype]
    if x.numel():
        low, high = torch.aminmax(x)
        if not (float(low) >= -reach and float(high) <= reach):
            far = ~(x.abs() <= reach)
            result[far] = exact(x[far])
    return result


def _log_tails(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``log Phi(-|x|)``, ``log Phi(|x|)`` and which is on the left: 0 for the former, 1 for the latter."""
    reach = REACH[x.dtype]
    tail = torch.erfc(x.abs().clamp_(max=reach).mul_(math.sqrt(0.5))).mul_(0.5)
    return torch.log(tail), torch.log1p(tail.neg_()), x.sign().mul_(0.5).add_(0.5)


class _InverseMills(Quick):
    """``phi(x) / Phi(x)`` from ``x`` and ``log Phi(x)``; its derivative is ``-r (x + r)``."""

    @staticmethod
    def forward(x: Tensor, log_u: Tensor) -> Tensor:
        # Where erfcx overflows, far to the right, the ratio is zero to all digits.
        def scaled(x: Tensor) -> Tensor:
            return math.sqrt(2 / math.pi) / torch.special.erfcx(x * -math.sqrt(0.5))

        if not vectorised(x):
            return scaled(x)
        return _mend_far(x.square().mul_(-0.5).sub_(LOG_SQRT_2PI).sub_(log_u).exp_(), x, scaled)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @classmethod
    def vmap(
        cls, info: Any, in_dims: tuple[int | None, int | None], x: Tensor, log_u: Tensor
    ) -> tuple[Tensor, int | None]:
        return cls.apply(x, log_u), in_dims[0]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        x, log_u, r = ctx.saved_tensors
        if torch.is_grad_enabled():
            r = _InverseMills.apply(x, log_u)
        return -grad * r * (x + r), None


def inverse_mills(x: Tensor) -> Tensor:
    """Inverse Mills ratio ``phi(x) / Phi(x)``, the derivative of `log_ndtr`, elementwise and stable in both tails."""
    with torch.no_grad():
        log_u = log_ndtr(x)
    r: Tensor = _InverseMills.apply(x, log_u)
    return r


class _LogNdtr(Elementwise):
    """``log Phi(x)``, with a gradient that does not cancel (that of torch's is 4% off at -1000 in float32)."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        if not vectorised(x):
            return torch.special.log_ndtr(x)
        return _mend_far(torch.lerp(*_log_tails(x)), x, torch.special.log_ndtr)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad * _InverseMills.apply(*ctx.saved_tensors)


@remembered
def log_ndtr(x: Tensor) -> Tensor:
    """Log of the standard normal distribution function, elementwise; differentiable in the far tails too."""
    result: Tensor = _LogNdtr.apply(x)
    return result


class _LogNdtrTails(Elementwise):
    """``log Phi(x)`` and ``log Phi(-x)``."""

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        if not vectorised(x):
            return torch.special.log_ndtr(x), torch.special.log_ndtr(-x)
        short, long, left = _log_tails(x)
        lower, upper = torch.lerp(short, long, left), torch.lerp(long, short, left)
        return (
            _mend_far(lower, x, torch.special.log_ndtr),
            _mend_far(upper, x, lambda far: torch.special.log_ndtr(-far)),
        )

    @staticmethod
    def backward(ctx: Any, grad_lower: Tensor, grad_upper: Tensor) -> Tensor:
        x, lower, upper = ctx.saved_tensors
        return grad_lower * _InverseMills.apply(x, lower) - grad_upper * _InverseMills.apply(-x, upper)


@remembered
def log_ndtr_tails(x: Tensor) -> tuple[Tensor, Tensor]:
    """``log_ndtr(x)`` and ``log_ndtr(-x)`` for little more than the price of one."""
    lower, upper = _LogNdtrTails.apply(x)
    return lower, upper


class _LogSlope(Quick):
    """``s = phi(x) / (Phi(x) m)``, ``m = -log Phi(x)``: slope of ``-log m``; its derivative is ``s (s - x - s m)``."""

    @staticmethod
    def forward(x: Tensor, minus: Tensor, log_minus: Tensor) -> Tensor:
        def apart(x: Tensor) -> Tensor:
            ends = torch.special.erfcx(x.abs() * math.sqrt(0.5)) * math.sqrt(math.pi / 2)
            return torch.where(x > 0, 1 / ends, 1 / (ends * -torch.special.log_ndtr(x)))

        result = torch.exp(log_normal(x) + minus - log_minus)
        if vectorised(x):
            return _mend_far(result, x, apart)
        return torch.where(x.abs() > REACH.get(x.dtype, 12.0), apart(x), result)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @classmethod
    def vmap(
        cls, info: Any, in_dims: tuple[int | None, ...], x: Tensor, minus: Tensor, log_minus: Tensor
    ) -> tuple[Tensor, int | None]:
        return cls.apply(x, minus, log_minus), in_dims[0]

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        x, minus, log_minus = ctx.saved_tensors
        s = _LogSlope.apply(x, minus, log_minus)
        return grad * s * (s - x - s * minus), None, None


class _MinusLogNdtr(Elementwise):
    """``-log Phi(x)`` and its log."""

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        def log_log(x: Tensor) -> Tensor:
            # On the right -log(1 - q) is q, which may underflow.
            return torch.where(x > 8.5, torch.special.log_ndtr(-x), torch.log(-torch.special.log_ndtr(x)))

        if not vectorised(x):
            return -torch.special.log_ndtr(x), log_log(x)
        minus = torch.lerp(*_log_tails(x)).neg_()
        log_minus = _mend_far(torch.log(minus), x, log_log)
        return _mend_far(minus, x, lambda far: -torch.special.log_ndtr(far)), log_minus

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor | tuple[Tensor, ...]) -> None:
        ctx.set_materialize_grads(False)
        Elementwise.setup_context(ctx, inputs, output)

    @staticmethod
    def backward(ctx: Any, grad: Tensor | None, grad_log: Tensor | None) -> Tensor | None:
        x, minus, log_minus = ctx.saved_tensors
        total = None
        if grad is not None:
            total = -grad * _InverseMills.apply(x, -minus)
        if grad_log is not None:
            through_log = -grad_log * _LogSlope.apply(x, minus, log_minus)
            total = through_log if total is None else total + through_log
        return total


@remembered
def minus_log_ndtr(x: Tensor) -> tuple[Tensor, Tensor]:
    """``-log Phi(x)`` and the log of that, elementwise, each with relative accuracy in both tails."""
    minus, log_minus = _MinusLogNdtr.apply(x)
    return minus, log_minus


def _far_quantile(log_p: Tensor) -> Tensor:
    """``log Phi(-x) = -x^2/2 - log(x sqrt(2 pi)) + log(1 - x^-2 + 3 x^-4 - ...)`` solved for ``-x`` by iteration."""
    tail = -log_p.double().clamp(min=-1e300)
    x = torch.sqrt(2 * tail)
    for _ in range(6):  # each step gains two or three digits
        y = 1 / (x * x)
        series = torch.log1p(y * (-1 + y * (3 + y * (-15 + y * (105 - 945 * y)))))
        x = torch.sqrt(2 * (tail - LOG_SQRT_2PI - torch.log(x) + series))
    return torch.where(log_p == -math.inf, log_p, -x).to(log_p.dtype)


class _LogNdtri(Quick):
    """Normal quantile of ``exp(log_p)``; its derivative is the Mills ratio at the result."""

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int], log_p: Tensor) -> tuple[Tensor, int]:
        return _LogNdtri.apply(log_p), in_dims[0]

    @staticmethod
    def forward(log_p: Tensor) -> Tensor:
        # The plain quantile of the smaller tail; the error that exp makes in it costs w less than its rounding.
        lowest = -700.0 if log_p.dtype == torch.float64 else -80.0
        p = torch.exp(log_p)
        w = torch.special.ndtri(torch.minimum(p, -expm1(log_p)))
        w = torch.copysign(w, p - 0.5)
        if log_p.numel() and bool(log_p.amin() < lowest):
            far = log_p < lowest
            w[far] = _far_quantile(log_p[far])
        return w

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        log_p, w = ctx.saved_tensors
        return grad / _InverseMills.apply(w, log_p)


def log_ndtri(log_p: Tensor) -> Tensor:
    """Normal quantile of a log probability, accurate in the far lower tail: the inverse of `log_ndtr`.

    Args:
        log_p: log probabilities, any shape, at most zero.

    Returns:
        ``w`` with ``log_ndtr(w) = log_p``, same shape. Differentiable, also twice.

    Near ``log_p = 0`` the input itself has lost its digits; work with the other tail there.
    """
    w: Tensor = _LogNdtri.apply(log_p)  # never its bare forward, whose choices vmap cannot see
    return w
