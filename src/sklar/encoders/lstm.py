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

    The tokens are the states below the top layer, one a bin, and `pool` runs that layer: what a model does to tokens
    happens between the layers. With a single layer they are its own states, of which `pool` takes the last.

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
        if layers < 1:
            raise ValueError(f"an LSTM needs at least one layer, got {layers}")
        self.fill, self.gaps, self.step, self.token_width = fill, gaps, step, hidden
        self.by_channel = Standardize(len(source.names))
        width = (3 if gaps else 2) * len(source.names)
        lower = max(layers - 1, 1)
        self.recurrent = nn.LSTM(width, hidden, lower, batch_first=True, dropout=dropout if lower > 1 else 0.0)
        self.between = nn.Dropout(dropout)
        self.top = nn.LSTM(hidden, hidden, batch_first=True) if layers > 1 else None
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

    def tokens(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """States of the layers but the top one, after dropout; bins after a row's last are padding."""
        length = lengths(x)
        bins = int(length.max())
        states = unrolled(self.recurrent, self.inputs(x[:, :bins]))
        padding = torch.arange(bins, device=x.device) >= length[:, None]
        return states if self.top is None else self.between(states), padding

    def pool(self, tokens: Tensor, padding: Tensor) -> Tensor:
        """The top layer, and its state at a row's last bin through a linear layer."""
        states = torch.where(padding[..., None], 0.0, tokens)  # NaN there would reach the weights' gradients
        if self.top is not None:
            states = unrolled(self.top, states)
        last = (~padding).sum(1) - 1
        outputs: Tensor = self.output(states[torch.arange(len(states), device=states.device), last])
        return outputs


def unrolled(layers: nn.LSTM, x: Tensor) -> Tensor:
    """States of the layers at every bin; on a CPU in full precision, for not every CPU has bfloat16 layers."""
    with torch.autocast("cpu", enabled=False):
        states: Tensor = layers(x)[0]
    return states
