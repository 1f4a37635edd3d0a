"""Independence, Gaussian and Student's t."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sklar.copulas.pair.family import Family, Parameters
from sklar.numerics import gauss_legendre, student_log_density, student_score, student_value

STRONGEST = 1 - 1e-7  # at a correlation of one there is no density; this one float32 can still tell from it


class Independence(Family):
    """``C = u v``."""

    name = "indep"
    rotatable = False

    def log_prob(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        return 0.0 * (a + b)

    def conditional(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        return a + 0.0 * b

    def quantile(self, q: Tensor, b: Tensor, p: Parameters) -> Tensor:
        return q + 0.0 * b

    def cdf(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        return torch.special.ndtr(a) * torch.special.ndtr(b)

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

    def log_prob(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        (rho,) = p
        # The sum and the difference of the scores are independent: each weighs in by itself.
        total, gap = a + b, a - b
        along, across = 0.25 * rho / (1 + rho), 0.25 * rho / (1 - rho)
        return total * total * along - gap * gap * across - 0.5 * torch.log((1 - rho) * (1 + rho))

    def conditional(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        (rho,) = p
        return (a - rho * b) * torch.rsqrt((1 - rho) * (1 + rho))

    def quantile(self, q: Tensor, b: Tensor, p: Parameters) -> Tensor:
        (rho,) = p
        return q * torch.sqrt((1 - rho) * (1 + rho)) + rho * b

    def cdf(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        (rho,) = p

        def integrand(sine: Tensor, cosine: Tensor, x: Tensor, y: Tensor) -> Tensor:
            return torch.exp(-(x * x + y * y - 2 * x * y * sine) / (2 * cosine * cosine))

        return _plackett(a, b, rho, torch.special.ndtr(a), torch.special.ndtr(b), integrand)

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

    def log_prob(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        rho, nu = (value.double() for value in p)
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
        rho, nu = (value.double() for value in p)
        x, y = student_value(a, nu), student_value(b, nu)
        return student_score((x - rho * y) / _width(y, rho, nu), nu + 1).to(a.dtype)

    def quantile(self, q: Tensor, b: Tensor, p: Parameters) -> Tensor:
        rho, nu = (value.double() for value in p)
        y = student_value(b, nu)
        return student_score(student_value(q, nu + 1) * _width(y, rho, nu) + rho * y, nu).to(q.dtype)

    def cdf(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        rho, nu = (value.double() for value in p)
        x, y = student_value(a, nu), student_value(b, nu)

        def integrand(sine: Tensor, cosine: Tensor, x: Tensor, y: Tensor) -> Tensor:
            square = (x * x + y * y - 2 * x * y * sine) / (nu.unsqueeze(-1) * cosine * cosine)
            return torch.exp(-0.5 * nu.unsqueeze(-1) * torch.log1p(square))

        u, v = torch.special.ndtr(a.double()), torch.special.ndtr(b.double())
        return _plackett(x, y, rho, u, v, integrand).to(a.dtype)

    def tau(self, p: Parameters) -> Tensor:
        return 2 / math.pi * torch.asin(p[0])

    def tail_dependence(self, p: Parameters) -> tuple[Tensor, Tensor]:
        rho, nu = (value.double() for value in p)
        x = -torch.sqrt((nu + 1) * (1 - rho) / (1 + rho))
        both = 2 * torch.special.ndtr(student_score(x, nu + 1)).to(p[0].dtype)
        return both, both


def _width(y: Tensor, rho: Tensor, nu: Tensor) -> Tensor:
    """Scale of one t variable given the other."""
    return torch.sqrt((nu + y * y) * (1 - rho) * (1 + rho) / (nu + 1))


def _plackett(x: Tensor, y: Tensor, rho: Tensor, u: Tensor, v: Tensor, integrand: object) -> Tensor:
    """Distribution function by Plackett's identity: its derivative in ``asin rho`` is integrated from the nearer bound.

    At correlation 1 it is ``min(u, v)``, at -1 ``max(u + v - 1, 0)``. Gauss-Legendre, 128 points on a square-root scale
    of the angle: the integrand is smooth there even where ``x`` and ``y`` nearly agree.
    """
    sign = torch.where(rho >= 0, 1.0, -1.0).to(x.dtype)
    edge = torch.where(rho >= 0, torch.minimum(u, v), (u + v - 1).clamp(min=0.0))
    t, weights = gauss_legendre(128, dtype=x.dtype)
    angle = torch.acos(sign * rho).unsqueeze(-1)  # away from the bound
    phi = angle * t * t
    x, y = x.unsqueeze(-1), (sign * y).unsqueeze(-1)
    values = integrand(torch.cos(phi), torch.sin(phi), x, y)  # type: ignore[operator]
    return edge - sign * (values * 2 * angle * t * weights).sum(-1) / (2 * math.pi)
