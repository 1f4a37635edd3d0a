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
from sklar.numerics.elementwise import Quick
from sklar.numerics.interpolation import Hermite
from sklar.numerics.normal import log_ndtr, log_ndtri, log_normal

LOG_2 = math.log(2.0)
NEWTON_STEPS = 60  # a safety net; three or four are needed
TABLE_FROM = 256  # this many points of each distribution are looked up in tables instead
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


class _Exact(Quick):
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
        return grad * slope, -grad * torch.sign(x) * _within_reach(along_nu * torch.exp(-log_normal(w)))


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
        if not bool((step.abs() > 1e-9 * eta + 1e-15).any()):  # each step squares the error; NaN is done
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
        return grad * slope, grad * torch.sign(x) * _within_reach(along_nu * torch.exp(-log_density))


class _Tabled(Quick):
    """A map and its inverse for many points of each of a few ``nu``: interpolated, first derivatives only.

    Points are ``(k, n)`` and ``nu`` is ``(k,)``: one table a row, all of them from one exact evaluation at the nodes.
    """

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs, output)

    @classmethod
    def vmap(cls, info: Any, in_dims: tuple[int | None, int | None], x: Tensor, nu: Tensor) -> tuple[Tensor, int]:
        """Examples that share ``nu`` share its tables, otherwise each has its own."""
        x = _in_front(x, in_dims[0]).expand(info.batch_size, -1, -1)
        if in_dims[1] is None:
            rows = x.movedim(0, 1)
            return cls.apply(rows.flatten(1), nu).reshape(rows.shape), 1
        return cls.apply(x.flatten(0, 1), nu.movedim(in_dims[1], 0).flatten()).reshape(x.shape), 0


class _TabledValue(_Tabled):
    """`_Value`: ``eta`` as a function of the score, and ``dx / d nu`` for the gradient."""

    @staticmethod
    def forward(w: Tensor, nu: Tensor) -> Tensor:
        nodes, eta, _ = _value_table(w, nu)
        nu = nu.unsqueeze(-1)
        first = torch.exp(log_normal(nodes) - _log_density_eta(eta, nu))
        second = first * (nu * torch.tanh(eta) * first - nodes)
        return torch.copysign(torch.sqrt(nu) * torch.sinh(Hermite(STEP, eta, first, second)(w.abs())), w)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None]:
        w, degrees, x = ctx.saved_tensors
        nu = degrees.unsqueeze(-1)
        to_w = grad * torch.exp(log_normal(w) - student_log_density(x, nu))
        if not ctx.needs_input_grad[1]:
            return to_w, None
        nodes, eta, along_nu = _value_table(w, degrees)
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
        moved = Hermite(STEP, _within_reach(along), _within_reach(slope))(w.abs())
        return to_w, (grad * torch.sign(w) * moved).sum(-1)


class _TabledScore(_Tabled):
    """`_Score`: the score as a function of ``eta``, and ``dw / d nu`` for the gradient."""

    @staticmethod
    def forward(x: Tensor, nu: Tensor) -> Tensor:
        eta, step, (nodes, score, _) = _score_table(x, nu)
        nu = nu.unsqueeze(-1)
        first = torch.exp(_log_density_eta(nodes, nu) - log_normal(score))
        second = first * (score * first - nu * torch.tanh(nodes))
        return torch.copysign(Hermite(step, score, first, second)(eta), x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor | None]:
        x, nu, w = ctx.saved_tensors
        to_x = grad * torch.exp(student_log_density(x, nu.unsqueeze(-1)) - log_normal(w))
        if not ctx.needs_input_grad[1]:
            return to_x, None
        eta, step, (_, score, along_nu) = _score_table(x, nu)
        along = _within_reach(-along_nu * torch.exp(-log_normal(score)))  # dw / d nu at the nodes, x held fixed
        slope = torch.gradient(along, dim=-1, edge_order=2)[0] / step
        moved = Hermite(step, along, slope)(eta)
        return to_x, (grad * torch.sign(x) * moved).sum(-1)


def _within_reach(along: Tensor) -> Tensor:
    """Derivatives; zero at points so far out that their tail has no floating-point number."""
    return along.nan_to_num(0.0, 0.0, 0.0)


def _node_count(furthest: Tensor) -> int:
    """Nodes from zero to beyond the largest of these places; in steps of 64, to share tables."""
    return 64 * (int(furthest.nan_to_num(0.0).max()) // 64 + 1) + 2


def _value_table(w: Tensor, nu: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The nodes that these scores need: see `_value_nodes`."""
    return _value_nodes(tuple(nu.tolist()), _node_count(w.abs().clamp(max=REACH) / STEP), w.device)


@lru_cache(maxsize=32)
def _value_nodes(nu: tuple[float, ...], count: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Scores ``STEP`` apart, their ``eta``, and the derivative of its tail in ``nu``; kept for the next call.

    Shapes ``(n,)``, ``(k, n)``, ``(k, n)``.
    """
    nodes = torch.arange(count, dtype=torch.float64, device=device) * STEP
    degrees = torch.tensor(nu, dtype=torch.float64, device=device).unsqueeze(-1)
    return nodes, *_eta_of_score(*torch.broadcast_tensors(nodes, degrees))


def _score_table(x: Tensor, nu: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor, Tensor]]:
    """``eta`` of these values, the distance ``(k, 1)`` of the nodes that they need, and those: see `_score_nodes`."""
    degrees = nu.unsqueeze(-1)
    eta, step = torch.asinh(x.abs() * torch.rsqrt(degrees)), STEP * torch.rsqrt(degrees + 1)
    count = _node_count(eta.clamp(max=LOWEST / degrees + 2) / step)
    return eta, step, _score_nodes(tuple(nu.tolist()), count, x.device)


@lru_cache(maxsize=32)
def _score_nodes(nu: tuple[float, ...], count: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Values of ``eta``, their scores, and the derivative of the upper tail in ``nu``; kept for the next call.

    Shapes ``(k, n)`` each.
    """
    degrees = torch.tensor(nu, dtype=torch.float64, device=device).unsqueeze(-1)
    nodes = torch.arange(count, dtype=torch.float64, device=device) * STEP * torch.rsqrt(degrees + 1)
    log_tail, along_nu = _upper_tail(*torch.broadcast_tensors(nodes, degrees))
    return nodes, -log_ndtri(log_tail), along_nu


def _map(exact: type[_Exact], tabled: type[_Tabled], x: Tensor, nu: Tensor) -> Tensor:
    """One of the two maps, by tables where there are many points for each ``nu``."""
    x, nu = x.double(), nu.double()
    shape = torch.broadcast_shapes(x.shape, nu.shape)
    if not 0 < TABLE_FROM * nu.numel() <= math.prod(shape):
        result: Tensor = exact.apply(*torch.broadcast_tensors(x, nu))[0]
        return result
    # The axes along which nu varies in front, all others behind.
    x, nu = x.expand(shape), nu.reshape(*[1] * (len(shape) - nu.ndim), *nu.shape)
    axes = sorted(range(len(shape)), key=lambda axis: nu.shape[axis] == 1)
    rows = x.permute(axes)
    found = tabled.apply(rows.reshape(nu.numel(), -1), nu.flatten()).reshape(rows.shape)
    back: Tensor = found.permute(sorted(range(len(shape)), key=axes.__getitem__))
    return back


def student_score(x: Tensor, nu: Tensor) -> Tensor:
    """Normal score of a t variable, ``ndtri(T_nu(x))``, elementwise, float64, accurate in both tails.

    Where each of the values in ``nu`` belongs to `TABLE_FROM` points or more, the points are interpolated between
    exact nodes, one table a value.

    Args:
        x: any real values.
        nu: degrees of freedom, positive; broadcasts.
    """
    return _map(_Score, _TabledScore, x, nu)


def student_value(w: Tensor, nu: Tensor) -> Tensor:
    """The t variable of a normal score, ``T_nu^-1(Phi(w))``, elementwise, float64: the inverse of `student_score`."""
    return _map(_Value, _TabledValue, w, nu)
