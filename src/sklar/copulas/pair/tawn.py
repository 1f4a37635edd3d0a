"""Tawn's asymmetric extreme-value family."""

from __future__ import annotations

import torch
from torch import Tensor

from sklar.copulas.pair.family import Family, Parameters, safe_log, score_of
from sklar.copulas.pair.generators import gumbel_gap, gumbel_step, gumbel_sum, log_minus_log
from sklar.numerics import gauss_legendre


class Tawn(Family):
    """``C = exp(-V(-log u, -log v))``; ``V(x, y) = (1-p1) x + (1-p2) y + ((p1 x)^theta + (p2 y)^theta)^(1/theta)``.

    Gumbel where psi1 = psi2 = 1; upper tail dependence. Not exchangeable. Tawn 1988.
    """

    name = "tawn"
    parameters = (("psi1", 0.0, 1.0), ("psi2", 0.0, 1.0), ("theta", 1.0, 60.0))
    start = (0.8, 0.8, 2.0)
    moved = ((2,), (0, 1))

    def swapped(self, p: Parameters) -> Parameters:
        return p[1], p[0], p[2], p[4], p[3], p[5]

    def derived(self, values: Parameters) -> Parameters:
        psi1, psi2, theta = values
        return 1 - psi1, 1 - psi2, theta - 1

    def log_prob(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        psi1, psi2, theta, rest1, rest2, excess = p
        log_x, log_y = log_minus_log(a), log_minus_log(b)
        first, second = safe_log(psi1) + log_x, safe_log(psi2) + log_y
        larger, smaller, e = gumbel_sum(first, second, theta)
        r = larger + e
        # x + y - V = psi1 x + psi2 y - R
        power = gumbel_gap(larger, smaller, e)
        # V1 V2 - V12, each of its terms positive
        v1 = torch.logaddexp(safe_log(rest1), safe_log(psi1) + excess * (first - r))
        v2 = torch.logaddexp(safe_log(rest2), safe_log(psi2) + excess * (second - r))
        v12 = safe_log(excess) + safe_log(psi1) + safe_log(psi2) + excess * (first + second - 2 * r) - r
        return power + torch.logaddexp(v1 + v2, v12)

    def conditional(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        psi1, psi2, theta, rest1, rest2, excess = p
        log_x = log_minus_log(a)
        second = safe_log(psi2) + log_minus_log(b)
        d, log_expm1_d = gumbel_step(safe_log(psi1) + log_x, second, theta)
        lost = rest1 * torch.exp(log_x) + torch.exp(second + log_expm1_d)  # V - y
        # V2 = (1 - psi2) + psi2 e^-x, from its distance to one where that is short
        x = excess * d
        near = psi2 * torch.expm1(-x)
        close = near > -0.5
        log_v2 = torch.where(
            close,
            torch.log1p(torch.where(close, near, 0.0)),
            torch.logaddexp(safe_log(rest2), safe_log(psi2) - x),
        )
        return score_of(log_v2 - lost)

    def cdf(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        psi1, psi2, theta, rest1, rest2, _ = p
        log_x, log_y = log_minus_log(a), log_minus_log(b)
        larger, _, e = gumbel_sum(safe_log(psi1) + log_x, safe_log(psi2) + log_y, theta)
        return torch.exp(-rest1 * torch.exp(log_x) - rest2 * torch.exp(log_y) - torch.exp(larger + e))

    def tau(self, p: Parameters) -> Tensor:
        """``int_0^1 t (1-t) A''(t) / A(t) dt``, with the second derivative's peak resolved on its own scale."""
        psi1, psi2, theta = (value.clamp(min=1e-12).unsqueeze(-1) for value in p)
        # s = log of psi2 t over psi1 (1 - t); A'' dt is smooth in theta s
        node, weight = gauss_legendre(200, -40.0, 40.0, p[2].dtype)
        s = node / theta
        log_odds = s + torch.log(psi1) - torch.log(psi2)
        t, rest = torch.sigmoid(log_odds), torch.sigmoid(-log_odds)
        first, second = torch.log(psi1 * rest), torch.log(psi2 * t)
        r = torch.logaddexp(theta * first, theta * second) / theta
        pickands = (1 - psi1) * rest + (1 - psi2) * t + torch.exp(r)
        # t (1 - t) A'' = (theta - 1) R (w1 w2), w the shares of the two powers; dt = t (1 - t) ds, ds = dnode / theta
        shares = torch.exp(theta * (first + second - 2 * r))
        curvature = (theta - 1) * torch.exp(r) * shares / (t * rest)
        return (curvature * t * rest / theta / pickands * weight).sum(-1)

    def tail_dependence(self, p: Parameters) -> tuple[Tensor, Tensor]:
        psi1, psi2, theta = p
        larger, _, e = gumbel_sum(safe_log(psi1), safe_log(psi2), theta)
        return torch.zeros_like(theta), psi1 + psi2 - torch.exp(larger + e)
