"""From an embedding to the likelihood of a modality's features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sklar.encoders.base import mlp
from sklar.numerics import log_normal


class Decoder(nn.Module):
    """``p(x | z)``: a normal with a network for its mean and one standard deviation a feature.

    It speaks of an encoder's standardised features (see `Encoder.describe`), hence serves every kind of modality.

    Args:
        dim: embedding width ``d``.
        outputs: number ``F`` of features.
        hidden: hidden units.
        dropout: rate on the hidden layer.
    """

    def __init__(self, dim: int, outputs: int, hidden: int = 64, dropout: float = 0.1) -> None:
        super().__init__()
        self.network = mlp(dim, hidden, outputs, dropout)
        self.log_scale = nn.Parameter(torch.zeros(outputs))

    def forward(self, z: Tensor) -> Tensor:
        """Mean of the features: ``(..., d) -> (..., F)``."""
        mean: Tensor = self.network(z)
        return mean

    def log_prob(self, x: Tensor, mean: Tensor, known: Tensor) -> Tensor:
        """Log density of the known features in nats: ``(..., F)`` each ``-> (...)``."""
        each = log_normal((x - mean) * torch.exp(-self.log_scale)) - self.log_scale
        return torch.where(known, each, 0.0).sum(-1)
