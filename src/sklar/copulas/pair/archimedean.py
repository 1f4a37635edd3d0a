"""One-parameter Archimedean families: Clayton, Gumbel, Joe. Frank, which has two signs, has a file of its own.

Formulas: Joe, "Dependence Modeling with Copulas" (2014), chapter 4, rearranged; `docs/copulas.md` has them.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sklar.copulas.pair.family import Family, Parameters, safe_log, score_of
from sklar.copulas.pair.generators import (
    clayton_distortion,
    gumbel_gap,
    gumbel_step,
    gumbel_sum,
    joe_distortion,
    joe_inverse,
    joe_jacobian,
    log_bernoulli,
    log_minus_log,
)
from sklar.numerics import log_ndtr, log_phi, log_softplus, minus_log_ndtr, softplus

ZETA_3 = 1.2020569031595942


class Clayton(Family):
    """``C = (u^-theta + v^-theta - 1)^(-1/theta)``, theta > 0; lower tail dependence."""

    name = "clayton"
    parameters = (("theta", 1e-10, 28.0),)
    start = (1.0,)

    def log_prob(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        (theta,) = p
        x, y = -log_ndtr(a), -log_ndtr(b)
        smaller, gap = torch.minimum(x, y), theta * (x - y).abs()
        # u^-theta + v^-theta - 1 over its larger term is 1 + e^-gap (1 - e^(-theta smaller)), without a difference
        rest = torch.log1p(torch.exp(-gap) * -torch.expm1(-theta * smaller))
        return torch.log1p(theta) + smaller - gap - (2 + 1 / theta) * rest

    def conditional(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        (theta,) = p
        x, y = -log_ndtr(a), -log_ndtr(b)
        bend = -torch.expm1(-theta * x)  # (u^-theta - 1) / u^-theta
        r = theta * (x - y) + torch.log(bend.clamp(min=torch.finfo(a.dtype).tiny))
        return score_of(-(1 + 1 / theta) * softplus(r))

    def quantile(self, q: Tensor, b: Tensor, p: Parameters) -> Tensor:
        (theta,) = p
        minus, log_minus = minus_log_ndtr(q)
        share = theta / (1 + theta)
        # log X = log(1 + Y) + log(e^k - 1), k = -theta / (1 + theta) log q
        k = share * minus
        x = -theta * log_ndtr(b) + k + torch.log(share) + log_minus + log_phi(k)
        log_minus = log_softplus(x) - torch.log(theta)  # log(-log u)
        minus = softplus(x) / theta
        return score_of(-minus, log_minus + log_phi(minus))

    def cdf(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        (theta,) = p
        (x, _), (y, _) = clayton_distortion(a, theta), clayton_distortion(b, theta)
        return torch.exp(-softplus(torch.logaddexp(x, y)) / theta)

    def tau(self, p: Parameters) -> Tensor:
        return p[0] / (p[0] + 2)

    def tail_dependence(self, p: Parameters) -> tuple[Tensor, Tensor]:
        return torch.exp2(-1 / p[0]), torch.zeros_like(p[0])


class Gumbel(Family):
    """``C = exp(-((-log u)^theta + (-log v)^theta)^(1/theta))``, theta >= 1; upper tail dependence."""

    name = "gumbel"
    parameters = (("theta", 1.0, 50.0),)
    start = (1.5,)

    def derived(self, values: Parameters) -> Parameters:
        return (values[0] - 1,)

    def log_prob(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        theta, excess = p
        larger, smaller, e = gumbel_sum(log_minus_log(a), log_minus_log(b), theta)
        power = gumbel_gap(larger, smaller, e)
        factor = torch.logaddexp(larger + e, safe_log(excess))
        return power - larger - e - excess * (larger - smaller + 2 * e) + factor

    def conditional(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        theta, excess = p
        y = log_minus_log(b)
        d, log_expm1_d = gumbel_step(log_minus_log(a), y, theta)
        return score_of(-torch.exp(y + log_expm1_d) - excess * d)

    def cdf(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        larger, _, e = gumbel_sum(log_minus_log(a), log_minus_log(b), p[0])
        return torch.exp(-torch.exp(larger + e))

    def tau(self, p: Parameters) -> Tensor:
        return 1 - 1 / p[0]

    def tail_dependence(self, p: Parameters) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(p[0]), 2 - torch.exp2(1 / p[0])


class Joe(Family):
    """``C = 1 - (x + y - x y)^(1/theta)``, ``x = (1-u)^theta``, ``y = (1-v)^theta``, theta >= 1; upper tail."""

    name = "joe"
    parameters = (("theta", 1.0, 30.0),)
    start = (1.5,)

    def derived(self, values: Parameters) -> Parameters:
        return (values[0] - 1,)

    def log_prob(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        theta, excess = p
        x, y = joe_distortion(a, theta), joe_distortion(b, theta)
        larger, smaller, e = gumbel_sum(x, y, torch.ones_like(theta))
        z = larger + e
        factor = torch.logaddexp(z, safe_log(excess / theta) + log_bernoulli(torch.exp(z)))
        return joe_jacobian(larger, smaller, e, z, theta, excess) + factor

    def conditional(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        theta, excess = p
        x, y = joe_distortion(a, theta), joe_distortion(b, theta)
        plain = torch.exp(x)
        return score_of(-plain - excess / theta * softplus(x - y + log_phi(plain) + log_bernoulli(torch.exp(y))))

    def cdf(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        theta = p[0]
        return joe_inverse(torch.logaddexp(joe_distortion(a, theta), joe_distortion(b, theta)), theta)

    def tau(self, p: Parameters) -> Tensor:
        (theta,) = p
        # 1 + 2 (digamma(2) - digamma(2/theta + 1)) / (2 - theta), with its limit at theta = 2
        gap = 2 / theta - 1
        near = gap.abs() < 1e-4
        away = torch.where(near, 1.0, gap)
        slope = (torch.digamma(2 + away) - torch.digamma(torch.full_like(gap, 2.0))) / away
        # trigamma at 2 and its derivatives: torch's own have nine digits
        series = math.pi**2 / 6 - 1 + gap * (1 - ZETA_3) + gap**2 / 6 * (math.pi**4 / 15 - 6)
        return 1 - 2 / theta * torch.where(near, series, slope)

    def tail_dependence(self, p: Parameters) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(p[0]), 2 - torch.exp2(1 / p[0])
