"""Student's t distribution on the score scale, with gradients in the degrees of freedom.

Everything is computed in float64, whatever the arguments' type. With ``x = sqrt(nu) sinh(eta)`` the upper tail is
``1/2 I_z(nu/2, 1/2)``, ``z = cosh(eta)^-2``.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from sklar.numerics.beta import log_tails
from sklar.numerics.normal import log_ndtr, log_ndtri, log_normal

LOG_2 = math.log(2.0)
NEWTON_STEPS = 60  # a safety net; three or four are needed


def _log_cosh(eta: Tensor) -> Tensor:
    near = 0.5 * torch.log1p(torch.sinh(eta.clamp(max=1.0)).square())
    return torch.where(eta < 1, near, eta + torch.log1p(torch.exp(-2 * eta)) - LOG_2)


def _log_upper_tail(eta: Tensor, nu: Tensor) -> Tensor:
    """Log of the upper tail at ``eta >= 0``."""
    log_1mz = 2 * torch.log(torch.tanh(eta.clamp(min=1e-150)))
    return log_tails(0.5 * nu, torch.full_like(nu, 0.5), -2 * _log_cosh(eta), log_1mz, derivatives=False)[0] - LOG_2


def _upper_tail(eta: Tensor, nu: Tensor) -> tuple[Tensor, Tensor]:
    """Log of the upper tail at ``eta >= 0``, and the derivative of the tail in ``nu`` with ``x`` held fixed."""
    log_z = -2 * _log_cosh(eta)
    log_1mz = 2 * torch.log(torch.tanh(eta.clamp(min=1e-150)))
    half = torch.full_like(nu, 0.5)
    lower, _, grad_a, _, log_beta = log_tails(0.5 * nu, half, log_z, log_1mz)
    # z moves with nu too: d log z / d nu = (1 - z) / nu.
    along_z = torch.exp(0.5 * nu * log_z - 0.5 * log_1mz - log_beta) * torch.exp(log_1mz) / nu
    return lower - LOG_2, 0.5 * (0.5 * grad_a + along_z)


def student_log_density(x: Tensor, nu: Tensor) -> Tensor:
    """Log density of Student's t with ``nu`` degrees of freedom at ``x``, elementwise, in nats."""
    constant = torch.lgamma(0.5 * (nu + 1)) - torch.lgamma(0.5 * nu) - 0.5 * torch.log(nu * math.pi)
    # x^2 / nu may overflow float32 far out, its root does not.
    ratio = x * torch.rsqrt(nu)
    return constant - 0.5 * (nu + 1) * torch.log1p(ratio * ratio)


def student_log_tail(x: Tensor, nu: Tensor) -> Tensor:
    """Log of the smaller tail, ``log T_nu(-|x|)``, elementwise, float64, without gradients."""
    with torch.no_grad():
        x, nu = torch.broadcast_tensors(x.double(), nu.double())
        return _log_upper_tail(torch.asinh(x.abs() * torch.rsqrt(nu)), nu)


class _Score(torch.autograd.Function):
    """``w`` with ``Phi(w) = T_nu(x)``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, nu: Tensor) -> tuple[Tensor, Tensor]:
        log_tail, along_nu = _upper_tail(torch.asinh(x.abs() * torch.rsqrt(nu)), nu)
        return torch.copysign(log_ndtri(log_tail), x), along_nu

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(*inputs, *output)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        x, nu, w, along_nu = ctx.saved_tensors
        slope = torch.exp(student_log_density(x, nu) - log_normal(w))
        # The upper tail grows with nu as `along_nu`; a score on the right falls with it.
        return grad * slope, -grad * torch.sign(x) * along_nu * torch.exp(-log_normal(w))


class _Value(torch.autograd.Function):
    """``x`` with ``T_nu(x) = Phi(w)``."""

    generate_vmap_rule = True

    @staticmethod
    def forward(w: Tensor, nu: Tensor) -> tuple[Tensor, Tensor]:
        target = log_ndtr(-w.abs())
        # Wallace 1959: w is about (8 nu + 1) / (8 nu + 3) sqrt(nu log(1 + x^2 / nu)).
        start = 0.5 * (w * (8 * nu + 3) / (8 * nu + 1)).square() / nu
        eta = start + torch.log1p(torch.sqrt(-torch.expm1(-2 * start)))
        # log tail is concave in eta: after its first step Newton's method comes from the right and stays there.
        for _ in range(NEWTON_STEPS):
            log_tail = _log_upper_tail(eta, nu)
            log_cosh = _log_cosh(eta)
            log_slope = _log_constant(nu) - nu * log_cosh - log_tail
            step = (log_tail - target) * torch.exp(-log_slope)
            eta = (eta + step).clamp(min=0.0)
            if bool((step.abs() <= 1e-9 * eta + 1e-15).all()):  # each step squares the error
                break
        _, along_nu = _upper_tail(eta, nu)
        return torch.copysign(torch.sqrt(nu) * torch.sinh(eta), w), along_nu

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(*inputs, *output)

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        w, nu, x, along_nu = ctx.saved_tensors
        log_density = student_log_density(x, nu)
        slope = torch.exp(log_normal(w) - log_density)
        return grad * slope, grad * torch.sign(x) * along_nu * torch.exp(-log_density)


def _log_constant(nu: Tensor) -> Tensor:
    """Log of the density's constant in eta: ``f(eta) = exp(this) cosh(eta)^-nu``."""
    return torch.lgamma(0.5 * (nu + 1)) - torch.lgamma(0.5 * nu) - 0.5 * math.log(math.pi)


def student_score(x: Tensor, nu: Tensor) -> Tensor:
    """Normal score of a t variable, ``ndtri(T_nu(x))``, elementwise, float64, accurate in both tails.

    Args:
        x: any real values.
        nu: degrees of freedom, positive; broadcasts.
    """
    x, nu = torch.broadcast_tensors(x.double(), nu.double())
    score: Tensor = _Score.apply(x, nu)[0]
    return score


def student_value(w: Tensor, nu: Tensor) -> Tensor:
    """The t variable of a normal score, ``T_nu^-1(Phi(w))``, elementwise, float64: the inverse of `student_score`."""
    w, nu = torch.broadcast_tensors(w.double(), nu.double())
    value: Tensor = _Value.apply(w, nu)[0]
    return value
