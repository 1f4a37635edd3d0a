"""Vectors: a multilayer perceptron; also for somebody's own embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from sklar.encoders.base import mlp
from sklar.encoders.one_token import OneTokenEncoder
from sklar.encoders.reading import numbers
from sklar.numerics.masking import only_observed


class VectorEncoder(OneTokenEncoder):
    """``x (B, inputs)``, complete where it is observed, through one hidden layer.

    Args:
        dim: embedding width ``d``.
        hidden: hidden units.
        dropout: rate on the hidden layer.
        inputs: number of features.
        columns: their names, if they have any.
    """

    kind: ClassVar[str] = "vector"

    def __init__(
        self, dim: int, hidden: int = 64, dropout: float = 0.1, *, inputs: int, columns: Sequence[str] | None = None
    ) -> None:
        super().__init__(inputs, dim)
        if columns is not None and len(columns) != inputs:
            raise ValueError(f"{len(columns)} column names for {inputs} features")
        self.inputs, self.columns = inputs, columns
        self.token_width = hidden
        self.network = mlp(inputs, hidden, 2 * dim, dropout)

    def read(self, x: Any, shown: Tensor, name: str) -> Tensor:
        """A tensor ``(B, inputs)``, finite where observed."""
        return only_observed(numbers(x, shown, name, {"F": self.inputs}, self.anchor), shown, name)

    def describe(self, x: Tensor) -> Tensor:
        """The vector itself."""
        return x

    @property
    def numbers(self) -> Tensor:
        """All of them."""
        return torch.ones(self.inputs, dtype=torch.bool)

    def prepare(self, x: Tensor) -> Tensor:
        """The standardised vector."""
        standard: Tensor = self.scaling(x)
        return standard

    def feature_names(self) -> list[str]:
        """The columns' names, or their numbers."""
        return list(self.columns) if self.columns is not None else super().feature_names()
