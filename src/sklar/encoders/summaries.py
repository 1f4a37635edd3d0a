"""Statistics of what was measured over time, one formula for regular grids and for irregular events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

STATISTICS = ("mean", "minimum", "maximum", "first", "last", "sd", "trend", "count")


class Cells(Protocol):
    """How the cells of a row fall into channels; reductions go over the cells of each channel."""

    def total(self, x: Tensor) -> Tensor:
        """Sum: cells ``(B, ...) -> (B, C)``."""
        ...

    def lowest(self, x: Tensor) -> Tensor:
        """Minimum, infinity where a channel has no cell."""
        ...

    def back(self, statistic: Tensor) -> Tensor:
        """To every cell its channel's: ``(B, C) ->`` something that broadcasts to cells."""
        ...

    def at(self, x: Tensor, place: Tensor) -> Tensor:
        """The cells at a place along the row's time: ``(B, C) -> (B, C)``."""
        ...


class Grid:
    """Cells ``(B, T, C)`` of a series on a regular grid."""

    def total(self, x: Tensor) -> Tensor:
        """Over the bins."""
        return x.sum(1)

    def lowest(self, x: Tensor) -> Tensor:
        """Over the bins."""
        return x.amin(1)

    def back(self, statistic: Tensor) -> Tensor:
        """``(B, 1, C)``."""
        return statistic[:, None]

    def at(self, x: Tensor, place: Tensor) -> Tensor:
        """At bin ``place``."""
        return x.gather(1, place[:, None])[:, 0]


class Records:
    """Cells ``(B, L)``, an event each.

    Args:
        code: of each event, ``(B, L)``; anything valid where there is none.
        codes: their number ``C``.
    """

    def __init__(self, code: Tensor, codes: int) -> None:
        self.code, self.codes = code, codes

    def total(self, x: Tensor) -> Tensor:
        """Over the events of each code."""
        return x.new_zeros(len(x), self.codes).scatter_add(1, self.code, x)

    def lowest(self, x: Tensor) -> Tensor:
        """Over the events of each code."""
        return x.new_full((len(x), self.codes), torch.inf).scatter_reduce(1, self.code, x, "amin")

    def back(self, statistic: Tensor) -> Tensor:
        """``(B, L)``."""
        return statistic.gather(1, self.code)

    def at(self, x: Tensor, place: Tensor) -> Tensor:
        """Event number ``place``."""
        return x.gather(1, place)


def summarize(
    cells: Cells, values: Tensor, hours: Tensor, there: Tensor, statistics: Sequence[str] = STATISTICS
) -> Tensor:
    """Statistics of every channel, ``(B, C, S)``, NaN where there is nothing to compute one from.

    ``sd`` is the population's and ``trend`` the slope of the least-squares line in units an hour; both need two
    measurements, ``trend`` at two times. ``count`` is ``log(1 + n)``, of events without a value too, and always known.

    Args:
        cells: how ``values`` fall into channels.
        values: NaN where nothing was measured; in the order of time along axis 1.
        hours: time of each cell, the shape of ``values`` or one that broadcasts to it.
        there: bool, whether the cell is something that counts.
        statistics: names out of `STATISTICS`, in the order wanted.
    """
    measured = ~values.isnan()
    v = torch.where(measured, values, 0.0)
    n = cells.total(measured.to(v))
    some, share = n > 0, n.clamp(min=1)  # divide by what cannot be zero: NaN would reach the gradients
    mean = cells.total(v) / share
    found = {"mean": mean, "count": torch.log1p(cells.total(there.to(v)))}
    if "minimum" in statistics:
        found["minimum"] = cells.lowest(torch.where(measured, values, torch.inf))
    if "maximum" in statistics:
        found["maximum"] = -cells.lowest(torch.where(measured, -values, torch.inf))
    if {"first", "last", "trend"} & set(statistics):
        places = torch.arange(v.shape[1], device=v.device).to(v).reshape(-1, *[1] * (v.ndim - 2))
        first = cells.lowest(torch.where(measured, places, torch.inf))
        last = -cells.lowest(torch.where(measured, -places, torch.inf))
        first, last = (torch.where(some, place, 0.0).long() for place in (first, last))
        found["first"], found["last"] = cells.at(v, first), cells.at(v, last)
    if "sd" in statistics or "trend" in statistics:
        gap = torch.where(measured, v - cells.back(mean), 0.0)
        variance = cells.total(gap.square()) / share
        root = torch.where(variance > 0, variance, 1.0).sqrt()  # the root of zero has no gradient
        found["sd"] = torch.where(n > 1, torch.where(variance > 0, root, 0.0), torch.nan)
    if "trend" in statistics:
        t = torch.where(measured, hours, 0.0)
        lag = torch.where(measured, t - cells.back(cells.total(t) / share), 0.0)
        line = some & (cells.at(t, last) > cells.at(t, first))
        spread = torch.where(line, cells.total(lag.square()), 1.0)
        found["trend"] = torch.where(line, cells.total(lag * gap) / spread, torch.nan)
    kept = [
        found[name] if name in ("count", "sd", "trend") else torch.where(some, found[name], torch.nan)
        for name in statistics
    ]
    return torch.stack(kept, -1)
