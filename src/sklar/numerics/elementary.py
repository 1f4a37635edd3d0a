"""Elementary functions that lose digits when written plainly, with gradients that are finite everywhere."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from sklar.numerics.elementwise import Elementwise, expm1

# x / (e^x - 1) = 1 - x/2 + x^2/12 - ...: the coefficients of x^2, x^4, ...
_BERNOULLI = (1 / 12, -1 / 720, 1 / 30240, -1 / 1209600, 1 / 47900160)


class _LogPhi(Elementwise):
    """``log((1 - e^-x) / x)`` for ``x >= 0``; its derivative is ``1 / (e^x - 1) - 1 / x``."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        ratio = expm1(-x).div_(-x)
        return torch.where(x == 0, 0.0, ratio.log_())

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        x, _ = ctx.saved_tensors
        y, large = x.clamp(max=0.3), x.clamp(min=0.3)
        square = y * y
        series = _BERNOULLI[-1] * square
        for coefficient in _BERNOULLI[-2:0:-1]:
            series = (series + coefficient) * square
        series = (series + _BERNOULLI[0]) * y - 0.5
        return grad * torch.where(x < 0.3, series, 1 / expm1(large) - 1 / large)


def log_phi(x: Tensor) -> Tensor:
    """``log((1 - e^-x) / x)`` for ``x >= 0``, elementwise; zero at zero.

    ``log(1 - e^-x)`` is this plus ``log x``, and ``log(e^x - 1)`` is ``x`` more: so the logs of small differences are
    had from the log of ``x``, where ``x`` itself may have underflowed.
    """
    result: Tensor = _LogPhi.apply(x)
    return result


class _LogSoftplus(Elementwise):
    """``log log(1 + e^x)``; its derivative is ``1 / ((1 + e^-x) log(1 + e^x))``."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        # Far to the left log(1 + e^x) is e^x (1 - e^x / 2), and may underflow.
        plain = _Softplus.forward(x.clamp(min=-17.0)).log_()
        return torch.where(x < -17.0, x - 0.5 * torch.exp(x), plain)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        x, result = ctx.saved_tensors
        # e^x / (1 + e^x) is e^min(x, 0) / (1 + e^-|x|), and the first over log(1 + e^x) neither under- nor overflows
        return grad * torch.exp(x.clamp(max=0.0) - result) * torch.sigmoid(x.abs())


def log_softplus(x: Tensor) -> Tensor:
    """``log log(1 + e^x)``, elementwise; ``x`` itself far to the left."""
    result: Tensor = _LogSoftplus.apply(x)
    return result


class _Softplus(Elementwise):
    """``log(1 + e^x)`` without the threshold of torch's own, which costs digits."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.abs().neg_().exp_().log1p_().add_(x.clamp(min=0.0))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        x, _ = ctx.saved_tensors
        return grad * torch.sigmoid(x)


def softplus(x: Tensor) -> Tensor:
    """``log(1 + e^x)``, elementwise, with relative accuracy in both directions."""
    result: Tensor = _Softplus.apply(x)
    return result


class _Log1mExp(Elementwise):
    """``log(1 - e^-x)`` for ``x >= 0``; its derivative is ``1 / (e^x - 1)``."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return torch.where(x < math.log(2.0), torch.log(-expm1(-x)), torch.log1p(-torch.exp(-x)))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        x, _ = ctx.saved_tensors
        return grad / expm1(x).clamp(min=torch.finfo(x.dtype).tiny)


def log1mexp(x: Tensor) -> Tensor:
    """``log(1 - e^-x)`` for ``x >= 0``, elementwise (Maechler 2012); minus infinity at zero."""
    result: Tensor = _Log1mExp.apply(x)
    return result


class _LogMinusLog1mExp(Elementwise):
    """``log X``, ``X = -log(1 - e^-t)``, for ``t > 0``; its derivative is ``-1 / ((e^t - 1) X)``."""

    @staticmethod
    def forward(t: Tensor) -> Tensor:
        # X = log(1 + 1 / (e^t - 1)) keeps its digits at both ends; where it underflows log X = -t, else it is larger.
        return expm1(t).reciprocal_().log1p_().log_().maximum(-t)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        t, result = ctx.saved_tensors
        # From t = 80 on the product is one to all digits.
        return -grad / (expm1(t.clamp(max=80.0)) * torch.exp(result.clamp(min=-80.0)))


def log_minus_log1mexp(t: Tensor) -> Tensor:
    """``log(-log(1 - e^-t))`` for ``t > 0``, elementwise; nearly ``-t`` far to the right."""
    result: Tensor = _LogMinusLog1mExp.apply(t)
    return result
