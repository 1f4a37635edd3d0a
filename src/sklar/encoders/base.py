"""The interface of every encoder: from one modality's input to the posterior of its embedding."""

from __future__ import annotations

from functools import cached_property
from typing import Any, ClassVar, NoReturn

import torch
from torch import Tensor, nn

from sklar.encoders.standardize import Standardize

LOG_SCALE_RANGE = (-5.0, 2.0)


def mlp(inputs: int, hidden: int, outputs: int, dropout: float) -> nn.Sequential:
    """One hidden layer with ReLU and dropout: ``(..., inputs) -> (..., outputs)``."""
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, outputs))


def no_padding(tokens: Tensor) -> Tensor:
    """Padding of tokens ``(B, L, W)`` that are all there: False, ``(B, L)``."""
    return tokens.new_zeros(tokens.shape[:2], dtype=torch.bool)


class Encoder(nn.Module):
    """One modality's input to the mean and log standard deviation of ``q(z | x)``.

    A subclass gives `read`, `describe`, and either `encode` or, so that models which look inside can use it,
    ``token_width``, `tokens` and `pool`; `start` where it has statistics of its own. It is made from a *specification*,
    ``{"kind": ..., further arguments of the class}``, which JSON can hold: that is what a model's settings keep of it,
    beside its weights.

    Args:
        features: number ``F`` of features that stand for the input in the likelihood (see `describe`).
        dim: embedding width ``d``.
    """

    kind: ClassVar[str] = ""

    def __init__(self, features: int, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.scaling = Standardize(features)

    # What an encoder fills in.

    def read(self, x: Any, shown: Tensor, name: str) -> Tensor:
        """The input checked and ready for the other methods: ``(B, ...)``, blank in the rows that lack it.

        Args:
            x: a tensor ``(B, ...)`` or `Texts`, as a `Batch` holds it.
            shown: which rows have the modality, bool ``(B,)``; the content of the others must not matter.
            name: of the modality, for errors.

        Raises:
            ValueError, TypeError: what is wrong, with modality and row.
        """
        raise NotImplementedError

    def describe(self, x: Tensor) -> Tensor:
        """What the decoder explains, in original units: ``(B, F)``, NaN where a feature is unknown.

        A deterministic function of the input without trained parameters: the input itself where it is a vector,
        features of it where its own likelihood would be unwieldy.
        """
        raise NotImplementedError

    @property
    def numbers(self) -> Tensor | None:
        """Which places of what `read` gives, ``(B, F)``, are numbers that noise may be added to, bool ``(F,)``.

        None (the default): nothing of this kind of input is to be disturbed.
        """
        return None

    def encode(self, x: Tensor) -> Tensor:
        """``(B, ...) -> (B, 2 d)``: means and unbounded log standard deviations; rows that lack it are never given."""
        return self.pool(*self.tokens(x))

    @cached_property  # unlike a property it lets a constructor set the attribute
    def token_width(self) -> int:
        """Width ``W`` of the tokens; a subclass sets it in its constructor.

        Raises:
            NotImplementedError: the encoder has no tokens; the remedy is named.
        """
        self._without_tokens()

    def tokens(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden features on the way to `encode`, ``(B, L, W)``, and which of them are padding, bool ``(B, L)``.

        Every row has at least one token that is not padding. ``L`` may differ from batch to batch. What stands in a
        padded token never matters. Rows that lack the modality are never given.

        Raises:
            NotImplementedError: the encoder has no tokens; the remedy is named.
        """
        self._without_tokens()

    def pool(self, tokens: Tensor, padding: Tensor) -> Tensor:
        """What `encode` gives, ``(B, 2 d)``, from tokens; a model may have changed them, but neither number nor order.

        Raises:
            NotImplementedError: the encoder has no tokens; the remedy is named.
        """
        self._without_tokens()

    def _without_tokens(self) -> NoReturn:
        raise NotImplementedError(
            f"{type(self).__name__} has no tokens, and this model looks inside its encoders: give the encoder "
            "token_width, tokens and pool (docs/encoders.md, Tokens), or choose another encoder or another model"
        )

    def feature_names(self) -> list[str]:
        """Names of the ``F`` features of `describe`."""
        return [str(i) for i in range(len(self.scaling.mean))]

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Fit standardisation (and other statistics) to training rows that have the modality, in place.

        Args:
            x: what `read` gave for them.
        """
        self.scaling.fit(self.describe(x))

    # What all encoders share.

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation ``(B, d)`` each, the latter kept within [-5, 2]."""
        return self.posterior(self.encode(x))

    @staticmethod
    def posterior(outputs: Tensor) -> tuple[Tensor, Tensor]:
        """What `encode` or `pool` gave, ``(B, 2 d)``, as `forward` gives it."""
        mean, log_scale = outputs.chunk(2, dim=-1)
        return mean, log_scale.clamp(*LOG_SCALE_RANGE)

    def features(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`describe`, standardised, with zeros where it is unknown, and which of it is known; ``(B, F)`` each."""
        values = self.scaling(self.describe(x))
        known = ~values.isnan()
        return torch.where(known, values, 0.0), known

    @property
    def anchor(self) -> Tensor:
        """A tensor with the dtype and the device of the encoder."""
        return self.scaling.mean
