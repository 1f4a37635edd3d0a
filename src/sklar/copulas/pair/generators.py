"""What the Archimedean families share: generators in logs, free of cancellation in either tail.

Every one of them is ``C(u, v) = D^-1(K(D(u), D(v)))`` with ``K`` the Gumbel, Clayton or independence copula and ``D`` a
distortion (the identity for Gumbel itself). With ``X = -log D(u)``, ``Y = -log D(v)`` and ``Z = -log K`` all formulas
need the logs of these, and differences such as ``Z - Y``, which are formed directly.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sklar.numerics import log_minus_log1mexp, log_ndtr, log_phi, log_softplus, minus_log_ndtr, softplus
from sklar.numerics.remember import remembered


def log_minus_log(w: Tensor) -> Tensor:
    """``log(-log u)`` of a score."""
    return minus_log_ndtr(w)[1]


@remembered
def joe_distortion(w: Tensor, theta: Tensor) -> Tensor:
    """``log X``, ``X = -log(1 - (1 - u)^theta)``, of a score."""
    return log_minus_log1mexp((-theta * log_ndtr(-w)).clamp(min=torch.finfo(w.dtype).tiny))


def joe_inverse(z: Tensor, theta: Tensor) -> Tensor:
    """``1 - (1 - e^-Z)^(1/theta)`` from ``log Z``."""
    return -torch.expm1((z + log_phi(torch.exp(z))) / theta)


@remembered
def clayton_distortion(w: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
    """``log X`` and ``log(1 + X)``, ``X = u^-theta - 1``, of a score."""
    minus, log_minus = minus_log_ndtr(w)
    t = theta * minus
    return t + torch.log(theta) + log_minus + log_phi(t), t


def gumbel_sum(x: Tensor, y: Tensor, delta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """``log X`` and ``log Y``, larger and smaller, and ``log Z - larger``, where ``Z^delta = X^delta + Y^delta``."""
    larger, smaller = torch.maximum(x, y), torch.minimum(x, y)
    return larger, smaller, softplus(delta * (smaller - larger)) / delta


def gumbel_gap(larger: Tensor, smaller: Tensor, e: Tensor) -> Tensor:
    """``X + Y - Z`` from what `gumbel_sum` gives."""
    return torch.exp(smaller) - torch.exp(larger) * torch.expm1(e)


def joe_jacobian(larger: Tensor, smaller: Tensor, e: Tensor, z: Tensor, theta: Tensor, excess: Tensor) -> Tensor:
    """``log [D'(u) D'(v) / D'(C)] - log Z`` of Joe's distortion, from ``log X``, ``log Y`` and ``log Z``.

    ``log theta + kappa (log(1 - e^-X) + log(1 - e^-Y) - log(1 - e^-Z)) - log Z``, as ``1 - e^-X = (1 - u)^theta``, with
    ``kappa = excess / theta``, the excess ``theta - 1``; the large terms are taken as differences.
    """
    bends = log_phi(torch.exp(smaller)) + log_phi(torch.exp(larger)) - log_phi(torch.exp(z))
    return torch.log(theta) - (larger - smaller) - smaller / theta + excess / theta * (bends - e) - e


def gumbel_step(x: Tensor, y: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    """``d = log Z - log Y`` and ``log(e^d - 1)``, both with relative accuracy where X is far smaller than Y."""
    t = delta * (x - y)
    d = softplus(t) / delta
    return d, log_softplus(t) - torch.log(delta) + d + log_phi(d)


def log_bernoulli(x: Tensor) -> Tensor:
    """``log(x / (e^x - 1))`` for ``x >= 0``."""
    return -x - log_phi(x)
