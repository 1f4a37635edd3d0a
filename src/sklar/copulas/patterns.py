"""Rows of mixed missing patterns in one call: work is done once a pattern, then handed to the rows."""

from __future__ import annotations

import math

import torch
from torch import Tensor

BITS = 62  # of a mask that fit one number


class Patterns:
    """The distinct masks of a batch.

    Args:
        mask: bool, ``(*lead, *event)``.
        event_dims: how many trailing axes are the event's.

    Attributes:
        masks: distinct masks, ``(P, *event)``.
        index: pattern of each row, ``(rows,)``, rows being the flattened leading axes.
        counts: rows a pattern, ``(P,)``.
    """

    def __init__(self, mask: Tensor, event_dims: int) -> None:
        lead, event = mask.shape[: mask.ndim - event_dims], mask.shape[mask.ndim - event_dims :]
        flat = mask.reshape(-1, event.numel())
        if flat.shape[1] <= BITS:  # a mask is a number: sorting numbers is many times faster than sorting rows
            codes, self.index, self.counts = torch.unique(_code(flat), return_inverse=True, return_counts=True)
            masks = codes.unsqueeze(-1).bitwise_and(2 ** torch.arange(flat.shape[1], device=mask.device)) != 0
        else:  # or a few numbers
            parts = [torch.unique(_code(part), return_inverse=True)[1] for part in flat.split(BITS, dim=1)]
            index = parts[0]
            for part in parts[1:]:
                index = torch.unique(index * (len(flat) + 1) + part, return_inverse=True)[1]
            self.index, self.counts = index, torch.bincount(index)
            first = torch.full_like(self.counts, len(flat))
            masks = flat[first.scatter_reduce(0, index, torch.arange(len(flat), device=mask.device), "amin")]
        self.masks = masks.reshape(-1, *event)
        self.lead = lead

    def apply(self, matrices: Tensor, vectors: Tensor) -> Tensor:
        """Multiply each row's vectors by its pattern's matrices.

        Args:
            matrices: ``(P, *batch, i, j)``.
            vectors: ``(*extra, *lead, *batch, j)``; ``extra`` are draws that share the rows' patterns.

        Returns:
            ``(*extra, *lead, *batch, i)``.
        """
        if len(matrices) == 0:  # no rows
            return vectors.new_zeros(*vectors.shape[:-1], matrices.shape[-2])
        if len(matrices) == 1:
            return self._multiply(matrices[0], vectors)
        batch = matrices.shape[1:-2]
        extra = vectors.shape[: vectors.ndim - 1 - len(batch) - len(self.lead)]
        rows = vectors.reshape(math.prod(extra), len(self.index), *batch, vectors.shape[-1])
        if batch:  # many small matrices: one gather, then elementwise, the batch innermost so that vectors are long
            inner = matrices.movedim((-2, -1), (1, 2)).contiguous().index_select(0, self.index)
            result = (inner * rows.movedim(-1, 2).unsqueeze(2)).sum(3).movedim(2, -1)
        else:  # few large ones: the rows of a pattern side by side, one product a pattern
            order = self.index.argsort()
            parts = rows[:, order].split(self.counts.tolist(), dim=1)
            products = [self._multiply(matrix, part) for matrix, part in zip(matrices, parts, strict=True)]
            result = torch.cat(products, dim=1)[:, order.argsort()]
        return result.reshape(*vectors.shape[:-1], matrices.shape[-2])

    @staticmethod
    def _multiply(matrix: Tensor, vectors: Tensor) -> Tensor:
        if matrix.ndim == 2:
            return vectors @ matrix.T
        return (matrix * vectors.unsqueeze(-2)).sum(-1)

    def spread(self, values: Tensor) -> Tensor:
        """Values a pattern ``(P, ...)`` handed to the rows: ``(*lead, ...)``."""
        return values[self.index].reshape((*self.lead, *values.shape[1:]))


def _code(mask: Tensor) -> Tensor:
    """Each row of at most `BITS` bools as a number."""
    return (mask * 2 ** torch.arange(mask.shape[1], device=mask.device)).sum(-1)


def all_patterns(modalities: int) -> Tensor:
    """Every non-empty set of ``M`` modalities, fewest first: bool ``(2^M - 1, M)``."""
    codes = torch.arange(1, 2**modalities)
    masks = (codes.unsqueeze(-1) >> torch.arange(modalities)) & 1
    return masks[masks.sum(-1).argsort(stable=True)].bool()


def random_subpattern(
    observed: Tensor, drop: float, generator: torch.Generator | None = None, order: Tensor | None = None
) -> Tensor:
    """A random subset of what each row has, never empty.

    Args:
        observed: bool ``(B, M)``, each row with at least one True.
        drop: probability with which each observed modality is left out; a row that would lose all keeps one of its
            own, each with equal probability.
        generator: source of the randomness.
        order: instead of ``generator``: uniform numbers ``(B, M)``.

    Returns:
        bool ``(B, M)``, within ``observed``.
    """
    if order is None:
        order = torch.rand(observed.shape, generator=generator, device=observed.device)
    keep = observed & (order >= drop)
    # order is uniform on [0, drop) for the dropped ones: the largest is one of them at random.
    last = torch.where(observed, order, -1.0).argmax(-1, keepdim=True)
    rescued = torch.zeros_like(observed).scatter(-1, last, True)
    return torch.where(keep.any(-1, keepdim=True), keep, rescued)
