"""Embeddings that somebody else's model gave: a linear map to the embedding width, no more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import nn

from sklar.encoders.vector import VectorEncoder


class PrecomputedEncoder(VectorEncoder):
    """``x (B, inputs)``, standardised, through one linear layer: what was learned elsewhere is kept as it is.

    Where the embeddings are raw or the rows many, the hidden layer of kind ``vector`` may earn more. What goes into the
    linear layer is the token.

    Args:
        dim: embedding width ``d``.
        dropout: rate on the standardised inputs.
        inputs: width of the embeddings.
        columns: names of their coordinates, if they have any.
    """

    kind: ClassVar[str] = "precomputed"

    def __init__(self, dim: int, dropout: float = 0.1, *, inputs: int, columns: Sequence[str] | None = None) -> None:
        super().__init__(dim, 1, dropout, inputs=inputs, columns=columns)
        self.token_width = inputs
        self.network = nn.Sequential(nn.Dropout(dropout), nn.Linear(inputs, 2 * dim))
