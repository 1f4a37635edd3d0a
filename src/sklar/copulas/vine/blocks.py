"""Rows and vines of a batch that share a missing pattern."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sklar.copulas.patterns import Patterns


class Block(NamedTuple):
    """Rows and vines of one pattern; None for all."""

    observed: frozenset[int]
    rows: Tensor | None
    vines: Tensor | None

    def take(self, x: Tensor) -> Tensor:
        """``(..., rows, B, M)`` at these rows and vines."""
        x = x if self.rows is None else x.index_select(-3, self.rows)
        return x if self.vines is None else x.index_select(-2, self.vines)


Part = tuple[Block, Tensor]


def blocks(mask: Tensor, event_shape: tuple[int, ...], lead: torch.Size) -> Iterator[Block]:
    """The blocks of a batch; of one without rows a single block of none, with nothing hidden.

    Args:
        mask: as from `Copula._mask`: with leading axes that are the scores' last ones, or with none.
        event_shape: ``(*batch, M)`` of the vines.
        lead: leading shape of the scores; rows are counted over it.
    """
    dim, vines = event_shape[-1], math.prod(event_shape[:-1])
    if not math.prod(lead):
        yield Block(frozenset(range(dim)), None, None)
        return
    patterns = Patterns(mask, len(event_shape))
    per_row = patterns.masks.expand(len(patterns.masks), *event_shape).reshape(-1, vines, dim)
    repeat = math.prod(lead) // len(patterns.index) if len(patterns.index) else 0
    index = patterns.index.repeat(repeat)
    for p, masks in enumerate(per_row):
        own = None if len(per_row) == 1 else (index == p).nonzero().flatten()
        if bool((masks == masks[:1]).all()):
            yield Block(_members(masks[0]), own, None)
            continue
        kinds, which = torch.unique(masks, dim=0, return_inverse=True)
        for k, kind in enumerate(kinds):
            yield Block(_members(kind), own, (which == k).nonzero().flatten())


def gather(parts: Sequence[Part], like: Tensor) -> Tensor:
    """Blocks of ``(..., rows, B)`` or of ``(..., rows, B, M)`` put together; ``like`` is ``(..., rows, B, M)``."""
    if len(parts) == 1 and parts[0][0].rows is None and parts[0][0].vines is None:
        return parts[0][1]
    whole = parts[0][1].ndim == like.ndim
    shape = like.shape if whole else like.shape[:-1]
    axis = -3 if whole else -2
    result = parts[0][1].new_zeros(shape)
    everything = torch.arange(shape[axis], device=like.device)
    vines = torch.arange(shape[axis + 1], device=like.device)
    tail = (slice(None),) if whole else ()
    for block, value in parts:
        rows = everything if block.rows is None else block.rows
        columns = vines if block.vines is None else block.vines
        result[(..., rows[:, None], columns, *tail)] = value
    return result


def _members(mask: Tensor) -> frozenset[int]:
    return frozenset(mask.nonzero().flatten().tolist())
