"""A normal distribution a coordinate: scores by shifting and scaling."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sklar.marginals.base import CoordinatewiseMarginal, Marginal
from sklar.marginals.em import coordinate_scale
from sklar.numerics import log_normal


class Normal(CoordinatewiseMarginal):
    """``f(z) = prod_j N(z_j; mu_j, s_j^2)``, the marginal of linear-Gaussian models.

    With a Gaussian copula the joint is a multivariate normal distribution. Its scores ``(z_j - mu_j) / s_j`` need
    neither a distribution function nor a root.

    Args:
        dim: number of coordinates ``d``.
        components: accepted for a common signature; a normal has one.
    """

    def __init__(self, dim: int, components: int = 1) -> None:
        super().__init__(dim)
        self.mean = nn.Parameter(torch.zeros(dim))
        self.log_scale = nn.Parameter(torch.zeros(dim))

    @staticmethod
    def densities(z: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
        """Log density of each coordinate in nats, shape of ``z``."""
        return log_normal((z - mean) * torch.exp(-log_scale)) - log_scale

    @staticmethod
    def scores(z: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
        """Score of each coordinate, shape of ``z``."""
        return (z - mean) * torch.exp(-log_scale)

    @staticmethod
    def quantiles(w: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
        """Inverse of `scores`."""
        return mean + torch.exp(log_scale) * w

    def coordinates(self) -> tuple[Tensor, ...]:
        """Means and log standard deviations, ``(d,)`` each."""
        return self.mean, self.log_scale

    @torch.no_grad()
    def initialize(self, z: Tensor, generator: torch.Generator | None = None) -> Marginal:
        """Mean and standard deviation of the rows of ``z (n, d)``; returns itself."""
        self._check_rows(z)
        self.mean.copy_(z.double().mean(0))
        self.log_scale.copy_(coordinate_scale(z.double()).log())
        return self

    def fit(self, z: Tensor, generator: torch.Generator | None = None) -> Marginal:
        """Maximum likelihood on the rows of ``z (n, d)``: `initialize`; returns itself."""
        return self.initialize(z, generator)
