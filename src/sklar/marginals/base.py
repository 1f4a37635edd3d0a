"""The interface of a marginal: how one modality's embedding is distributed."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn


class Marginal(nn.Module):
    """Distribution of one modality's embedding ``z``, with an invertible map to independent standard normal scores.

    The map is the Rosenblatt transform (Rosenblatt 1952): ``w_j = ndtri(F(z_j | z_1, ..., z_{j-1}))``. Under the
    marginal the scores are independent standard normals, whatever the dependence between the coordinates of ``z``.

    Attributes:
        dim: number of embedding coordinates ``d``.
        coordinatewise: True where each score depends on its own coordinate alone. Dependence between coordinates is
            then left to the copula; a marginal that already holds it must be coupled with identity blocks.
    """

    coordinatewise: bool = False

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim < 1:
            raise ValueError(f"a marginal needs at least one coordinate, got dim={dim}")
        self.dim = dim

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density in nats: ``(..., d) -> (...)``."""
        raise NotImplementedError

    def to_scores(self, z: Tensor) -> Tensor:
        """Standard normal scores of an embedding: ``(..., d) -> (..., d)``."""
        raise NotImplementedError

    def from_scores(self, w: Tensor) -> Tensor:
        """Inverse of `to_scores`: ``(..., d) -> (..., d)``, with implicit gradients in ``w`` and the parameters."""
        raise NotImplementedError

    def fit(self, z: Tensor, generator: torch.Generator | None = None) -> Marginal:
        """Maximum likelihood on the rows of ``z`` ``(n, d)``, in place; returns itself."""
        raise NotImplementedError

    def initialize(self, z: Tensor, generator: torch.Generator | None = None) -> Marginal:
        """Starting values from the rows of ``z`` ``(n, d)``, components apart, in place; returns itself."""
        raise NotImplementedError

    def rsample(self, shape: tuple[int, ...] | torch.Size = (), generator: torch.Generator | None = None) -> Tensor:
        """Reparameterised draws ``(*shape, d)``: `from_scores` of standard normals."""
        reference = next(self.parameters())
        w = torch.randn(*shape, self.dim, generator=generator, dtype=reference.dtype, device=reference.device)
        return self.from_scores(w)

    def _check_rows(self, z: Tensor) -> None:
        self._check(z, "the rows to fit")
        if z.ndim != 2 or len(z) < 2:
            raise ValueError(f"{type(self).__name__}: fitting needs (n, {self.dim}) with n >= 2, got {tuple(z.shape)}")
        if not bool(torch.isfinite(z).all()):
            row = int((~torch.isfinite(z)).any(-1).nonzero()[0])
            raise ValueError(f"{type(self).__name__}: row {row} to fit holds NaN or infinity; leave such rows out")

    def _check(self, values: Tensor, what: str) -> None:
        if values.ndim < 1 or values.shape[-1] != self.dim:
            raise ValueError(
                f"{type(self).__name__}: {what} must end in {self.dim} coordinates, got shape {tuple(values.shape)}"
            )


class CoordinatewiseMarginal(Marginal):
    """Independent coordinates: each has a one-dimensional distribution of its own, all of one family.

    A subclass gives the family's parameters and its three functions, from which `Marginals` evaluates the coordinates
    of many modalities at once.

    Attributes:
        densities: ``(z, *parameters)`` to the log density of each coordinate in nats, shape of ``z (..., d)``.
        scores: ``(z, *parameters)`` to the score of each coordinate, likewise.
        quantiles: inverse of ``scores``.
    """

    coordinatewise = True
    densities: ClassVar[Callable[..., Tensor]]
    scores: ClassVar[Callable[..., Tensor]]
    quantiles: ClassVar[Callable[..., Tensor]]

    def coordinates(self) -> tuple[Tensor, ...]:
        """The family's parameters, ``(d, ...)`` each."""
        raise NotImplementedError

    def log_prob(self, z: Tensor) -> Tensor:
        """Log density in nats: ``(..., d) -> (...)``."""
        self._check(z, "z")
        return self.densities(z, *self.coordinates()).sum(-1)

    def to_scores(self, z: Tensor) -> Tensor:
        """Scores of each coordinate under its own distribution: ``(..., d) -> (..., d)``."""
        self._check(z, "z")
        return self.scores(z, *self.coordinates())

    def from_scores(self, w: Tensor) -> Tensor:
        """Quantiles of each coordinate's distribution: ``(..., d) -> (..., d)``."""
        self._check(w, "scores")
        return self.quantiles(w, *self.coordinates())
