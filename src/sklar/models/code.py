"""What the encoders give a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Encoded(NamedTuple):
    """One modality of a batch, encoded.

    Attributes:
        mean: of the embedding, ``(B, d)``; zeros in rows that lack the modality.
        log_scale: log standard deviation of the embedding, likewise.
        tokens: hidden features ``(B, L, W)`` where the model asks for them, see `Encoder.tokens`.
        padding: which of them are none, bool ``(B, L)``: all of them in rows that lack the modality.
    """

    mean: Tensor
    log_scale: Tensor
    tokens: Tensor | None = None
    padding: Tensor | None = None

    def repeated(self, times: int) -> Encoded:
        """The rows several times, one after the other."""
        return self._each(lambda value: value.repeat(times, *[1] * (value.ndim - 1)))

    def to(self, like: Tensor) -> Encoded:
        """With the dtype and the device of a tensor; the padding stays bool."""
        return self._each(lambda value: value.to(like.device if value.dtype == torch.bool else like))

    def placed(self, shown: Tensor) -> Encoded:
        """In the marked rows of a larger batch, bool ``(B,)``; zeros and padding in the others."""
        places = shown.nonzero().flatten()

        def place(value: Tensor) -> Tensor:
            blank = value.new_full((len(shown), *value.shape[1:]), value.dtype == torch.bool)
            return blank.index_copy(0, places, value)

        return self._each(place)

    def _each(self, function: Callable[[Tensor], Tensor]) -> Encoded:
        rest = [None if value is None else function(value) for value in (self.tokens, self.padding)]
        return Encoded(function(self.mean), function(self.log_scale), *rest)


Code = list[Encoded]  # by modality, in the model's order


def stacked(code: Code, axis: int = 1) -> tuple[Tensor, Tensor]:
    """Means and log standard deviations of all modalities, ``(B, M, d)`` each; the modalities' axis may be another."""
    return torch.stack([each.mean for each in code], axis), torch.stack([each.log_scale for each in code], axis)


def present(code: Code, observed: Tensor) -> Tensor:
    """Means of the embeddings with zeros where a modality is missing, ``(B, M, d)``."""
    return torch.where(observed.unsqueeze(-1), torch.stack([each.mean for each in code], 1), 0.0)
