"""Series on a regular grid: reading, lengths, and what stands where nothing was measured."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sklar.encoders.reading import Names, names_of, numbers
from sklar.encoders.summaries import Grid, summarize
from sklar.numerics.masking import only_observed


class SeriesInput:
    """Series ``(B, T, C)`` with NaN where nothing was measured; ``T`` may differ from batch to batch.

    A series ends with its last bin that holds a value. One that holds none, or has no bins, is read as a single bin in
    which nothing was measured.

    Args:
        channels: number, names or ``{"name", "unit"}`` of the ``C`` channels.
        step: hours of a bin.
    """

    def __init__(self, channels: Names, step: float) -> None:
        self.names = names_of(channels, "channel")
        if not step > 0:
            raise ValueError(f"a bin of a series needs a length above 0 hours, got {step}")
        self.step = step

    def read(self, x: Any, shown: Tensor, name: str, like: Tensor) -> Tensor:
        """See `Encoder.read`; ``(B, T, C)`` with at least one bin, NaN in rows that lack it."""
        value = numbers(x, shown, name, {"T": None, "C": len(self.names)}, like)
        if value.shape[1] == 0:
            value = value.new_full((len(shown), 1, len(self.names)), torch.nan)
        return only_observed(value, shown, name, cells_may_lack=True)

    def summarize(self, x: Tensor, statistics: tuple[str, ...]) -> Tensor:
        """Statistics a channel, ``(B, C, S)``; a bin's time is that of its beginning."""
        return summarize(Grid(), x, self.hours(x)[:, None].expand_as(x), ~x.isnan(), statistics)

    def hours(self, x: Tensor) -> Tensor:
        """Beginning of every bin, ``(T,)``."""
        return torch.arange(x.shape[1], device=x.device).to(x) * self.step


def lengths(x: Tensor) -> Tensor:
    """Bins up to the last one with a value, at least one: ``(B, T, C) -> (B,)``."""
    bins = torch.arange(1, x.shape[1] + 1, device=x.device)
    return torch.where(x.isnan().all(-1), 1, bins).amax(-1)


def last_measured(known: Tensor) -> Tensor:
    """The latest bin, up to each, in which a channel was measured, -1 before the first: ``(B, T, C)``."""
    bins = torch.arange(known.shape[1], device=known.device)[:, None]
    return torch.where(known, bins, -1).cummax(1).values


def carried_forward(x: Tensor, latest: Tensor) -> Tensor:
    """The last measured values, zero before the first: ``(B, T, C)`` each."""
    return torch.where(latest >= 0, x.nan_to_num(0.0).gather(1, latest.clamp(min=0)), 0.0)
