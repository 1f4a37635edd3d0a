"""Values that count, and values that are only there because a tensor has no holes."""

from __future__ import annotations

import torch
from torch import Tensor

LARGEST = 1e15  # its square is still a number in float32


def mean_over(values: Tensor, there: Tensor) -> Tensor:
    """Mean over what a row has, zero where it has nothing: ``(B, N), (B, N) -> (B,)``."""
    return torch.where(there, values, 0.0).sum(-1) / there.sum(-1).clamp(min=1)


def only_observed(value: Tensor, shown: Tensor, name: str, cells_may_lack: bool = False) -> Tensor:
    """A modality's values with the rows that lack it blanked: ``(B, ...), (B,) -> (B, ...)``.

    Args:
        value: floating point.
        shown: which rows have the modality, bool ``(B,)``.
        name: of the modality, for the error.
        cells_may_lack: NaN within an observed row is a missing cell, and blank rows are NaN; otherwise it is an error,
            and blank rows are zero.

    Raises:
        ValueError: NaN, infinity or a number beyond `LARGEST` in an observed row; modality and row are named.
    """
    blank = torch.nan if cells_may_lack else 0.0
    value = torch.where(shown.reshape(-1, *[1] * (value.ndim - 1)), value, blank)
    good = value.abs() <= LARGEST
    if cells_may_lack:
        good = good | value.isnan()
    if not bool(good.all()):
        row = int((~good).flatten(1).any(-1).nonzero()[0])
        what = "infinity" if cells_may_lack else "NaN or infinity"
        raise ValueError(
            f"modality {name!r}, row {row}: {what} in an observed value, or one beyond {LARGEST:g}; clean or rescale "
            "it, or mark the row as missing in observed"
        )
    return value
