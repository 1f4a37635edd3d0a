"""Tokens of the modalities that a row has, for the models that look inside the encoders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sklar.encoders import Encoder
from sklar.models.code import Code


class Tokens(NamedTuple):
    """Tokens of one modality.

    Attributes:
        values: ``(B, L, W)``, zeros where they are padding.
        padding: bool ``(B, L)``; whole rows of it where the modality is missing.
    """

    values: Tensor
    padding: Tensor

    @property
    def attendable(self) -> Tensor:
        """The padding with none in rows that have nothing else: attention to nothing would be NaN.

        What such rows give is finite and means nothing; whoever asks has to mask it.
        """
        return self.padding & ~self.padding.all(1, keepdim=True)


def shown(code: Code, observed: Tensor) -> list[Tokens]:
    """By modality, everything padding where it is not observed.

    Args:
        code: with tokens.
        observed: bool ``(B, M)``.
    """
    result = []
    for each, there in zip(code, observed.T, strict=True):
        assert each.tokens is not None  # the model's card asks for them
        assert each.padding is not None
        padding = each.padding | ~there[:, None]
        result.append(Tokens(torch.where(padding[..., None], 0.0, each.tokens), padding))
    return result


class Projected(nn.ModuleList):
    """Every modality's tokens brought to one width by a linear layer of its own.

    Args:
        encoders: of the modalities, in the model's order.
        width: common to all.
    """

    def __init__(self, encoders: Sequence[Encoder], width: int) -> None:
        super().__init__(nn.Linear(encoder.token_width, width) for encoder in encoders)

    def forward(self, code: Code, observed: Tensor) -> list[Tokens]:
        """See `shown`; what stands in padding means nothing."""
        given = zip(shown(code, observed), self, strict=True)
        return [Tokens(project(values), padding) for (values, padding), project in given]


def average(tokens: Tokens) -> Tensor:
    """Mean over the tokens that are none of padding, ``(B, W)``; zeros in rows without any."""
    total = torch.where(tokens.padding[..., None], 0.0, tokens.values).sum(1)
    return total / (~tokens.padding).sum(1, keepdim=True).clamp(min=1)


def pool(encoder: Encoder, tokens: Tokens) -> Tensor:
    """The embedding's mean ``(B, d)`` that the encoder makes of (changed) tokens; zeros in rows without any."""
    rows = (~tokens.padding.all(1)).nonzero().flatten()
    blank = tokens.values.new_zeros(len(tokens.values), encoder.dim)
    if not len(rows):  # their number need not be one that the encoder knows
        return blank
    mean, _ = encoder.posterior(encoder.pool(tokens.values[rows], tokens.padding[rows]))
    return blank.index_copy(0, rows, mean)
