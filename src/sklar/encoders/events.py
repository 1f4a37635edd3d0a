"""Irregular events: a token each, no bins."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from sklar.encoders.attention import LatentPool, TimeEncoding, Transformer
from sklar.encoders.base import no_padding
from sklar.encoders.reading import Names
from sklar.encoders.records import Events, EventsInput, by_code, fit_by_code
from sklar.encoders.standardize import Standardize
from sklar.encoders.summaries import STATISTICS
from sklar.encoders.summarized import SummarizedEncoder


class EventsEncoder(SummarizedEncoder):
    """What was measured, its value and when, as vectors that a few learned queries look at; linear in the events.

    An event adds up: its code's embedding; its value, standardised by code, times a direction of the code's own (a
    vector instead where it has no value); encodings of the hour, and of the hours to the row's last event; and the gap
    ``log(1 + hours)`` to the previous event of the same code. A hidden layer makes the sum nonlinear.

    The encoder's tokens are what the queries found, not the events: as many in every row, whatever its events.

    Args:
        dim: embedding width ``d``.
        hidden: width of the vectors and of the tokens.
        dropout: rate within attention.
        codes: number, names or ``{"name", "unit"}`` of the codes.
        latents: number of queries.
        layers: of self-attention between what the queries found.
        heads: must divide ``hidden``.
        statistics: what the likelihood speaks of.

    References:
        Tipirneni and Reddy, "STraTS", TKDD 2022 (tokens); Horn et al., "SeFT", ICML 2020 (sets of observations); Lee et
        al., "Set Transformer", ICML 2019, and Jaegle et al., "Perceiver", ICML 2021 (learned queries).
    """

    kind: ClassVar[str] = "events"
    source: EventsInput

    def __init__(
        self,
        dim: int,
        hidden: int = 64,
        dropout: float = 0.1,
        *,
        codes: Names,
        latents: int = 8,
        layers: int = 1,
        heads: int = 4,
        statistics: Sequence[str] = STATISTICS,
    ) -> None:
        super().__init__(EventsInput(codes), statistics, dim)
        count = len(self.source.names)
        self.token_width = hidden
        self.by_code = Standardize(count)
        self.code = nn.Embedding(count, hidden)
        self.direction = nn.Embedding(count, hidden)
        self.alone = nn.Parameter(0.02 * torch.randn(hidden))
        self.hour = TimeEncoding(hidden)
        self.recency = TimeEncoding(hidden)
        self.gap = nn.Linear(2, hidden)
        self.event = nn.Sequential(nn.ReLU(), nn.Linear(hidden, hidden))
        self.latents = LatentPool(hidden, heads, latents, dropout)
        self.layers = Transformer(hidden, heads, layers, dropout)
        self.output = nn.Linear(latents * hidden, 2 * dim)

    def start(self, x: Tensor) -> None:
        """Standardisation of the statistics and of each code's values."""
        super().start(x)
        fit_by_code(self.by_code, self.source.events(x))

    def tokens(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the queries found, after the layers between them: one a query, never padding."""
        events = self.source.events(x)
        value = by_code(self.by_code, events)
        known = ~value.isnan()[..., None]
        valued = torch.where(known[..., 0], value, 0.0)[..., None] * self.direction(events.code)
        last = torch.where(events.there, events.hours, -torch.inf).amax(1, keepdim=True)
        recency = torch.where(events.there, last - events.hours, 0.0)
        vectors = self.event(
            self.code(events.code)
            + torch.where(known, valued, self.alone.to(valued))
            + self.hour(events.hours)
            + self.recency(recency)
            + self.gap(gaps(events))
        )
        tokens = self.layers(self.latents(vectors, ~events.there))
        return tokens, no_padding(tokens)

    def pool(self, tokens: Tensor, padding: Tensor) -> Tensor:
        """All of them through a linear layer."""
        outputs: Tensor = self.output(tokens.flatten(1))
        return outputs


def gaps(events: Events) -> Tensor:
    """``log(1 + hours)`` since the previous event of the same code, and whether there was one: ``(B, L, 2)``."""
    code = torch.where(events.there, events.code, -1)
    order = code.argsort(dim=1, stable=True)  # by code, and in time within it
    hours, code = events.hours.gather(1, order), code.gather(1, order)
    again = torch.zeros_like(events.there)
    again[:, 1:] = (code[:, 1:] == code[:, :-1]) & (code[:, 1:] >= 0)
    gap = torch.where(again, hours - hours.roll(1, 1), 0.0)
    both = torch.stack([torch.log1p(gap.clamp(min=0)), again.to(gap)], -1)
    return torch.zeros_like(both).scatter(1, order[..., None].expand_as(both), both)
