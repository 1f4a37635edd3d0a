"""An average of the weights along the training, which is less noisy than the weights of any one step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """Exponential moving average of a model's trained weights (Polyak & Juditsky 1992; Tarvainen & Valpola 2017).

    After step ``t`` (from 0) it moves by ``1 - min(decay, (1 + t) / (10 + t))`` of the way to the weights, fast at
    first.

    Args:
        model: whose weights that require a gradient are averaged.
        decay: 0 for the weights as they are.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        self.values = {name: weight.detach().clone() for name, weight in self.weights.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after a step, counted from 0."""
        move = 1 - min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.values.values()), list(self.weights.values()), move)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The average in the model within the block, its own weights afterwards."""
        own = {name: weight.data for name, weight in self.weights.items()}
        for name, weight in self.weights.items():
            weight.data = self.values[name]
        try:
            yield
        finally:
            for name, weight in self.weights.items():
                weight.data = own[name]

    def load(self, values: dict[str, Tensor]) -> None:
        """The average of a run that is taken up again."""
        self.values = {name: values[name].to(value) for name, value in self.values.items()}
