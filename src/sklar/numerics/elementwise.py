"""Functions of one variable with gradients of their own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Elementwise(torch.autograd.Function):
    """A function applied elementwise; a subclass gives ``forward(x)`` and, from the saved ``x``, ``backward``."""

    generate_vmap_rule = True

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        """Keep ``x`` for the backward pass."""
        ctx.save_for_backward(*inputs)


def call(function: type[Elementwise], x: Tensor) -> Tensor:
    """The function with its own gradient where one is asked for, else its bare forward, which is cheaper."""
    result: Tensor = function.apply(x) if x.requires_grad else function.forward(x)
    return result
