"""Series: a transformer over patches of bins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from sklar.encoders.attention import TimeEncoding, Transformer
from sklar.encoders.reading import Names
from sklar.encoders.series import SeriesInput, lengths
from sklar.encoders.standardize import Standardize
from sklar.encoders.summaries import STATISTICS
from sklar.encoders.summarized import SummarizedEncoder


class TransformerEncoder(SummarizedEncoder):
    """A token a patch of bins (standardised values with zeros, and masks), its hour encoded; pooled.

    Bins after a series' last are padding and change nothing; those within it where nothing was measured count.

    Args:
        dim: embedding width ``d``.
        hidden: width of the tokens.
        dropout: rate within the layers.
        channels: number, names or ``{"name", "unit"}`` of the channels.
        step: hours of a bin.
        layers: their number.
        heads: must divide ``hidden``.
        patch: bins of a token.
        time: ``"sinusoidal"`` or ``"learned"`` periods.
        pooling: ``"mean"`` of the tokens or ``"cls"``, a token of its own.
        statistics: what the likelihood speaks of.

    References:
        Vaswani et al., 2017; Nie et al., "A Time Series is Worth 64 Words", ICLR 2023 (patches).
    """

    kind: ClassVar[str] = "transformer"

    def __init__(
        self,
        dim: int,
        hidden: int = 64,
        dropout: float = 0.1,
        *,
        channels: Names,
        step: float = 1.0,
        layers: int = 2,
        heads: int = 4,
        patch: int = 1,
        time: str = "sinusoidal",
        pooling: str = "mean",
        statistics: Sequence[str] = STATISTICS,
    ) -> None:
        source = SeriesInput(channels, step)
        super().__init__(source, statistics, dim)
        if time not in ("sinusoidal", "learned"):
            raise ValueError(f"unknown time encoding {time!r}; choose 'sinusoidal' or 'learned'")
        if pooling not in ("mean", "cls"):
            raise ValueError(f"unknown pooling {pooling!r}; choose 'mean' or 'cls'")
        if patch < 1:
            raise ValueError(f"a patch needs at least one bin, got {patch}")
        self.patch, self.pooling, self.step, self.token_width = patch, pooling, step, hidden
        count = len(source.names)
        self.by_channel = Standardize(count)
        self.cells = nn.Linear(2 * count * patch, hidden)
        self.time = TimeEncoding(hidden, time == "learned", shortest=2 * step)
        if pooling == "cls":
            self.cls = nn.Parameter(0.02 * torch.randn(hidden))
        self.layers = Transformer(hidden, heads, layers, dropout)
        self.output = nn.Linear(hidden, 2 * dim)

    def start(self, x: Tensor) -> None:
        """Standardisation of the statistics and of each channel."""
        super().start(x)
        self.by_channel.fit(x)

    def tokens(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """After the layers, one a patch; the first is the token of its own where that is what `pool` looks at."""
        length = lengths(x)
        count = -(-int(length.max()) // self.patch)  # tokens of the longest
        bins = count * self.patch
        x = x[:, :bins]
        x = torch.cat([x, x.new_full((len(x), bins - x.shape[1], x.shape[2]), torch.nan)], 1)
        values = self.by_channel(x)
        known = ~values.isnan()
        cells = torch.cat([torch.where(known, values, 0.0), known.to(x)], -1)
        place = torch.arange(count, device=x.device)
        hours = (place * (self.patch * self.step)).to(x)
        tokens = self.cells(cells.unflatten(1, (count, self.patch)).flatten(2)) + self.time(hours)
        padding = place >= -(-length // self.patch)[:, None]
        if self.pooling == "cls":
            tokens = torch.cat([self.cls.expand(len(x), 1, -1).to(tokens), tokens], 1)
            padding = torch.cat([padding.new_zeros(len(x), 1), padding], 1)
        return self.layers(tokens, padding), padding

    def pool(self, tokens: Tensor, padding: Tensor) -> Tensor:
        """Their mean, or the first, through a linear layer."""
        if self.pooling == "cls":
            pooled = tokens[:, 0]
        else:
            weight = (~padding).to(tokens)[..., None]
            pooled = torch.where(padding[..., None], 0.0, tokens).sum(1) / weight.sum(1)
        outputs: Tensor = self.output(pooled)
        return outputs
