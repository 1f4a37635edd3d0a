"""The independence copula: what a model is when its modalities are not tied together."""

from __future__ import annotations

import torch
from torch import Tensor

from sklar.copulas.base import Copula


class IndependenceCopula(Copula):
    """Density one everywhere; a missing score is drawn from the standard normal whatever was observed.

    Args:
        dim: number of variables ``M``.
        batch_shape: shape of the batch of copulas.
        blocks: accepted for a common signature; nothing to hold independent here.
    """

    def __init__(self, dim: int, batch_shape: tuple[int, ...] = (), blocks: tuple[int, ...] | None = None) -> None:
        super().__init__(dim, batch_shape)

    def log_prob(self, scores: Tensor, observed: Tensor | None = None) -> Tensor:
        """Zeros: ``(..., *batch, M) -> (..., *batch)``."""
        self._mask(scores, observed)
        return torch.zeros(scores.shape[:-1], dtype=scores.dtype, device=scores.device)

    def impute(
        self,
        scores: Tensor,
        observed: Tensor,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Missing scores replaced by standard normals: see `Copula.impute`."""
        mask = self._mask(scores, observed)
        return torch.where(mask, scores, self._noise(scores, mask, generator, noise))

    def correlation(self) -> Tensor:
        """The identity, ``(*batch, M, M)``, as other copulas have a correlation matrix."""
        return torch.eye(self.dim).expand(*self.batch_shape, -1, -1)

    def fit(self, scores: Tensor, observed: Tensor | None = None) -> Copula:
        """Nothing to estimate."""
        return self
