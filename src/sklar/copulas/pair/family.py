"""What a family of pair copulas is: elementwise functions of two normal scores and of its parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor

from sklar.copulas.pair.inverse import solve_quantile
from sklar.numerics import find_root, log_ndtri, tanh_sinh

Parameters = tuple[Tensor, ...]
NOTHING = -1e5  # stands for the log of zero: finite, so that its gradients are


class Family:
    """A family: no state, only formulas. Scores ``a``, ``b`` and parameters broadcast against each other.

    The functions of scores get as ``p`` the parameters followed by what `derived` forms of them; those of parameters
    alone get no more than these. A family is one subclass and one line in the registry. It gives ``log_prob``,
    ``conditional``, ``cdf``, ``tau`` and ``tail_dependence``; the rest follows, more cheaply where a closed form is
    given instead.

    Attributes:
        name: as in pyvinecopulib.
        parameters: name, lower and upper bound of each parameter, pyvinecopulib's names and bounds.
        start: the parameters that a fit begins with.
        rotatable: whether rotations make new copulas.
        moved: which parameters `from_tau` moves, one group after another: the next where the last is at a bound.
        exact: whether what is derived stays in float64, whatever the scores' type.
        plain: whether density, conditional and quantile are arithmetic alone, which any compiler gets right.
    """

    name: ClassVar[str]
    parameters: ClassVar[tuple[tuple[str, float, float], ...]] = ()
    start: ClassVar[tuple[float, ...]] = ()
    rotatable: ClassVar[bool] = True
    moved: ClassVar[tuple[tuple[int, ...], ...]] = ((0,), (1,))
    plain: ClassVar[bool] = False
    exact: ClassVar[bool] = False

    def derived(self, values: Parameters) -> Parameters:
        """What the formulas need of the parameters in more digits than these keep: distances from a bound.

        Formed in float64 before the parameters are rounded to the scores' type.
        """
        return ()

    def log_prob(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        """Log copula density at ``(Phi(a), Phi(b))``, in nats."""
        raise NotImplementedError

    def conditional(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        """Score of ``P(A <= a | B = b)``."""
        raise NotImplementedError

    def cdf(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        """``C(Phi(a), Phi(b))``, a probability."""
        raise NotImplementedError

    def swapped(self, p: Parameters) -> Parameters:
        """``p`` of the copula of ``(B, A)``: the same for an exchangeable family."""
        return p

    def tau(self, p: Parameters) -> Tensor:
        """Kendall's tau."""
        raise NotImplementedError

    def tail_dependence(self, p: Parameters) -> tuple[Tensor, Tensor]:
        """Lower and upper tail-dependence coefficients."""
        raise NotImplementedError

    def quantile(self, q: Tensor, b: Tensor, p: Parameters) -> Tensor:
        """The ``a`` with ``conditional(a, b, p) = q``; solved numerically unless a family has a closed form."""
        return solve_quantile(q, b, lambda a: self.conditional(a, b, p), lambda a: self.log_prob(a, b, p))

    def from_tau(self, tau: Tensor) -> Parameters:
        """Parameters with this Kendall's tau, as many of them as in ``start`` as it allows; see ``moved``.

        Without gradients; the nearest that the bounds allow where tau is out of range.
        """
        with torch.no_grad():
            tau = tau.double().clamp(min=0.0) if self.rotatable else tau.double()
            values = [torch.full_like(tau, value) for value in self.start]
            for group in self.moved:
                if group[0] < len(values):
                    self._move(tau, values, group)
            return tuple(values)

    def _move(self, tau: Tensor, values: list[Tensor], group: tuple[int, ...]) -> None:
        """Move a group of parameters, alike, until tau is this one; where it is already they stay."""
        _, low, high = self.parameters[group[0]]
        start, least = values[group[0]], 1e-6 * min(1.0, high - low)
        lower, upper = torch.full_like(tau, low + least), torch.full_like(tau, high - least)

        def tau_at(value: Tensor) -> Tensor:
            return self.tau(tuple(value if k in group else own for k, own in enumerate(values)))

        def residual(value: Tensor) -> tuple[Tensor, Tensor]:
            left = value < 0.5 * (low + high)
            step = torch.where(left, (value - low).clamp(min=least), -(high - value).clamp(min=least)) * 1e-3
            here, there = tau_at(value), tau_at(value + step)
            return here - tau, ((there - here) / step).clamp(min=1e-12)

        tolerance = torch.full_like(tau, 1e-10)
        found = find_root(residual, lower, upper, start, tolerance)
        there = (tau_at(start) - tau).abs() < torch.where(tau == 0, 1e-5, 1e-8)  # the bounds are a little off 0
        found = torch.where(there, start, found)
        for k in group:
            values[k] = found


def score_of(log_h: Tensor, log_rest: Tensor | None = None) -> Tensor:
    """Score of a probability from its log, from the log of the smaller of the two tails.

    Args:
        log_h: log probability, with relative accuracy near zero unless ``log_rest`` is given.
        log_rest: log of its complement.
    """
    if log_rest is None:
        # So near one the slope, one over the density, would overflow times what came before: the gradient ends there.
        seen = log_h < (-1e-290 if log_h.dtype == torch.float64 else -1e-30)
        return log_ndtri(torch.where(seen, log_h, log_h.detach().clamp(max=-torch.finfo(log_h.dtype).tiny)))
    left = log_h < log_rest
    w = log_ndtri(torch.where(left, log_h, log_rest))
    return torch.where(left, w, -w)


def safe_log(x: Tensor) -> Tensor:
    """``log x`` for ``x >= 0``, with a number far below every other log, and a gradient of zero, at zero."""
    positive = x > 0
    return torch.where(positive, torch.log(torch.where(positive, x, 1.0)), NOTHING)


def generator_ratio_integral(ratio: Callable[[Tensor, Tensor], Tensor], shape: Tensor) -> Tensor:
    """Kendall's tau of an Archimedean copula, ``1 + 4 int_0^1 phi(t) / phi'(t) dt``.

    Args:
        ratio: ``phi / phi'`` from nodes ``t`` and ``1 - t``, which take the last axis.
        shape: a parameter, whose shape the result has.
    """
    t, rest, weights = (value.to(shape) for value in tanh_sinh())
    return 1 + 4 * (ratio(t, rest) * weights).sum(-1)
