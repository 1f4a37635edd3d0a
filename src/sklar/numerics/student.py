"""Student's t distribution on the score scale, with gradients in the degrees of freedom.

Everything is computed in float64, whatever the arguments' type. With ``x = sqrt(nu) sinh(eta)`` the upper tail is
``1/2 I_z(nu/2, 1/2)``, ``z = cosh(eta)^-2``.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from sklar.numerics.beta import log_tails
from sklar.numerics.interpolation import Hermite
from sklar.numerics.normal import log_ndtr, log_ndtri, log_normal

LOG_2 = math.log(2.0)
NEWTON_STEPS = 60  # a safety net; three or four are needed
TABLE_FROM = 256  # this many points of one distribution are looked up in a table instead
REACH = 38.0  # the largest score whose tail has a floating-point number
LOWEST = 740.0  # minus the log of the smallest such tail, about nu times the largest eta
STEP = 1 / 32  # between the table's nodes: of the score, and of eta times sqrt(nu)


def _log_cosh(eta: Tensor) -> Tensor:
    near = 0.5 * torch.log1p(torch.sinh(eta.clamp(max=1.0)).square())
    return torch.where(eta < 1, near, eta + torch.log1p(torch.exp(-2 * eta)) - LOG_2)


def _log_parts(eta: Tensor) -> tuple[Tensor, Tensor]:
    """``log z`` and ``log(1 - z)``."""
    return -2 * _log_cosh(eta), 2 * torch.log(torch.tanh(eta.clamp(min=1e-150)))


def _log_upper_tail(eta: Tensor, nu: Tensor) -> Tensor:
    """Log of the upper tail at ``eta >= 0``."""
    return log_tails(0.5 * nu, torch.full_like(nu, 0.5), *_log_parts(eta), derivatives=False)[0] - LOG_2


def _upper_tail(eta: Tensor, nu: Tensor) -> tuple[Tensor, Tensor]:
    """Log of the upper tail at ``eta >= 0``, and the derivative of the tail in ``nu`` with ``x`` held fixed."""
    log_z, log_1mz = _log_parts(eta)
    lower, _, grad_a, _, log_beta = log_tails(0.5 * nu, torch.full_like(nu, 0.5), log_z, log_1mz)
    # z moves with nu too: d log z / d nu = (1 - z) / nu.
    along_z = torch.exp(0.5 * nu * log_z - 0.5 * log_1mz - log_beta) * torch.exp(log_1mz) / nu
    return lower - LOG_2, 0.5 * (0.5 * grad_a + along_z)


def student_log_density(x: Tensor, nu: Tensor) -> Tensor:
    """Log density of Student's t with ``nu`` degrees of freedom at ``x``, elementwise, in nats."""
    constant = torch.lgamma(0.5 * (nu + 1)) - torch.lgamma(0.5 * nu) - 0.5 * torch.log(nu * math.pi)
    # x^2 / nu may overflow float32 far out, its root does not.
    ratio = x * torch.rsqrt(nu)
    return constant - 0.5 * (nu + 1) * torch.log1p(ratio * ratio)


def _in_front(x: Tensor, axis: int | None) -> Tensor:
    """The axis that vmap adds first; of length one where there is none."""
    return x.unsqueeze(0) if axis is None else x.movedim(axis, 0)


class _Exact(torch.autograd.Function):
    """A map of values and ``nu`` of one shape; with the result comes the derivative of the upper tail in ``nu``."""

    @classmethod
    def vmap(
        cls, info: Any, in_dims: tuple[int | None, int | None], x: Tensor, nu: Tensor
    ) -> tuple[Any, tuple[int, int]]:
        """Elementwise, whichever of the two is batched."""
        return cls.apply(*torch.broadcast_tensors(_in_front(x, in_dims[0]), _in_front(nu, in_dims[1]))), (0, 0)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(*inputs, *output)


class _Score(_Exact):
    """``w`` with ``Phi(w) = T_nu(x)``."""

    @staticmethod
    def forward(x: Tensor, nu: Tensor) -> tuple[Tensor, Tensor]:
        log_tail, along_nu = _upper_tail(torch.asinh(x.abs() * torch.rsqrt(nu)), nu)
        return torch.copysign(log_ndtri(log_tail), x), along_nu

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        x, nu, w, along_nu = ctx.saved_tensors
        slope = torch.exp(student_log_density(x, nu) - log_normal(w))
        # The upper tail grows with nu as `along_nu`; a score on the right falls with it.
        return grad * slope, -grad * torch.sign(x) * along_nu * torch.exp(-log_normal(w))


def _eta_of_score(w: Tensor, nu: Tensor) -> tuple[Tensor, Tensor]:
    """``eta`` of a score ``w >= 0``, and the derivative of its upper tail in ``nu``."""
    target = log_ndtr(-w)
    # Wallace 1959: w is about (8 nu + 1) / (8 nu + 3) sqrt(nu log(1 + x^2 / nu)).
    start = 0.5 * (w * (8 * nu + 3) / (8 * nu + 1)).square() / nu
    eta = start + torch.log1p(torch.sqrt(-torch.expm1(-2 * start)))
    # log tail is concave in eta: after its first step Newton's method comes from the right and stays there.
    for _ in range(NEWTON_STEPS):
        log_tail = _log_upper_tail(eta, nu)
        step = (log_tail - target) * torch.exp(log_tail - _log_density_eta(eta, nu))
        eta = (eta + step).clamp(min=0.0)
        if bool((step.abs() <= 1e-9 * eta + 1e-15).all()):  # each step squares the error
            break
    return eta, _upper_tail(eta, nu)[1]


def _log_density_eta(eta: Tensor, nu: Tensor) -> Tensor:
    """Log density of ``eta``: that of x times ``dx / d eta``."""
    return torch.lgamma(0.5 * (nu + 1)) - torch.lgamma(0.5 * nu) - 0.5 * math.log(math.pi) - nu * _log_cosh(eta)


class _Value(_Exact):
    """``x`` with ``T_nu(x) = Phi(w)``."""

    @staticmethod
    def forward(w: Tensor, nu: Tensor) -> tuple[Tensor, Tensor]:
        eta, along_nu = _eta_of_score(w.abs(), nu)
        return torch.copysign(torch.sqrt(nu) * torch.sinh(eta), w), along_nu

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Tensor) -> tuple[Tensor, Tensor]:
        w, nu, x, along_nu = ctx.saved_tensors
        log_density = student_log_density(x, nu)
        slope = torch.exp(log_normal(w) - log_density)
        return grad * slope, grad * torch.sign(x) * along_nu * torch.exp(-log_density)


class _Tabled(torch.autograd.Function):
    """A map and its inverse for many points of one ``nu``: interpolated between exact nodes, first derivatives only."""

    exact: type[_Exact]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @classmethod
    def vmap(cls, info: Any, in_dims: tuple[int | None, int | None], x: Tensor, nu: Tensor) -> tuple[Tensor, int]:
        """Under vmap each example may have a ``nu`` of its own: every point exactly."""
        x, nu = _in_front(x, in_dims[0]), _in_front(nu, in_dims[1])
        nu = nu.reshape(len(nu), *[1] * (x.ndim - 1))
        return cls.exact.apply(*torch.broadcast_tensors(x, nu))[0], 0


class _TabledValue(_Tabled):
    """`_Value`: ``eta`` as a function of the score, and ``dx / d nu`` for the gradient."""

    exact = _Value

    @staticmethod
    def forward(w: Tensor, nu: Tensor) -> Tensor:
        nodes, eta, _ = _value_table(w, nu)
        first = torch.exp(log_normal(nodes) - _log_density_eta(eta, nu))
        second = first * (nu * torch.tanh(eta) * first - nodes)
        return torch.copysign(torch.sqrt(nu) * torch.sinh(Hermite(STEP, eta, first, second)(w.abs())), w)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None]:
        w, nu, x = ctx.saved_tensors
        to_w = grad * torch.exp(log_normal(w) - student_log_density(x, nu))
        if not ctx.needs_input_grad[1]:
            return to_w, None
        nodes, eta, along_nu = _value_table(w, nu)
        at = torch.sqrt(nu) * torch.sinh(eta)
        log_density = student_log_density(at, nu)
        along = along_nu * torch.exp(-log_density)  # dx / d nu at the nodes
        # Its derivative in w is that of dx / dw = phi(w) / t(x) in nu.
        ratio = at * at / nu
        by_nu = 0.5 * (
            torch.digamma(0.5 * (nu + 1)) - torch.digamma(0.5 * nu) - 1 / nu - torch.log1p(ratio)
            + (nu + 1) * ratio / (nu * (1 + ratio))
        )  # fmt: skip
        by_x = -(nu + 1) * at / (nu * (1 + ratio))
        slope = torch.exp(log_normal(nodes) - log_density) * (-by_nu - by_x * along)
        moved = Hermite(STEP, along, slope)(w.abs())
        return to_w, (grad * torch.sign(w) * moved).sum().reshape(nu.shape)


class _TabledScore(_Tabled):
    """`_Score`: the score as a function of ``eta``, and ``dw / d nu`` for the gradient."""

    exact = _Score

    @staticmethod
    def forward(x: Tensor, nu: Tensor) -> Tensor:
        eta, step, (nodes, score, _) = _score_table(x, nu)
        first = torch.exp(_log_density_eta(nodes, nu) - log_normal(score))
        second = first * (score * first - nu * torch.tanh(nodes))
        return torch.copysign(Hermite(step, score, first, second)(eta), x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None]:
        x, nu, w = ctx.saved_tensors
        to_x = grad * torch.exp(student_log_density(x, nu) - log_normal(w))
        if not ctx.needs_input_grad[1]:
            return to_x, None
        eta, step, (_, score, along_nu) = _score_table(x, nu)
        along = -along_nu * torch.exp(-log_normal(score))  # dw / d nu at the nodes, x held fixed
        slope = torch.gradient(along, spacing=step, edge_order=2)[0]
        moved = Hermite(step, along, slope)(eta)
        return to_x, (grad * torch.sign(x) * moved).sum().reshape(nu.shape)


def _node_count(x: Tensor, step: float, reach: float) -> int:
    """Nodes from zero to beyond the largest ``|x|``, no further than ``reach``; in steps of 64, to share tables."""
    furthest = float(x.abs().nan_to_num(0.0).clamp(max=reach).max())
    return 64 * (int(furthest / step) // 64 + 1) + 2


def _value_table(w: Tensor, nu: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The nodes that these scores need: see `_value_nodes`."""
    return _value_nodes(float(nu), _node_count(w, STEP, REACH), w.device)


@lru_cache(maxsize=32)
def _value_nodes(nu: float, count: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Scores ``STEP`` apart, their ``eta``, and the derivative of its tail in ``nu``; kept for the next call."""
    nodes = torch.arange(count, dtype=torch.float64, device=device) * STEP
    return nodes, *_eta_of_score(nodes, torch.full_like(nodes, nu))


def _score_table(x: Tensor, nu: Tensor) -> tuple[Tensor, float, tuple[Tensor, Tensor, Tensor]]:
    """``eta`` of these values, the distance of the nodes that they need, and those: see `_score_nodes`."""
    eta, degrees = torch.asinh(x.abs() * torch.rsqrt(nu)), float(nu)
    step = STEP / math.sqrt(degrees + 1)
    return eta, step, _score_nodes(degrees, step, _node_count(eta, step, LOWEST / degrees + 2), x.device)


@lru_cache(maxsize=32)
def _score_nodes(nu: float, step: float, count: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Values of ``eta``, their scores, and the derivative of the upper tail in ``nu``; kept for the next call."""
    nodes = torch.arange(count, dtype=torch.float64, device=device) * step
    log_tail, along_nu = _upper_tail(nodes, torch.full_like(nodes, nu))
    return nodes, -log_ndtri(log_tail), along_nu


def student_score(x: Tensor, nu: Tensor) -> Tensor:
    """Normal score of a t variable, ``ndtri(T_nu(x))``, elementwise, float64, accurate in both tails.

    Args:
        x: any real values.
        nu: degrees of freedom, positive; broadcasts.
    """
    if nu.numel() == 1 and x.numel() >= TABLE_FROM:
        tabled: Tensor = _TabledScore.apply(x.double(), nu.double())
        return tabled
    x, nu = torch.broadcast_tensors(x.double(), nu.double())
    score: Tensor = _Score.apply(x, nu)[0]
    return score


def student_value(w: Tensor, nu: Tensor) -> Tensor:
    """The t variable of a normal score, ``T_nu^-1(Phi(w))``, elementwise, float64: the inverse of `student_score`."""
    if nu.numel() == 1 and w.numel() >= TABLE_FROM:
        tabled: Tensor = _TabledValue.apply(w.double(), nu.double())
        return tabled
    w, nu = torch.broadcast_tensors(w.double(), nu.double())
    value: Tensor = _Value.apply(w, nu)[0]
    return value
