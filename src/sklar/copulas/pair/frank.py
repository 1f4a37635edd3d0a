"""Frank's family, of both signs."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from sklar.copulas.pair.family import Family, Parameters, score_of
from sklar.numerics import gauss_legendre, log_ndtr_tails, log_phi, ndtr, softplus


class Frank(Family):
    """``C = -log(1 - (1 - e^(-theta u)) (1 - e^(-theta v)) / (1 - e^-theta)) / theta``; no tail dependence.

    A negative theta is the positive one with the first variable turned round, so only ``|theta|`` is computed with.
    With ``phi(x) = (1 - e^-x) / x`` the density has no cancellation, nor a special case at theta = 0.
    """

    name = "frank"
    parameters = (("theta", -35.0, 35.0),)
    start = (1.0,)
    rotatable = False

    def log_prob(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        theta, flip = p[0].abs(), _sign(p[0])
        half = math.sqrt(0.5)
        u, v, rest = (0.5 * torch.erfc(w) for w in (flip * a * -half, b * -half, b * half))
        # The density is bounded: no logs of the arguments are needed. phi as above, since theta may be zero.
        left, right = torch.expm1(-theta * v), torch.expm1(-theta * rest)
        total = -(torch.exp(-theta * u) * left + torch.exp(-theta * v) * right)
        safe = theta.clamp(min=1e-30)
        return log_phi(theta) - theta * (u + v) - 2 * torch.log(total / safe)

    def conditional(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        theta, flip = p[0].abs(), _sign(p[0])
        terms = _Terms(flip * a, b, theta)
        log_h = terms.log_u + log_phi(theta * terms.u) - theta * terms.v - terms.log_sum
        log_rest = terms.log_1mu + log_phi(theta * terms.rest_u) - theta * terms.u - terms.log_sum
        return flip * score_of(log_h, log_rest)

    def quantile(self, q: Tensor, b: Tensor, p: Parameters) -> Tensor:
        flip = _sign(p[0])
        theta = p[0].abs().clamp(min=1e-9)
        log_q, log_rest = log_ndtr_tails(flip * q)
        log_odds, v = log_q - log_rest, ndtr(b)
        # 1 - e^(-theta u) = r (1 - e^-theta) / (r + e^(-theta v)), and e^theta e^(-theta u) - 1 likewise
        bottom = torch.logaddexp(log_odds, -theta * v)
        log_share = torch.log(theta) + log_phi(theta)  # log(1 - e^-theta)
        small = log_odds + log_share - bottom
        near = small < -0.7
        minus_log = torch.where(
            near,
            -torch.log1p(-torch.exp(torch.where(near, small, -1.0))),
            bottom - torch.logaddexp(-theta * v, log_odds - theta),
        )
        u, rest = minus_log / theta, softplus(theta + log_share - theta * v - bottom) / theta
        tiny = torch.finfo(q.dtype).tiny
        return flip * score_of(torch.log(u.clamp(min=tiny)), torch.log(rest.clamp(min=tiny)))

    def cdf(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        theta, flip = p[0].abs().clamp(min=1e-9), _sign(p[0])
        u, v = ndtr(flip * a), ndtr(b)
        top = torch.expm1(-theta * u) * torch.expm1(-theta * v)
        plain = -torch.log1p((top / torch.expm1(-theta)).clamp(min=-0.99)) / theta
        # -log of the same, written as a sum of positives over 1 - e^-theta; digits are lost where theta is small
        value = torch.where(theta < 1, plain, (log_phi(theta) - _Terms(flip * a, b, theta).log_sum) / theta)
        return torch.where(flip > 0, value, v - value)

    def tau(self, p: Parameters) -> Tensor:
        theta = p[0].abs()
        near = theta < 1e-2
        safe = torch.where(near, 1.0, theta)
        t, weights = gauss_legendre(64, dtype=theta.dtype)
        debye = (torch.exp(-(safe.unsqueeze(-1) * t) - log_phi(safe.unsqueeze(-1) * t)) * weights).sum(-1)
        series = theta / 9 - theta**3 / 900 + theta**5 / 52920
        return _sign(p[0]) * torch.where(near, series, 1 - 4 / safe * (1 - debye))

    def tail_dependence(self, p: Parameters) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(p[0]), torch.zeros_like(p[0])


def _sign(theta: Tensor) -> Tensor:
    return torch.where(theta.detach() >= 0, 1.0, -1.0).to(theta.dtype)


class _Terms:
    """``u``, ``v`` and the log of ``[e^(-tu) (1 - e^(-tv)) + e^(-tv) (1 - e^(-t(1-v)))] / t``, a sum of positives."""

    def __init__(self, a: Tensor, b: Tensor, theta: Tensor) -> None:
        (self.log_u, self.log_1mu), (log_v, log_1mv) = log_ndtr_tails(a), log_ndtr_tails(b)
        self.u, self.rest_u = torch.exp(self.log_u), torch.exp(self.log_1mu)
        self.v, rest_v = torch.exp(log_v), torch.exp(log_1mv)
        self.log_sum = torch.logaddexp(
            log_v + log_phi(theta * self.v) - theta * self.u, log_1mv + log_phi(theta * rest_v) - theta * self.v
        )
