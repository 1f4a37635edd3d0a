"""What travels between data, models and training: inputs, a mask, and targets where they are known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Rows of multimodal data.

    Attributes:
        inputs: one tensor ``(B, ...)`` a modality; the content of a missing row never matters (NaN may stand there).
        observed: bool ``(B, M)``, columns in the order of the model's modalities.
        target: class index ``(B,)`` with -1 for unlabelled rows, or values ``(B,)`` with NaN for unlabelled rows; None
            where no row has a label.
    """

    inputs: Mapping[str, Tensor]
    observed: Tensor
    target: Tensor | None = None

    def __len__(self) -> int:
        return len(self.observed)

    def __getitem__(self, rows: Tensor | slice) -> Batch:
        target = None if self.target is None else self.target[rows]
        return Batch({name: x[rows] for name, x in self.inputs.items()}, self.observed[rows], target)

    def to(self, device: torch.device | str) -> Batch:
        """The same rows on another device."""
        target = None if self.target is None else self.target.to(device)
        return Batch({name: x.to(device) for name, x in self.inputs.items()}, self.observed.to(device), target)

    def see(self, observed: Tensor) -> Batch:
        """The same rows under another mask, ``(B, M)`` or one pattern ``(M,)`` for all."""
        return replace(self, observed=observed.to(self.observed.device).expand(len(self), -1))
