"""Series: stacked LSTM layers, the last state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from sklar.encoders.reading import Names
from sklar.encoders.series import SeriesInput, carried_forward, last_measured, lengths
from sklar.encoders.standardize import Standardize
from sklar.encoders.summaries import STATISTICS
from sklar.encoders.summarized import SummarizedEncoder


class LSTMEncoder(SummarizedEncoder):
    """The state of the top layer at a series' last bin, through a linear layer.

    What goes in a bin: standardised values, filled where nothing was measured; which were measured; optionally how long
    ago they were.

    Args:
        dim: embedding width ``d``.
        hidden: units of each layer.
        dropout: rate between the layers and on the state.
        channels: number, names or ``{"name", "unit"}`` of the channels.
        step: hours of a bin.
        layers: their number.
        fill: ``"zero"`` (the training mean) or ``"forward"`` (the last value, zero before the first).
        gaps: add ``log(1 + hours)`` since each channel was last measured (before the first: since a bin before the
            series).
        statistics: what the likelihood speaks of.

    References:
        Wu et al., ICML 2025, arXiv 2511.03196 (two layers of 256); Che et al., Scientific Reports 2018 (masks and
        gaps).
    """

    kind: ClassVar[str] = "lstm"

    def __init__(
        self,
        dim: int,
        hidden: int = 64,
        dropout: float = 0.1,
        *,
        channels: Names,
        step: float = 1.0,
        layers: int = 2,
        fill: str = "zero",
        gaps: bool = False,
        statistics: Sequence[str] = STATISTICS,
    ) -> None:
        source = SeriesInput(channels, step)
        super().__init__(source, statistics, dim)
        if fill not in ("zero", "forward"):
            raise ValueError(f"unknown fill {fill!r}; choose 'zero' or 'forward'")
        self.fill, self.gaps, self.step = fill, gaps, step
        self.by_channel = Standardize(len(source.names))
        width = (3 if gaps else 2) * len(source.names)
        self.recurrent = nn.LSTM(width, hidden, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        self.output = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, 2 * dim))

    def start(self, x: Tensor) -> None:
        """Standardisation of the statistics and of each channel."""
        super().start(x)
        self.by_channel.fit(x)

    def inputs(self, x: Tensor) -> Tensor:
        """What goes into the layers, ``(B, T, C) -> (B, T, 2 C or 3 C)``."""
        values = self.by_channel(x)
        known = ~values.isnan()
        parts = [torch.where(known, values, 0.0), known.to(x)]
        if self.fill == "forward" or self.gaps:
            latest = last_measured(known)
            if self.fill == "forward":
                parts[0] = carried_forward(values, latest)
            if self.gaps:
                bins = torch.arange(x.shape[1], device=x.device)[:, None]
                parts.append(torch.log1p((bins - latest) * self.step).to(x))
        return torch.cat(parts, -1)

    def encode(self, x: Tensor) -> Tensor:
        """The last state through a linear layer. Later bins than a row's last are computed and never looked at."""
        length = lengths(x)
        states, _ = self.recurrent(self.inputs(x[:, : int(length.max())]))
        outputs: Tensor = self.output(states[torch.arange(len(x), device=x.device), length - 1])
        return outputs
