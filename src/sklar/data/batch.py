"""What travels between data, models and training: inputs, a mask, and targets where they are known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, overload

import torch
from torch import Tensor


class Texts(Sequence[tuple[str, ...]]):
    """The texts of a batch of rows: a tuple of strings a row, in the order of time, empty where a row has none.

    Args:
        rows: an iterable of strings a row; a single string counts as one text.
    """

    def __init__(self, rows: Iterable[Iterable[str] | str]) -> None:
        self.rows = [(row,) if isinstance(row, str) else tuple(row) for row in rows]

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> tuple[str, ...]: ...

    @overload
    def __getitem__(self, index: slice | Tensor) -> Texts: ...

    def __getitem__(self, index: int | slice | Tensor) -> tuple[str, ...] | Texts:
        if isinstance(index, int):
            return self.rows[index]
        if isinstance(index, slice):
            return Texts(self.rows[index])
        places = index.nonzero().flatten() if index.dtype == torch.bool else index
        return Texts(self.rows[i] for i in places.tolist())

    def __iter__(self) -> Iterator[tuple[str, ...]]:
        return iter(self.rows)

    def to(self, device: torch.device | str) -> Texts:
        """Itself: text lives on no device."""
        return self

    def __repr__(self) -> str:  # patient text stays out of logs
        return f"Texts({len(self)} rows, {sum(map(len, self.rows))} texts)"


@dataclass(frozen=True)
class Batch:
    """Rows of multimodal data.

    Attributes:
        inputs: a tensor ``(B, ...)`` or `Texts` a modality; the content of a missing row never matters (NaN may stand
            there).
        observed: bool ``(B, M)``, columns in the order of the model's modalities.
        target: class index ``(B,)`` with -1 for unlabelled rows; values ``(B,)`` or labels ``(B, L)`` with NaN where
            unlabelled; None where no row has a label.
    """

    inputs: Mapping[str, Tensor | Texts]
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


class Rows(Protocol):
    """What training and evaluation read from: a `Batch` held in memory, or a `Dataset` on disk."""

    @property
    def observed(self) -> Tensor:
        """Bool ``(n, M)``."""
        ...

    @property
    def target(self) -> Tensor | None:
        """As in `Batch`."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Tensor | slice, /) -> Batch: ...
