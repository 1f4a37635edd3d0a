"""Some places of a tensor's last axis."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Take:
    """Picks indices of the last axis, by a slice where they are consecutive and not at all where they are all.

    Args:
        indices: which, in which order.
        size: length of the axis.
    """

    def __init__(self, indices: Sequence[int], size: int) -> None:
        self.indices = tuple(indices)
        begin, count = (self.indices[0] if indices else 0), len(self.indices)
        consecutive = self.indices == tuple(range(begin, begin + count))
        self.span = slice(begin, begin + count) if consecutive else None
        self.everything = consecutive and count == size
        self._tensors: dict[torch.device, Tensor] = {}

    @classmethod
    def some(cls, indices: Sequence[int], size: int) -> Take | None:
        """None where nothing is picked."""
        return cls(indices, size) if indices else None

    def on(self, device: torch.device) -> Tensor:
        """The indices as a tensor."""
        if device not in self._tensors:
            self._tensors[device] = torch.tensor(self.indices, dtype=torch.long, device=device)
        return self._tensors[device]

    def __call__(self, x: Tensor, axis: int = -1) -> Tensor:
        """``x`` at these places of an axis."""
        if self.everything:
            return x
        if self.span is not None:
            return x.narrow(axis, self.span.start, len(self.indices))
        return x.index_select(axis, self.on(x.device))
