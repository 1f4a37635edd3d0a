"""Self-attention within modalities and attention across them, interleaved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sklar.encoders import mlp
from sklar.encoders.attention import check_heads
from sklar.models.base import FusionModel, Source
from sklar.models.card import Card
from sklar.models.code import Code
from sklar.models.masked_tokens import Projected, Tokens, average


class Part(nn.Module):
    """What one layer does to one modality: attention to itself, to each other modality, and a feed-forward network.

    Each of the three is residual, with the normalisation first.

    Args:
        others: number of other modalities.
        width: of the tokens.
        heads: must divide the width.
        dropout: rate.
    """

    def __init__(self, others: int, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.own, *cross = (nn.MultiheadAttention(width, heads, dropout, batch_first=True) for _ in range(1 + others))
        self.cross = nn.ModuleList(cross)
        self.own_norm, self.cross_norm, self.last_norm = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.network = mlp(width, 2 * width, width, dropout)
        self.dropout = nn.Dropout(dropout)

    def within(self, tokens: Tokens) -> Tokens:
        """Attention of the tokens to themselves."""
        normal = Tokens(self.own_norm(tokens.values), tokens.padding)
        return self._add(tokens, attend(self.own, normal, normal))

    def normal(self, tokens: Tokens) -> Tokens:
        """The tokens as they look at the others and are looked at."""
        return Tokens(self.cross_norm(tokens.values), tokens.padding)

    def across(self, tokens: Tokens, normal: Tokens, others: list[Tokens]) -> Tokens:
        """Attention to each of the others that a row has, its mean added; the network."""
        if others:
            there = torch.stack([~other.padding.all(1) for other in others])[..., None, None]
            found = [attend(module, normal, other) for module, other in zip(self.cross, others, strict=True)]
            total = torch.where(there, torch.stack(found), 0.0).sum(0)
            tokens = self._add(tokens, total / there.sum(0).clamp(min=1))
        return self._add(tokens, self.network(self.last_norm(tokens.values)))

    def _add(self, tokens: Tokens, change: Tensor) -> Tokens:
        return Tokens(tokens.values + self.dropout(change), tokens.padding)


class Layer(nn.ModuleList):
    """A `Part` for each modality; all look at what the self-attention of this layer made of the others."""

    def __init__(self, modalities: int, width: int, heads: int, dropout: float) -> None:
        super().__init__(Part(modalities - 1, width, heads, dropout) for _ in range(modalities))

    def forward(self, tokens: list[Tokens]) -> list[Tokens]:
        """By modality; a missing one's tokens stay padding, and no other sees them."""
        parts: list[Part] = list(self)  # type: ignore[arg-type]
        tokens = [part.within(each) for part, each in zip(parts, tokens, strict=True)]
        normals = [part.normal(each) for part, each in zip(parts, tokens, strict=True)]
        return [
            part.across(each, normals[m], normals[:m] + normals[m + 1 :])
            for m, (part, each) in enumerate(zip(parts, tokens, strict=True))
        ]


class Interleaved(FusionModel):
    """Layers in which each modality's tokens attend to themselves, then to every other's; a head on their means.

    Tokens are projected to a common width. After the layers those of a modality are normalised and averaged; the means,
    zeros for the missing, are concatenated. With several others, the mean of what the attentions to them give is added:
    with one other that is the paper's, and its size does not depend on how many a row has. A modality without any other
    goes through a transformer of its own.

    Departs from the paper: irregular times, its other half (learned interpolation gated with imputed bins, attention
    over the times of notes), are the encoders' affair, whose tokens already know their times; the last representation
    is the mean of the tokens and not the one at the last hour, since tokens need not be hours; more than two
    modalities and missing ones as said above.

    Args:
        inputs: see `FusionModel`; ``hidden`` is the width of the tokens.
        layers: ``J``.
        heads: of each attention; must divide ``hidden``.
        settings: see `FusionModel`.

    References:
        Zhang, Li, Chen, Yan, Petzold, "Improving Medical Predictions by Irregular Multimodal Electronic Health Records
        Modeling", ICML 2023, arXiv 2210.12156.
    """

    name = "interleaved"
    card: ClassVar[Card] = Card(
        "Zhang et al., ICML 2023, arXiv 2210.12156",
        needs="tokens",
        departs="irregular times are the encoders' affair; mean over several others; tokens averaged at the end",
        space={"layers": (2, 1)},
    )

    def __init__(
        self, inputs: Mapping[str, int | Mapping[str, Any]], layers: int = 2, heads: int = 4, **settings: Any
    ) -> None:
        super().__init__(inputs, **settings)
        if layers < 1:
            raise ValueError(f"layers must be at least 1, got {layers}")
        check_heads(self.hidden, heads)
        self.settings |= {"layers": layers, "heads": heads}
        count, width = len(self.names), self.hidden
        self.project = Projected([self.encoder(name) for name in self.names], width)
        self.layers = nn.ModuleList(Layer(count, width, heads, self.dropout) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in self.names)
        self.head = mlp(count * width, width, self.outcome.size, self.dropout)

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """One set of outputs ``(1, B, k)``: nothing is drawn."""
        tokens = self.project(code, observed)
        for layer in self.layers:
            tokens = layer(tokens)
        last = zip(tokens, self.norms, strict=True)
        means = [average(Tokens(norm(values), padding)) for (values, padding), norm in last]
        outputs: Tensor = self.head(torch.cat(means, -1))
        return outputs[None]


def attend(attention: nn.Module, queries: Tokens, keys: Tokens) -> Tensor:
    """``(B, L, W)`` from queries of that shape; finite and without meaning in rows that have no keys."""
    found: Tensor
    found, _ = attention(queries.values, keys.values, keys.values, key_padding_mask=keys.attendable, need_weights=False)
    return found
