"""Two-parameter Archimedean families: BB1, BB6, BB7, BB8 (Joe & Hu 1996; Joe 2014, chapter 4), rearranged."""

from __future__ import annotations

import torch
from torch import Tensor

from sklar.copulas.pair.family import Family, Parameters, generator_ratio_integral, safe_log, score_of
from sklar.copulas.pair.generators import (
    clayton_distortion,
    gumbel_gap,
    gumbel_step,
    gumbel_sum,
    joe_distortion,
    joe_inverse,
    joe_jacobian,
    log_bernoulli,
)
from sklar.numerics import log1mexp, log_ndtr_tails, log_phi, log_softplus, softplus


class BB1(Family):
    """Gumbel distorted by Clayton: generator ``(u^-theta - 1)^delta``; both tails."""

    name = "bb1"
    parameters = (("theta", 0.0, 7.0), ("delta", 1.0, 7.0))
    start = (0.5, 1.5)

    def derived(self, values: Parameters) -> Parameters:
        return (values[1] - 1,)

    def log_prob(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        theta, delta, excess = _positive(p[0]), *p[1:]
        (x, log_1px), (y, log_1py) = clayton_distortion(a, theta), clayton_distortion(b, theta)
        larger, smaller, e = gumbel_sum(x, y, delta)
        z, slope = larger + e, 1 + 1 / theta
        # log(1 + larger) - log(1 + Z) is formed as one small number
        change = torch.minimum(log_1px, log_1py) - torch.log1p(torch.sigmoid(larger) * torch.expm1(e))
        factor = torch.logaddexp(safe_log(excess), torch.log(slope) + z - softplus(z))
        return torch.log(theta) + slope * change - excess * (larger - smaller + 2 * e) - z + factor

    def conditional(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        theta, delta, excess = _positive(p[0]), *p[1:]
        (x, _), (y, log_1py) = clayton_distortion(a, theta), clayton_distortion(b, theta)
        d, log_expm1_d = gumbel_step(x, y, delta)
        return score_of(-excess * d - (1 + 1 / theta) * softplus(y - log_1py + log_expm1_d))

    def cdf(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        theta, delta = _positive(p[0]), p[1]
        larger, _, e = gumbel_sum(clayton_distortion(a, theta)[0], clayton_distortion(b, theta)[0], delta)
        return torch.exp(-softplus(larger + e) / theta)

    def tau(self, p: Parameters) -> Tensor:
        return 1 - 2 / (p[1] * (p[0] + 2))

    def tail_dependence(self, p: Parameters) -> tuple[Tensor, Tensor]:
        return torch.exp2(-1 / (_positive(p[0]) * p[1])), 2 - torch.exp2(1 / p[1])


class BB6(Family):
    """Gumbel distorted by Joe: generator ``(-log(1 - (1-u)^theta))^delta``; upper tail."""

    name = "bb6"
    parameters = (("theta", 1.0, 6.0), ("delta", 1.0, 8.0))
    start = (1.3, 1.3)

    def derived(self, values: Parameters) -> Parameters:
        return values[0] - 1, values[1] - 1

    def log_prob(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        theta, delta, above, excess = p
        x, y = joe_distortion(a, theta), joe_distortion(b, theta)
        larger, smaller, e = gumbel_sum(x, y, delta)
        z = larger + e
        power = gumbel_gap(larger, smaller, e)
        rest = torch.logaddexp(safe_log(excess), safe_log(above / theta) + log_bernoulli(torch.exp(z)))
        jacobian = joe_jacobian(larger, smaller, e, z, theta, above)
        return jacobian + power - excess * (larger - smaller + 2 * e) + torch.logaddexp(z, rest)

    def conditional(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        theta, delta, above, excess = p
        x, y = joe_distortion(a, theta), joe_distortion(b, theta)
        d, log_expm1_d = gumbel_step(x, y, delta)
        gap = torch.exp(y + log_expm1_d)  # Z - Y
        shrink = softplus(log_expm1_d + log_phi(gap) + log_bernoulli(torch.exp(y)))
        return score_of(-gap - excess * d - above / theta * shrink)

    def cdf(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        theta, delta = p[:2]
        larger, _, e = gumbel_sum(joe_distortion(a, theta), joe_distortion(b, theta), delta)
        return joe_inverse(larger + e, theta)

    def tau(self, p: Parameters) -> Tensor:
        theta, delta = (value.unsqueeze(-1) for value in p)

        def ratio(t: Tensor, rest: Tensor) -> Tensor:
            log_rest = _log_complement(t, rest)
            log_power = theta * log_rest
            log_x = log_power - log_phi(-log1mexp(-log_power))
            return -torch.exp(log_x + log1mexp(-log_power) - (theta - 1) * log_rest) / (theta * delta)

        return generator_ratio_integral(ratio, p[0])

    def tail_dependence(self, p: Parameters) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(p[0]), 2 - torch.exp2(1 / (p[0] * p[1]))


def _clayton_sum(x: Tensor, y: Tensor, delta: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """From ``log X``, ``log Y`` of ``e^(delta Z) = e^(delta X) + e^(delta Y) - 1``.

    The logs, larger and smaller; ``Z`` minus the larger of X and Y; and ``log Z``.
    """
    larger, smaller = torch.maximum(x, y), torch.minimum(x, y)
    e, log_e = _clayton_step(smaller, larger, delta)
    return larger, smaller, e, torch.logaddexp(larger, log_e)


def _clayton_step(x: Tensor, y: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    """``Z - Y`` of the same sum and its log, both with relative accuracy where X is far smaller than Y."""
    scaled = delta * torch.exp(x)
    r = torch.log(delta) + x + scaled + log_phi(scaled) - delta * torch.exp(y)
    return softplus(r) / delta, log_softplus(r) - torch.log(delta)


class BB7(Family):
    """Clayton distorted by Joe: generator ``(1 - (1-u)^theta)^-delta - 1``; both tails."""

    name = "bb7"
    parameters = (("theta", 1.0, 6.0), ("delta", 0.01, 25.0))
    start = (1.3, 0.5)
    moved = ((1,), (0,))  # with a large delta tau falls with theta

    def derived(self, values: Parameters) -> Parameters:
        return (values[0] - 1,)

    def log_prob(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        theta, delta, excess = p
        x, y = joe_distortion(a, theta), joe_distortion(b, theta)
        larger, smaller, e, z = _clayton_sum(x, y, delta)
        big, small = torch.exp(larger), torch.exp(smaller)
        power = small - delta * (big - small) - (1 + 2 * delta) * e
        factor = torch.logaddexp(torch.log1p(delta) + z, safe_log(excess / theta) + log_bernoulli(big + e))
        return joe_jacobian(larger, smaller, z - larger, z, theta, excess) + power + factor

    def conditional(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        theta, delta, excess = p
        x, y = joe_distortion(a, theta), joe_distortion(b, theta)
        gap, log_gap = _clayton_step(x, y, delta)
        shrink = softplus(log_gap - y + log_phi(gap) + log_bernoulli(torch.exp(y)))
        return score_of(-(1 + delta) * gap - excess / theta * shrink)

    def cdf(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        theta, delta = p[:2]
        _, _, _, z = _clayton_sum(joe_distortion(a, theta), joe_distortion(b, theta), delta)
        return joe_inverse(z, theta)

    def tau(self, p: Parameters) -> Tensor:
        theta, delta = (value.unsqueeze(-1) for value in p)

        def ratio(t: Tensor, rest: Tensor) -> Tensor:
            log_rest = _log_complement(t, rest)
            log_d = log1mexp(-theta * log_rest)
            # 1 - D^delta over (1-t)^(theta-1): both may underflow
            log_top = torch.log(-delta * log_d) + log_phi(-delta * log_d)
            return -torch.exp(log_top + log_d - (theta - 1) * log_rest) / (theta * delta)

        return generator_ratio_integral(ratio, p[0])

    def tail_dependence(self, p: Parameters) -> tuple[Tensor, Tensor]:
        return torch.exp2(-1 / p[1]), 2 - torch.exp2(1 / p[0])


class BB8(Family):
    """Joe truncated: generator ``-log((1 - (1 - delta u)^theta) / (1 - (1 - delta)^theta))``; Joe at delta = 1."""

    name = "bb8"
    parameters = (("theta", 1.0, 8.0), ("delta", 1e-4, 1.0))
    start = (2.0, 0.7)

    def derived(self, values: Parameters) -> Parameters:
        return values[0] - 1, 1 - values[1]

    def _distortion(self, w: Tensor, theta: Tensor, delta: Tensor, rest: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """``A = theta log(1 - delta u)``, ``log x = log D(u)`` and ``log(1 - x)``."""
        log_eta = _log_eta(theta, delta, rest)
        log_u, log_rest = log_ndtr_tails(w)
        # 1 - delta u = rest + delta (1 - u), whichever sum has no cancellation
        left = log_u + torch.log(delta) < -0.7
        log_base = torch.where(
            left,
            torch.log1p(-delta * torch.exp(torch.where(left, log_u, -1.0))),
            torch.logaddexp(safe_log(rest), torch.log(delta) + log_rest),
        )
        power = theta * log_base
        log_x = _log_one_minus_power(theta, log_base, delta, log_u) - log_eta
        # 1 - x = ((1 - delta u)^theta - (1 - delta)^theta) / eta
        r = log_rest + torch.log(delta) - safe_log(rest)
        log_1mx = power + torch.log(theta) + log_softplus(r) + log_phi(theta * softplus(r)) - log_eta
        return power, log_x.clamp(max=0.0), log_1mx.clamp(max=0.0)

    def log_prob(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        theta, delta, excess, rest = p
        log_eta, kappa = _log_eta(theta, delta, rest), excess / theta
        power_a, log_x, _ = self._distortion(a, theta, delta, rest)
        power_b, log_y, log_1my = self._distortion(b, theta, delta, rest)
        log_k = log_x + log_y
        log_rest = torch.logaddexp(power_a, log_eta + log_x + log_1my)  # log(1 - eta K)
        factor = softplus(safe_log(kappa) + log_eta + log_k - log_rest)
        return torch.log(theta * delta) - log_eta + kappa * (power_a + power_b - log_rest) + factor

    def conditional(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        theta, delta, excess, rest = p
        _, log_x, log_1mx = self._distortion(a, theta, delta, rest)
        power, log_y, _ = self._distortion(b, theta, delta, rest)
        shrink = softplus(_log_eta(theta, delta, rest) + log_y + log_1mx - power)
        # log x from the smaller of x and 1 - x
        log_x = torch.where(log_1mx < -0.7, torch.log1p(-torch.exp(log_1mx.clamp(max=-0.6))), log_x)
        return score_of(log_x - excess / theta * shrink)

    def cdf(self, a: Tensor, b: Tensor, p: Parameters) -> Tensor:
        theta, delta, _, rest = p
        power, log_x, _ = self._distortion(a, theta, delta, rest)
        _, _, log_1my = self._distortion(b, theta, delta, rest)
        log_rest = torch.logaddexp(power, _log_eta(theta, delta, rest) + log_x + log_1my)  # log(1 - eta K)
        return -torch.expm1(log_rest / theta) / delta

    def tau(self, p: Parameters) -> Tensor:
        theta, delta = (value.unsqueeze(-1) for value in p)

        def ratio(t: Tensor, rest: Tensor) -> Tensor:
            base = (1 - delta) + delta * rest
            step = theta * torch.log1p(delta * rest / (1 - delta).clamp(min=1e-30))
            eta = torch.exp(_log_eta(theta, delta, 1 - delta))
            # 1 - delta t, from t or from 1 - t
            log_base = torch.where(t < 0.5, torch.log1p(-delta * torch.where(t < 0.5, t, 0.0)), torch.log(base))
            power = torch.exp(theta * log_base)
            x = -torch.expm1(theta * log_base) / eta
            small = (power * -torch.expm1(-step) / eta).clamp(max=0.999)  # 1 - x
            minus_log = torch.where(x < 0.5, -torch.log(x.clamp(min=1e-300)), -torch.log1p(-small))
            return -minus_log * x * eta * torch.exp((1 - theta) * log_base) / (theta * delta)

        return generator_ratio_integral(ratio, p[0])

    def tail_dependence(self, p: Parameters) -> tuple[Tensor, Tensor]:
        zero = torch.zeros_like(p[0])
        return zero, torch.where(p[1] == 1, 2 - torch.exp2(1 / p[0]), zero)


def _log_complement(t: Tensor, rest: Tensor) -> Tensor:
    """``log(1 - t)`` from whichever of ``t`` and ``1 - t`` is small."""
    return torch.where(t < 0.5, torch.log1p(-t), torch.log(rest))


def _log_eta(theta: Tensor, delta: Tensor, rest: Tensor) -> Tensor:
    """``log(1 - (1 - delta)^theta)`` from ``delta`` and ``1 - delta``."""
    near = delta < 0.5
    return log1mexp(-theta * torch.where(near, torch.log1p(-torch.where(near, delta, 0.0)), safe_log(rest)))


def _log_one_minus_power(theta: Tensor, log_base: Tensor, delta: Tensor, log_u: Tensor) -> Tensor:
    """``log(1 - (1 - delta u)^theta)``, from ``log u`` where the base is nearly one."""
    t = -theta * log_base
    small = delta * torch.exp(log_u)
    # -log(1 - s) = s / phi-like ratio: log t = log theta + log s + log(-log1p(-s) / s)
    series = torch.log(theta * delta) + log_u + small * (0.5 + small * (5 / 24))
    log_t = torch.where(small < 1e-5, series, torch.log(t.clamp(min=1e-38)))
    return log_t + log_phi(t)


def _positive(theta: Tensor) -> Tensor:
    return theta.clamp(min=1e-10 if theta.dtype == torch.float64 else 1e-6)
