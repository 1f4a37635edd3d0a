"""The marginals of all modalities, evaluated together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from sklar.marginals.base import Marginal
from sklar.marginals.mixtures import IndependentMixtures
from sklar.marginals.univariate import mixture_log_prob, mixture_quantile, mixture_score


class Marginals(nn.ModuleList):
    """One marginal a modality, of one kind.

    Mixtures a coordinate are evaluated for all modalities in one operation: small batches are bound by the number of
    operations, not by their size.

    Args:
        marginals: one a modality.
    """

    def __init__(self, marginals: Sequence[Marginal]) -> None:
        super().__init__(marginals)
        self.sizes = [marginal.dim for marginal in marginals]
        self.coordinatewise = all(isinstance(marginal, IndependentMixtures) for marginal in marginals)

    def _each(self) -> list[Marginal]:
        return cast("list[Marginal]", list(self))

    def _stacked(self) -> tuple[Tensor, Tensor, Tensor]:
        """Log weights, means and log scales of all coordinates, ``(D, K)`` each."""
        mixtures = cast("list[IndependentMixtures]", list(self))
        logits = torch.cat([mixture.logits for mixture in mixtures])
        mean = torch.cat([mixture.mean for mixture in mixtures])
        return torch.log_softmax(logits, -1), mean, torch.cat([mixture.log_scale for mixture in mixtures])

    def log_prob(self, z: Sequence[Tensor]) -> Tensor:
        """Log densities in nats: ``(..., d_m)`` a modality ``-> (..., M)``."""
        if not self.coordinatewise:
            return torch.stack([marginal.log_prob(value) for marginal, value in zip(self._each(), z, strict=True)], -1)
        each = mixture_log_prob(torch.cat(list(z), -1), *self._stacked())
        return torch.stack([part.sum(-1) for part in each.split(self.sizes, -1)], -1)

    def to_scores(self, z: Sequence[Tensor]) -> list[Tensor]:
        """Scores: ``(..., d_m)`` a modality to the same."""
        if not self.coordinatewise:
            return [marginal.to_scores(value) for marginal, value in zip(self._each(), z, strict=True)]
        return list(mixture_score(torch.cat(list(z), -1), *self._stacked()).split(self.sizes, -1))

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
        place = cells.flatten().nonzero().flatten()
        column = place % cells.shape[1]
        z = mixture_quantile(scores.flatten(1)[:, place], *(parameter[column] for parameter in self._stacked()))
        whole = torch.zeros_like(scores).flatten(1).index_copy(1, place, z)
        return list(whole.unflatten(1, cells.shape).split(self.sizes, -1))
