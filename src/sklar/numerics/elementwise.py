"""Functions of one variable with gradients of their own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

MANY = 3000  # numbers from which a dozen vectorised functions cost less than one scalar one


class Quick(torch.autograd.Function):
    """A function called without ceremony: torch binds the arguments of ``forward`` by name at every call, slowly."""

    @classmethod
    def apply(cls, *args: Any) -> Any:
        """As ``torch.autograd.Function.apply``, which transforms and the compiler get as it is."""
        if torch.compiler.is_compiling() or torch._C._are_functorch_transforms_active():
            return super().apply(*args)
        return super(torch.autograd.Function, cls).apply(*args)  # type: ignore[misc]


class Elementwise(Quick):
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
    plain = x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64)
    return plain and x.numel() >= MANY and not torch.compiler.is_compiling()


def expm1(x: Tensor) -> Tensor:
    """``e^x - 1``; for torch's compiler, whose vectors subtract on a CPU, in functions that it gets right."""
    if not torch.compiler.is_compiling():
        return torch.expm1(x)
    half = torch.tanh(0.5 * x)
    return torch.where(x.abs() < 1, 2 * half / (1 - half), torch.exp(x) - 1)
