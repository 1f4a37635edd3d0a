"""Multilayer perceptrons for vectors: an encoder to a Gaussian posterior, and its decoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sklar.numerics import log_normal

LOG_SCALE_RANGE = (-5.0, 2.0)


def mlp(inputs: int, hidden: int, outputs: int, dropout: float) -> nn.Sequential:
    """One hidden layer with ReLU and dropout: ``(..., inputs) -> (..., outputs)``."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, outputs))


class MLPEncoder(nn.Module):
    """``x (B, inputs)`` to the mean and log standard deviation of ``q(z | x)``, each ``(B, d)``.

    Args:
        inputs: number of features.
        dim: embedding width ``d``.
        hidden: hidden units.
        dropout: rate on the hidden layer.
    """

    def __init__(self, inputs: int, dim: int, hidden: int = 64, dropout: float = 0.1) -> None:
        super().__init__()
        self.network = mlp(inputs, hidden, 2 * dim, dropout)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation, the latter kept within [-5, 2]."""
        mean, log_scale = self.network(x).chunk(2, dim=-1)
        return mean, log_scale.clamp(*LOG_SCALE_RANGE)


class MLPDecoder(nn.Module):
    """``p(x | z)``: a normal with a network for its mean and one standard deviation a feature.

    Args:
        dim: embedding width ``d``.
        outputs: number of features.
        hidden: hidden units.
        dropout: rate on the hidden layer.
    """

    def __init__(self, dim: int, outputs: int, hidden: int = 64, dropout: float = 0.1) -> None:
        super().__init__()
        self.network = mlp(dim, hidden, outputs, dropout)
        self.log_scale = nn.Parameter(torch.zeros(outputs))

    def forward(self, z: Tensor) -> Tensor:
        """Mean of ``x``: ``(..., d) -> (..., outputs)``."""
        mean: Tensor = self.network(z)
        return mean

    def log_prob(self, x: Tensor, mean: Tensor) -> Tensor:
        """Log density of ``x`` in nats, summed over features: ``(..., outputs) -> (...)``."""
        return (log_normal((x - mean) * torch.exp(-self.log_scale)) - self.log_scale).sum(-1)
