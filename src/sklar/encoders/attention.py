"""Attention over tokens of which some are padding, and encodings of time."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class Transformer(nn.Module):
    """Layers of self-attention with the normalisation first, and a last normalisation.

    Args:
        width: of the tokens.
        heads: must divide the width.
        layers: their number; with none only the normalisation is left.
        dropout: rate.
    """

    def __init__(self, width: int, heads: int, layers: int, dropout: float) -> None:
        super().__init__()
        check_heads(width, heads)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 2 * width, dropout, "gelu", batch_first=True, norm_first=True)
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: Tensor, padding: Tensor | None = None) -> Tensor:
        """``(B, L, width) -> (B, L, width)``; padding bool ``(B, L)``, never a whole row."""
        for layer in self.layers:
            tokens = layer(tokens, src_key_padding_mask=padding)
        normal: Tensor = self.norm(tokens)
        return normal


class LatentPool(nn.Module):
    """A few learned queries look at all tokens: ``(B, L, width) -> (B, N, width)``, linear in ``L``.

    A learned token stands beside the given ones, so that a row without any has a value.

    Args:
        width: of the tokens.
        heads: must divide the width.
        latents: number ``N`` of queries.
        dropout: rate.

    References:
        Lee et al., "Set Transformer", ICML 2019; Jaegle et al., "Perceiver", ICML 2021.
    """

    def __init__(self, width: int, heads: int, latents: int, dropout: float) -> None:
        super().__init__()
        check_heads(width, heads)
        self.queries = nn.Parameter(torch.randn(latents, width) / math.sqrt(width))
        self.nothing = nn.Parameter(torch.randn(width) / math.sqrt(width))
        self.norm = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True)

    def forward(self, tokens: Tensor, padding: Tensor) -> Tensor:
        """Tokens ``(B, L, width)``, padding bool ``(B, L)``."""
        rows = len(tokens)
        tokens = self.norm(torch.cat([self.nothing.expand(rows, 1, -1).to(tokens), tokens], 1))
        padding = torch.cat([padding.new_zeros(rows, 1), padding], 1)
        queries = self.queries.expand(rows, -1, -1)
        seen, _ = self.attention(queries, tokens, tokens, key_padding_mask=padding, need_weights=False)
        pooled: Tensor = queries + seen
        return pooled


class TimeEncoding(nn.Module):
    """Sines and cosines of hours, mixed by a linear layer: ``(...) -> (..., width)``.

    Args:
        width: of the encoding.
        learned: whether the periods are learned; they start as they would stay.
        shortest: period in hours.
        longest: period in hours.
        periods: their number, in geometric progression.

    References:
        Vaswani et al., 2017; Kazemi et al., "Time2Vec", 2019 (learned).
    """

    log_periods: Tensor

    def __init__(
        self, width: int, learned: bool = False, shortest: float = 1.0, longest: float = 5000.0, periods: int = 12
    ) -> None:
        super().__init__()
        start = torch.linspace(math.log(shortest), math.log(longest), periods)
        if learned:
            self.log_periods = nn.Parameter(start)
        else:
            self.register_buffer("log_periods", start)
        self.mix = nn.Linear(2 * periods, width)

    def forward(self, hours: Tensor) -> Tensor:
        """Finite hours ``(...) -> (..., width)``."""
        angle = hours[..., None] * (2 * torch.pi * torch.exp(-self.log_periods))
        mixed: Tensor = self.mix(torch.cat([angle.sin(), angle.cos()], -1))
        return mixed


def check_heads(width: int, heads: int) -> None:
    """Raises ValueError where the heads do not divide the width."""
    if heads < 1 or width % heads:
        raise ValueError(f"{heads} heads do not divide hidden = {width}; choose another number of either")
