"""What stands in a modality's place in a batch, checked before anything is computed from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

Names = int | Sequence[str | Mapping[str, Any]]  # a number, names, or what dataset.json lists


def names_of(what: Names, kind: str) -> list[str]:
    """Names of columns, channels or codes.

    Args:
        what: their number, their names, or ``{"name": ..., ...}`` each.
        kind: what they are, for errors and for names that are not given.

    Raises:
        ValueError: none, or one without a name.
    """
    if isinstance(what, int):
        what = [f"{kind} {i}" for i in range(what)]
    names = [entry if isinstance(entry, str) else str(entry.get("name") or "") for entry in what]
    if not names or "" in names:
        raise ValueError(f"expected at least one {kind}, each with a name, got {len(names)}")
    return names


def numbers(x: Any, shown: Tensor, name: str, axes: Mapping[str, int | None], like: Tensor) -> Tensor:
    """An input as a tensor of the encoder's dtype and device.

    Args:
        x: tensor, array or nested sequence.
        shown: bool ``(B,)``.
        name: of the modality, for errors.
        axes: name and size of each axis after the rows; None where any size will do.
        like: has the dtype and the device.

    Raises:
        TypeError: no numbers, or complex ones. ValueError: another shape.
    """
    expected = (
        f"({', '.join([str(len(shown)), *(axis if size is None else str(size) for axis, size in axes.items())])})"
    )
    try:
        value = torch.as_tensor(x)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"modality {name!r}: expected numbers {expected}, got {type(x).__name__}") from error
    if value.is_complex():
        raise TypeError(f"modality {name!r}: expected real numbers {expected}, got {value.dtype}")
    sizes = (len(shown), *axes.values())
    fits = value.ndim == len(sizes) and all(want in (None, got) for want, got in zip(sizes, value.shape, strict=True))
    if not fits:
        raise ValueError(f"modality {name!r}: expected shape {expected}, got {tuple(value.shape)}")
    return value.to(like)


def strings(x: Any, shown: Tensor, name: str, notes: int | None) -> list[tuple[str, ...]]:
    """The last texts of every row, without the blank ones; none for rows that lack the modality.

    Args:
        x: `sklar.data.Texts`, or any sequence of one sequence of strings a row.
        shown: bool ``(B,)``.
        name: of the modality, for errors.
        notes: how many to keep of a row, all with None.

    Raises:
        TypeError: no texts (the row is named). ValueError: another number of rows.
    """
    if isinstance(x, Tensor | str) or not isinstance(x, Sequence):
        raise TypeError(f"modality {name!r}: expected texts (sklar.data.Texts), got {type(x).__name__}")
    if len(x) != len(shown):
        raise ValueError(f"modality {name!r}: expected the texts of {len(shown)} rows, got {len(x)}")
    result: list[tuple[str, ...]] = []
    for row, seen in enumerate(shown.tolist()):
        texts = x[row] if seen else ()
        if isinstance(texts, str) or not isinstance(texts, Sequence) or not all(isinstance(t, str) for t in texts):
            raise TypeError(f"modality {name!r}, row {row}: expected a tuple of strings, one a text")
        kept = tuple(text for text in texts if text.strip())
        result.append(kept if notes is None else kept[max(0, len(kept) - notes) :])
    return result
