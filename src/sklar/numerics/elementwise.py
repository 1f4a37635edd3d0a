"""Functions of one variable with gradients of their own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class Elementwise(torch.autograd.Function):
    """A function of one tensor; a subclass gives ``forward(x)``, and ``backward`` from ``x`` and results."""

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor | tuple[Tensor, ...]) -> None:
        """Keep ``x`` and the results for the backward pass."""
        ctx.save_for_backward(*inputs, *(output if isinstance(output, tuple) else (output,)))

    @classmethod
    def vmap(cls, info: Any, in_dims: tuple[int], x: Tensor) -> tuple[Any, Any]:
        """The whole batch at once, so that ``forward`` may look at the values."""
        output = cls.apply(x)
        return output, tuple(in_dims[0] for _ in output) if isinstance(output, tuple) else in_dims[0]


def vectorised(x: Tensor) -> bool:
    """Whether a formula of torch's vectorised functions, which looks at its values, beats torch's scalar ones."""
    return x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64) and not torch.compiler.is_compiling()
