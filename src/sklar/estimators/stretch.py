"""How far off predicted distributions are on held-out cells, and their quantiles corrected for it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

CENTRAL = torch.tensor([0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.95], dtype=torch.float64)  # probabilities of intervals
SCORES = torch.special.ndtri(0.5 + 0.5 * CENTRAL)
PRIOR_CELLS = 50.0  # weight of all columns together in each column's own quantiles


class Stretch(NamedTuple):
    """A symmetric, increasing map of normal scores a column: nominal ones to those that held-out cells showed.

    A column whose intervals were too narrow has its scores stretched, one whose residuals have long tails the outer
    ones more than the inner.

    Attributes:
        knots: where each of `SCORES` goes, increasing, ``(D, L)``.
    """

    knots: Tensor

    @classmethod
    def none(cls, columns: int) -> Stretch:
        """The identity for so many columns."""
        return cls(SCORES.expand(columns, -1).clone())

    @classmethod
    def fit(cls, score: Tensor, column: Tensor, discrete: Tensor) -> Stretch:
        """From the scores of held-out values under their predictions, standard normal if these were right.

        Args:
            score: ``(N,)``.
            column: of each, ``(N,)``.
            discrete: bool ``(D,)``, columns that are left as they are, since their scores come in steps.
        """
        smooth = ~discrete[column]
        if not bool(smooth.any()):
            return cls.none(len(discrete))
        pooled = _quantiles(score[smooth].abs())
        knots = []
        for j in range(len(discrete)):
            own = score[column == j].abs()
            count = len(own)
            mixed = pooled if count == 0 else (count * _quantiles(own) + PRIOR_CELLS * pooled) / (count + PRIOR_CELLS)
            knots.append(mixed)
        floor = 0.1 * SCORES  # ties may put many scores on one place
        fitted = torch.maximum(torch.stack(knots), floor).cummax(-1).values + 1e-6 * SCORES
        return cls(torch.where(discrete[:, None], SCORES, fitted))

    def __call__(self, score: Tensor, column: Tensor) -> Tensor:
        """Corrected scores, ``(..., N)``, of cells in the given columns ``(N,)``."""
        nominal = torch.cat([SCORES.new_zeros(1), SCORES])
        knots = torch.cat([self.knots.new_zeros(len(self.knots), 1), self.knots], -1)[column]
        size = score.abs()
        right = torch.searchsorted(nominal, size.contiguous()).clamp(1, len(nominal) - 1)
        cell = torch.arange(len(column)).expand_as(size)
        x0, x1, y0, y1 = nominal[right - 1], nominal[right], knots[cell, right - 1], knots[cell, right]
        inside = y0 + (y1 - y0) * (size - x0) / (x1 - x0)
        return torch.copysign(torch.where(size > nominal[-1], size * knots[:, -1] / nominal[-1], inside), score)


def _quantiles(size: Tensor) -> Tensor:
    """Quantiles of sizes at `CENTRAL`, with the plotting positions that a small sample needs, ``k / (N + 1)``."""
    ordered = size.sort().values
    place = (CENTRAL * (len(size) + 1) - 1).clamp(0, len(size) - 1)
    low = place.floor().long()
    high = (low + 1).clamp(max=len(size) - 1)
    return ordered[low].lerp(ordered[high], place - low)
