"""The marginals of all modalities, evaluated together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from sklar.marginals.base import CoordinatewiseMarginal, Marginal
from sklar.marginals.normal import Normal


class Marginals(nn.ModuleList):
    """One marginal a modality, of one kind.

    Marginals of single coordinates are evaluated for all modalities in one operation: small batches are bound by the
    number of operations, not by their size.

    Args:
        marginals: one a modality.
    """

    def __init__(self, marginals: Sequence[Marginal]) -> None:
        super().__init__(marginals)
        self.sizes = [marginal.dim for marginal in marginals]
        self.coordinatewise = all(marginal.coordinatewise for marginal in marginals)
        self.normal = all(isinstance(marginal, Normal) for marginal in marginals)

    def _each(self) -> list[Marginal]:
        return cast("list[Marginal]", list(self))

    @property
    def _family(self) -> CoordinatewiseMarginal:
        return cast("CoordinatewiseMarginal", self[0])

    def coordinates(self) -> tuple[Tensor, ...]:
        """Parameters of the coordinates of all modalities, one modality after the other, ``(D, ...)`` each."""
        each = [marginal.coordinates() for marginal in cast("list[CoordinatewiseMarginal]", list(self))]
        return tuple(torch.cat(parameter) for parameter in zip(*each, strict=True))

    def log_prob(self, z: Sequence[Tensor]) -> Tensor:
        """Log densities in nats: ``(..., d_m)`` a modality ``-> (..., M)``."""
        if not self.coordinatewise:
            return torch.stack([marginal.log_prob(value) for marginal, value in zip(self._each(), z, strict=True)], -1)
        each = self._family.densities(torch.cat(list(z), -1), *self.coordinates())
        if len(set(self.sizes)) == 1:
            return each.unflatten(-1, (len(self.sizes), self.sizes[0])).sum(-1)
        return torch.stack([part.sum(-1) for part in each.split(self.sizes, -1)], -1)

    def to_scores(self, z: Sequence[Tensor]) -> list[Tensor]:
        """Scores: ``(..., d_m)`` a modality to the same."""
        if not self.coordinatewise:
            return [marginal.to_scores(value) for marginal, value in zip(self._each(), z, strict=True)]
        return list(self._family.scores(torch.cat(list(z), -1), *self.coordinates()).split(self.sizes, -1))

    def from_scores(self, w: Sequence[Tensor], wanted: Tensor) -> list[Tensor]:
        """Embeddings from scores, only where they are wanted; zeros elsewhere.

        Args:
            w: scores ``(S, B, d_m)`` a modality.
            wanted: bool ``(B, M)``.

        Returns:
            ``(S, B, d_m)`` a modality.
        """
        if not self.coordinatewise:
            result = []
            for m, (marginal, scores) in enumerate(zip(self._each(), w, strict=True)):
                rows = wanted[:, m].nonzero().flatten()
                whole = torch.zeros_like(scores)
                result.append(whole.index_copy(1, rows, marginal.from_scores(scores[:, rows])) if len(rows) else whole)
            return result
        scores = torch.cat(list(w), -1)
        sizes = torch.tensor(self.sizes, device=wanted.device)
        cells = wanted.repeat_interleave(sizes, dim=-1)
        if self.normal:  # cheaper than choosing
            z = self._family.quantiles(torch.where(cells, scores, 0.0), *self.coordinates())
            z = torch.where(cells, z, 0.0)
            return list(z.split(self.sizes, -1))
        place = cells.flatten().nonzero().flatten()
        column = place % cells.shape[1]
        parameters = (parameter[column] for parameter in self.coordinates())
        z = self._family.quantiles(scores.flatten(1)[:, place], *parameters)
        whole = torch.zeros_like(scores).flatten(1).index_copy(1, place, z)
        return list(whole.unflatten(1, cells.shape).split(self.sizes, -1))
