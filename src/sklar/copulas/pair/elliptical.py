"""Independence, Gaussian and Student's t."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from sklar.copulas.pair.family import Family, Parameters
from sklar.numerics import gauss_legendre, ndtr, student_log_density, student_score, student_value

STRONGEST = 1 - 1e-7  # at a correlation of one there is no density; this one float32 can still tell from it
DROP = 36.0  # a factor of e^-36 is a rounding


class Independence(Family):
    """``C = u v``. Without parameters, ``p`` is a zero of the batch's shape."""

    name = "indep"
    rotatable = False
    plain = True

    def log_prob(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        return 0.0 * (a.clamp(-1, 1) + b.clamp(-1, 1)) + p[0]

    def conditional(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        return a + 0.0 * b.clamp(-1, 1) + p[0]

    def quantile(self, q: Tensor, b: Tensor, p: Parameters) -> Tensor:
        return q + 0.0 * b.clamp(-1, 1) + p[0]

    def cdf(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        return ndtr(a) * ndtr(b) + p[0]

    def tau(self, p: Parameters) -> Tensor:
        return torch.zeros(())

    def tail_dependence(self, p: Parameters) -> tuple[Tensor, Tensor]:
        return torch.zeros(()), torch.zeros(())


class Gaussian(Family):
    """The copula of two correlated normals."""

    name = "gaussian"
    parameters = (("rho", -STRONGEST, STRONGEST),)
    start = (0.3,)
    rotatable = False
    plain = True

    def derived(self, values: Parameters) -> Parameters:
        return 1 - values[0], 1 + values[0]

    def log_prob(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        rho, above, below = p
        # The sum and the difference of the scores are independent: each weighs in by itself.
        total, gap = a + b, a - b
        along, across = 0.25 * rho / below, 0.25 * rho / above
        return total * total * along - gap * gap * across - 0.5 * torch.log(above * below)

    def conditional(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        rho, above, below = p
        return (a - rho * b) * torch.rsqrt(above * below)

    def quantile(self, q: Tensor, b: Tensor, p: Parameters) -> Tensor:
        rho, above, below = p
        return q * torch.sqrt(above * below) + rho * b

    def cdf(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        _, above, below = (value.double() for value in p)
        x, y, end = _within_reach(a), _within_reach(b), 0.5 * torch.log(below / above)
        return _plackett(x, y, x, y, end, lambda q: torch.exp(-0.5 * q), lambda _, drop: 2 * drop).to(a.dtype)

    def tau(self, p: Parameters) -> Tensor:
        return 2 / math.pi * torch.asin(p[0])

    def tail_dependence(self, p: Parameters) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(p[0]), torch.zeros_like(p[0])


class Student(Family):
    """The copula of a bivariate t: both tails, alike. Computed in float64, whatever the scores' type."""

    name = "student"
    parameters = (("rho", -STRONGEST, STRONGEST), ("nu", 2.0, 50.0))
    start = (0.3, 8.0)
    rotatable = False
    moved = ((0,),)
    exact = True

    def derived(self, values: Parameters) -> Parameters:
        return values

    def log_prob(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        rho, nu = p[2:]
        x, y = student_value(a, nu), student_value(b, nu)
        rest = (1 - rho) * (1 + rho)
        # x^2 + y^2 - 2 rho x y as a sum of squares
        square = torch.where(
            rho >= 0, (x - y).square() + 2 * (1 - rho) * x * y, (x + y).square() - 2 * (1 + rho) * x * y
        )
        constant = torch.lgamma(0.5 * nu + 1) - torch.lgamma(0.5 * nu) - torch.log(nu * math.pi) - 0.5 * torch.log(rest)
        joint = constant - (0.5 * nu + 1) * torch.log1p(square / (nu * rest))
        return (joint - student_log_density(x, nu) - student_log_density(y, nu)).to(a.dtype)

    def conditional(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        rho, nu = p[2:]
        x, y = student_value(a, nu), student_value(b, nu)
        return student_score((x - rho * y) / _width(y, rho, nu), nu + 1).to(a.dtype)

    def quantile(self, q: Tensor, b: Tensor, p: Parameters) -> Tensor:
        rho, nu = p[2:]
        y = student_value(b, nu)
        return student_score(student_value(q, nu + 1) * _width(y, rho, nu) + rho * y, nu).to(q.dtype)

    def cdf(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        rho, nu = p[2:]
        near_a, near_b = _within_reach(a), _within_reach(b)
        x, y = student_value(near_a, nu), student_value(near_b, nu)

        def density(q: Tensor) -> Tensor:
            degrees = nu.unsqueeze(-1)
            return torch.exp(-0.5 * degrees * torch.log1p(q / degrees))

        def rise(q: Tensor, drop: float) -> Tensor:
            return (nu + q) * torch.expm1(2 * drop / nu)

        return _plackett(near_a, near_b, x, y, torch.atanh(rho), density, rise).to(a.dtype)

    def tau(self, p: Parameters) -> Tensor:
        return 2 / math.pi * torch.asin(p[0])

    def tail_dependence(self, p: Parameters) -> tuple[Tensor, Tensor]:
        rho, nu = (value.double() for value in p)
        x = -torch.sqrt((nu + 1) * (1 - rho) / (1 + rho))
        both = 2 * ndtr(student_score(x, nu + 1)).to(p[0].dtype)
        return both, both


def _width(y: Tensor, rho: Tensor, nu: Tensor) -> Tensor:
    """Scale of one t variable given the other."""
    return torch.sqrt((nu + y * y) * (1 - rho) * (1 + rho) / (nu + 1))


def _within_reach(w: Tensor) -> Tensor:
    """A score in float64, the largest whose tail has a floating-point number for those beyond."""
    return w.double().clamp(-38.0, 38.0)


def _plackett(
    a: Tensor,
    b: Tensor,
    x: Tensor,
    y: Tensor,
    end: Tensor,
    density: Callable[[Tensor], Tensor],
    rise: Callable[[Tensor, float], Tensor | float],
) -> Tensor:
    """Distribution function by Plackett's identity, from correlation -1 up: a sum of positive terms, in float64.

    ``max(u + v - 1, 0) + int_-inf^atanh(rho) density(q) sech(s) ds / (2 pi)``, where the quadratic form ``q`` is
    ``((x+y)^2 (1 + e^-2s) + (x-y)^2 (1 + e^2s)) / 4``. On this scale of the correlation, Fisher's, the integrand is
    smooth however near ``x`` is to ``y`` or to ``-y``; Gauss-Legendre, 192 points where it is not negligible.

    Args:
        a: first score.
        b: second score.
        x: first variable of the elliptical distribution.
        y: its second.
        end: ``atanh`` of the correlation.
        density: ``int_q^inf`` of the generator over its value at zero, of arguments ``(..., n)``.
        rise: by how much a ``q`` must grow for the log of that to fall by a number.
    """
    smaller, larger = torch.minimum(a, b), torch.maximum(a, b)
    edge = ndtr(smaller) - ndtr(-larger)  # u + v - 1
    plus, minus = (x + y).square(), (x - y).square()
    start, stop = _support(plus, minus, end, rise)
    # The limit moves with rho only where it is rho's own.
    stop = torch.where(stop < end, stop, end)
    t, weights = (value.to(x.device) for value in gauss_legendre(192))
    length = (stop - start).unsqueeze(-1)
    root = torch.exp(start.unsqueeze(-1) + length * t)
    r = root * root
    q = 0.25 * (plus.unsqueeze(-1) * (1 + 1 / r) + minus.unsqueeze(-1) * (1 + r))
    integral = (density(q) * root / (1 + r) * length * weights).sum(-1)
    return 0.5 * (edge + edge.abs()) + integral / math.pi


@torch.no_grad()
def _support(
    plus: Tensor, minus: Tensor, end: Tensor, rise: Callable[[Tensor, float], Tensor | float]
) -> tuple[Tensor, Tensor]:
    """Where `_plackett`'s integrand is above its peak times a rounding, from both of its factors."""
    r = torch.sqrt(plus / minus.clamp(min=1e-300)).clamp(max=1e300)
    within = torch.minimum(r, torch.exp(2 * end)).clamp(min=1e-300)
    half = 0.5 * (plus / within + minus * within)  # 2 q less a constant, at its lowest
    lowest = 0.25 * (plus + minus + 2 * half)

    def level(drop: float) -> tuple[Tensor, Tensor]:
        there = half + 2 * rise(lowest, drop)
        far = there + torch.sqrt((there - torch.sqrt(plus * minus)) * (there + torch.sqrt(plus * minus)))
        return 0.5 * torch.log(plus / far), 0.5 * torch.log(far / minus)

    near = level(1.0)
    middle = torch.minimum(torch.minimum(torch.maximum(near[0], torch.zeros_like(end)), near[1]), end)
    start, stop = level(DROP)
    start, stop = torch.maximum(start, middle - DROP), torch.minimum(stop, end)
    return torch.minimum(start, stop), stop
