"""What the encoders of anything measured over time have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from sklar.encoders.base import Encoder
from sklar.encoders.records import EventsInput
from sklar.encoders.series import SeriesInput
from sklar.encoders.summaries import STATISTICS


class SummarizedEncoder(Encoder):
    """An encoder of series or events whose likelihood speaks of their summary statistics.

    Args:
        source: what the input is.
        statistics: which statistics, out of `STATISTICS`; the decoder explains each of every channel.
        dim: embedding width ``d``.
    """

    def __init__(self, source: SeriesInput | EventsInput, statistics: Sequence[str], dim: int) -> None:
        unknown = [name for name in statistics if name not in STATISTICS]
        if unknown or not statistics:
            raise ValueError(f"unknown statistics {unknown}; choose some of {list(STATISTICS)}")
        super().__init__(len(source.names) * len(statistics), dim)
        self.source, self.statistics = source, tuple(statistics)

    def read(self, x: Any, shown: Tensor, name: str) -> Tensor:
        """See `SeriesInput.read` and `EventsInput.read`."""
        return self.source.read(x, shown, name, self.anchor)

    def describe(self, x: Tensor) -> Tensor:
        """Statistics of each channel or code, ``(B, C S)``; see `summarize`."""
        return self.source.summarize(x, self.statistics).flatten(1)

    def feature_names(self) -> list[str]:
        """``"<channel> <statistic>"``."""
        return [f"{name} {statistic}" for name in self.source.names for statistic in self.statistics]
