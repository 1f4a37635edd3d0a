"""The decoders of all modalities, evaluated together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from sklar.encoders import Decoder
from sklar.numerics import log_normal


def half_square(gap: Tensor, known: Tensor) -> Tensor:
    """Half the squared length of the known part of ``gap (..., F)``, ``(...)``."""
    return 0.5 * torch.where(known, gap, 0.0).square().sum(-1)


class Decoders(nn.ModuleList):
    """One decoder a modality; their features stand side by side, for fewer operations on small batches.

    Args:
        decoders: one a modality.
    """

    def __init__(self, decoders: Sequence[Decoder]) -> None:
        super().__init__(decoders)

    def each(self) -> list[Decoder]:
        """The decoders in the order of the modalities."""
        return cast("list[Decoder]", list(self))

    def sizes(self, like: Tensor) -> Tensor:
        """Number of features of each modality, ``(M,)``, where a tensor lives."""
        return torch.tensor([len(decoder.log_scale) for decoder in self.each()], device=like.device)

    def forward(self, z: Sequence[Tensor]) -> Tensor:
        """Means of all features: ``(..., d)`` a modality ``-> (..., F)``, ``F`` summed over the modalities."""
        return torch.cat([decoder(value) for decoder, value in zip(self.each(), z, strict=True)], -1)

    def log_prob(self, x: Tensor, mean: Tensor, known: Tensor) -> Tensor:
        """Log density of the known features of all modalities in nats, ``(B, F)`` each ``-> (B,)``."""
        log_scale = torch.cat([decoder.log_scale for decoder in self.each()])
        each = log_normal((x - mean) * torch.exp(-log_scale)) - log_scale
        return torch.where(known, each, 0.0).sum(-1)
