"""Summary statistics of series or events: hard to beat on small data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from sklar.encoders.base import mlp
from sklar.encoders.one_token import OneTokenEncoder
from sklar.encoders.reading import Names
from sklar.encoders.records import EventsInput
from sklar.encoders.series import SeriesInput
from sklar.encoders.summaries import STATISTICS
from sklar.encoders.summarized import SummarizedEncoder


class SummaryEncoder(OneTokenEncoder, SummarizedEncoder):
    """Standardised statistics of each channel and whether it was measured, through one hidden layer.

    Args:
        dim: embedding width ``d``.
        hidden: hidden units.
        dropout: rate on the hidden layer.
        channels: of a series ``(B, T, C)``: number, names or ``{"name", "unit"}``.
        codes: of events ``(B, L, 3)``, likewise; give one of the two.
        step: hours of a series' bin.
        statistics: which, out of `STATISTICS`.
    """

    kind: ClassVar[str] = "summary"

    def __init__(
        self,
        dim: int,
        hidden: int = 64,
        dropout: float = 0.1,
        *,
        channels: Names | None = None,
        codes: Names | None = None,
        step: float = 1.0,
        statistics: Sequence[str] = STATISTICS,
    ) -> None:
        if (channels is None) == (codes is None):
            raise ValueError("a summary needs either the channels of a series or the codes of events")
        source = EventsInput(codes) if codes is not None else SeriesInput(channels, step)  # type: ignore[arg-type]
        super().__init__(source, statistics, dim)
        self.token_width = hidden
        self.network = mlp(len(self.scaling.mean) + len(source.names), hidden, 2 * dim, dropout)

    def prepare(self, x: Tensor) -> Tensor:
        """The statistics, zero where unknown, and a channel's indicator."""
        values, known = self.features(x)
        measured = known.unflatten(1, (-1, len(self.statistics)))
        valued = [i for i, name in enumerate(self.statistics) if name != "count"]  # the count is always known
        return torch.cat([values, measured[..., valued].any(-1).to(values)], -1)
