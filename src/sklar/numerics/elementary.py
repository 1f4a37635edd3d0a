"""Elementary functions that lose digits when written plainly, with gradients that are finite everywhere."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from sklar.numerics.elementwise import Elementwise, call

# x / (e^x - 1) = 1 - x/2 + x^2/12 - ...: the coefficients of (that - 1) / x, in powers of x.
_SLOPE = (-1 / 2, 1 / 12, 0.0, -1 / 720, 0.0, 1 / 30240, 0.0, -1 / 1209600, 0.0, 1 / 47900160)


class _LogPhi(Elementwise):
    """``log((1 - e^-x) / x)`` for ``x >= 0``; its derivative is ``1 / (e^x - 1) - 1 / x``."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        ratio = torch.expm1(-x).div_(-x)
        return torch.where(x == 0, 0.0, ratio.log_())

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        small = x < 0.3
        y = torch.where(small, x, 0.0)
        series = torch.zeros_like(x)
        for coefficient in reversed(_SLOPE):
            series = series * y + coefficient
        large = torch.where(small, 1.0, x)
        return grad * torch.where(small, series, 1 / torch.expm1(large) - 1 / large)


def log_phi(x: Tensor) -> Tensor:
    """``log((1 - e^-x) / x)`` for ``x >= 0``, elementwise; zero at zero.

    ``log(1 - e^-x)`` is this plus ``log x``, and ``log(e^x - 1)`` is ``x`` more: so the logs of small differences are
    had from the log of ``x``, where ``x`` itself may have underflowed.
    """
    return call(_LogPhi, x)


class _LogSoftplus(Elementwise):
    """``log log(1 + e^x)``; its derivative is ``1 / ((1 + e^-x) log(1 + e^x))``."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        far = x < -17.0
        plain = softplus(torch.where(far, 0.0, x)).log_()
        return torch.where(far, x - 0.5 * torch.exp(x), plain)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        far = x < -17.0
        y = torch.where(far, 0.0, x)
        return grad * torch.where(far, 1 - 0.5 * torch.exp(x.clamp(max=0.0)), torch.sigmoid(y) / softplus(y))


def log_softplus(x: Tensor) -> Tensor:
    """``log log(1 + e^x)``, elementwise; ``x`` itself far to the left."""
    return call(_LogSoftplus, x)


class _Softplus(Elementwise):
    """``log(1 + e^x)`` without the threshold of torch's own, which costs digits."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.abs().neg_().exp_().log1p_().add_(x.clamp(min=0.0))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad * torch.sigmoid(x)


def softplus(x: Tensor) -> Tensor:
    """``log(1 + e^x)``, elementwise, with relative accuracy in both directions."""
    return call(_Softplus, x)


class _Log1mExp(Elementwise):
    """``log(1 - e^-x)`` for ``x >= 0``; its derivative is ``1 / (e^x - 1)``."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.where(x < math.log(2.0), torch.log(-torch.expm1(-x)), torch.log1p(-torch.exp(-x)))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return grad / torch.expm1(x).clamp(min=torch.finfo(x.dtype).tiny)


def log1mexp(x: Tensor) -> Tensor:
    """``log(1 - e^-x)`` for ``x >= 0``, elementwise (Maechler 2012); minus infinity at zero."""
    return call(_Log1mExp, x)
