"""The two Gaussian-mixture marginals: one mixture over the whole embedding, or one a coordinate."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sklar.marginals.base import CoordinatewiseMarginal, Marginal
from sklar.marginals.em import coordinate_scale, plus_plus_centers, run_em, spread_centers
from sklar.marginals.univariate import mixture_log_prob, mixture_quantile, mixture_score
from sklar.numerics import log_normal


class _Mixture(Marginal):
    """What both mixtures share: parameters ``mean`` and ``log_scale`` ``(d, K)``, ``logits`` ``(d, K)`` or ``(1, K)``.

    Args:
        dim: number of embedding coordinates ``d``.
        components: number of components ``K``.
    """

    def __init__(self, dim: int, components: int = 3) -> None:
        super().__init__(dim)
        if components < 1:
            raise ValueError(f"a mixture needs at least one component, got components={components}")
        self.components = components
        # Even normal quantiles, shuffled anew in each coordinate (a Latin hypercube): no two components coincide.
        levels = torch.special.ndtri((torch.arange(components) + 0.5) / components)
        generator = torch.Generator().manual_seed(0)
        order = torch.stack([torch.randperm(components, generator=generator) for _ in range(dim)])
        self.mean = nn.Parameter(levels[order])
        self.log_scale = nn.Parameter(torch.full((dim, components), -0.5 * math.log(components)))
        self.logits = nn.Parameter(torch.zeros(dim if self.coordinatewise else 1, components))

    def _centers(self, z: Tensor, generator: torch.Generator | None) -> Tensor:
        """Starting means ``(d, K)``."""
        raise NotImplementedError

    def _pool(self, log_densities: Tensor) -> Tensor:
        """What decides the responsibilities: see `run_em`."""
        raise NotImplementedError

    @torch.no_grad()
    def initialize(self, z: Tensor, generator: torch.Generator | None = None) -> Marginal:
        """Components at k-means++ centres (or even quantiles) of ``z (n, d)``, equal weights; returns itself."""
        self._check_rows(z)
        spread = (coordinate_scale(z) / math.sqrt(self.components))[:, None].expand(-1, self.components)
        self._assign(torch.zeros_like(self.logits), self._centers(z, generator), torch.log(spread))
        return self

    @torch.no_grad()
    def fit(self, z: Tensor, generator: torch.Generator | None = None) -> Marginal:
        """Maximum likelihood on the rows of ``z (n, d)`` by EM in float64, from `initialize`; returns itself.

        A component's standard deviation is kept above 1% of its coordinate's.
        """
        self._check_rows(z)
        z = z.double()
        self.initialize(z, generator)
        start = (self.logits.double(), self.mean.double(), self.log_scale.double())
        self._assign(*run_em(z, *start, pool=self._pool))
        return self

    def _assign(self, logits: Tensor, mean: Tensor, log_scale: Tensor) -> None:
        self.logits.copy_(logits)
        self.mean.copy_(mean)
        self.log_scale.copy_(log_scale)

    def extra_repr(self) -> str:
        """Size, for printing."""
        return f"dim={self.dim}, components={self.components}"


class IndependentMixtures(CoordinatewiseMarginal, _Mixture):
    """A one-dimensional Gaussian mixture a coordinate, ``f(z) = prod_j sum_k pi_jk N(z_j; mu_jk, s_jk^2)``.

    The cheap default: every map is elementwise. Dependence between the coordinates of one modality is left to the
    copula (a full coupling with free blocks holds it).

    Args:
        dim: number of coordinates ``d``.
        components: number of components ``K`` of each.
    """

    densities = staticmethod(mixture_log_prob)
    scores = staticmethod(mixture_score)
    quantiles = staticmethod(mixture_quantile)

    def coordinates(self) -> tuple[Tensor, ...]:
        """Log weights, means and log scales, ``(d, K)`` each."""
        return torch.log_softmax(self.logits, -1), self.mean, self.log_scale

    def _centers(self, z: Tensor, generator: torch.Generator | None) -> Tensor:
        return spread_centers(z, self.components)

    def _pool(self, log_densities: Tensor) -> Tensor:
        return log_densities


class GaussianMixture(_Mixture):
    """Multivariate mixture with diagonal covariances, ``f(z) = sum_k pi_k prod_j N(z_j; mu_kj, s_kj^2)``.

    Its Rosenblatt map is closed form: the conditional of ``z_j`` given the earlier coordinates is a one-dimensional
    mixture whose weights ``g_k`` are proportional to ``pi_k prod_{i<j} N(z_i; mu_ki, s_ki^2)``. `to_scores` is
    parallel in ``j`` (an exclusive cumulative sum of log densities), `from_scores` sequential.

    Args:
        dim: number of coordinates ``d``.
        components: number of components ``K``.
    """

    def _centers(self, z: Tensor, generator: torch.Generator | None) -> Tensor:
        return plus_plus_centers(z, self.components, generator).T

    def _pool(self, log_densities: Tensor) -> Tensor:
        return log_densities.sum(-2, keepdim=True)

    def _component_log_densities(self, z: Tensor) -> Tensor:
        """``log N(z_j; mu_jk, s_jk^2)``: ``(..., d) -> (..., d, K)``."""
        t = (z.unsqueeze(-1) - self.mean) * torch.exp(-self.log_scale)
        return log_normal(t) - self.log_scale

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density in nats: ``(..., d) -> (...)``."""
        self._check(z, "z")
        whole = self._component_log_densities(z).sum(-2)
        return torch.logsumexp(torch.log_softmax(self.logits[0], -1) + whole, dim=-1)

    def to_scores(self, z: Tensor) -> Tensor:
        """Rosenblatt scores, all coordinates at once: ``(..., d) -> (..., d)``."""
        self._check(z, "z")
        densities = self._component_log_densities(z)
        earlier = torch.cat([torch.zeros_like(densities[..., :1, :]), densities[..., :-1, :].cumsum(-2)], dim=-2)
        return mixture_score(z, torch.log_softmax(self.logits + earlier, -1), self.mean, self.log_scale)

    def from_scores(self, w: Tensor) -> Tensor:
        """Inverse Rosenblatt map, one coordinate after another: ``(..., d) -> (..., d)``."""
        self._check(w, "scores")
        earlier = self.logits[0]
        columns = []
        for j in range(self.dim):
            weights = torch.log_softmax(earlier, -1)
            z = mixture_quantile(w[..., j], weights, self.mean[j], self.log_scale[j])
            columns.append(z)
            t = (z.unsqueeze(-1) - self.mean[j]) * torch.exp(-self.log_scale[j])
            earlier = earlier + log_normal(t) - self.log_scale[j]
        return torch.stack(columns, dim=-1)
