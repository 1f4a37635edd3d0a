"""Randomness of a training step, a row at a time: the same for a row wherever it is computed."""

from __future__ import annotations

import torch
from torch import Tensor


class Noise:
    """Random numbers for the rows of a batch.

    With data parallelism every process draws the numbers of the whole step and takes those of its own rows: two
    processes with half a batch each compute what one computes with the whole. Numbers are drawn where the generator
    lives and then moved, so that a CPU generator gives the same ones on any device.

    Args:
        generator: source of the randomness.
        rows: places of this process's rows in the step's whole batch; None means that they are the whole.
        total: number of rows of the whole batch, needed with ``rows``.
    """

    def __init__(self, generator: torch.Generator, rows: Tensor | None = None, total: int = 0) -> None:
        self.generator, self.rows, self.total = generator, rows, total

    @classmethod
    def of(cls, source: Noise | torch.Generator) -> Noise:
        """A generator as the noise of a whole batch; noise as it is."""
        return source if isinstance(source, Noise) else cls(source)

    def normal(self, shape: tuple[int, ...], axis: int, like: Tensor) -> Tensor:
        """Standard normals.

        Args:
            shape: of the result; along ``axis`` the batch's rows stand once, or several times one after the other.
            axis: which axis the rows have.
            like: gives dtype and device.
        """
        return self._draw(torch.randn, shape, axis, like.dtype).to(like.device)

    def uniform(self, shape: tuple[int, ...], axis: int, device: torch.device) -> Tensor:
        """Uniform numbers in [0, 1); see `normal`."""
        return self._draw(torch.rand, shape, axis, torch.float32).to(device)

    def _draw(self, function: object, shape: tuple[int, ...], axis: int, dtype: torch.dtype) -> Tensor:
        place = {"generator": self.generator, "device": self.generator.device, "dtype": dtype}
        if self.rows is None:
            return function(shape, **place)  # type: ignore[operator]
        repeats = shape[axis] // len(self.rows)
        whole = (*shape[:axis], repeats * self.total, *shape[axis + 1 :])
        mine = torch.cat([self.rows + k * self.total for k in range(repeats)])
        return function(whole, **place).index_select(axis, mine)  # type: ignore[operator]


def fixed(source: Noise | torch.Generator | None) -> Noise:
    """The source of randomness, or always the same where there is none."""
    return Noise.of(torch.Generator().manual_seed(0) if source is None else source)
