"""What a batch of embeddings must be before anything is computed from it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sklar.numerics.masking import LARGEST, only_observed


def check_observed(observed: Any, names: Sequence[str], rows: int, device: torch.device | None = None) -> Tensor:
    """The mask as a bool tensor ``(rows, M)``, every row with something observed.

    Raises:
        TypeError: not boolean.
        ValueError: another shape, or a row with nothing observed (its index is named).
    """
    mask = torch.as_tensor(observed, device=device)
    if mask.dtype != torch.bool:
        raise TypeError(f"observed must be boolean, got {mask.dtype}; try observed.astype(bool) or observed.bool()")
    if tuple(mask.shape) != (rows, len(names)):
        raise ValueError(
            f"observed must be (rows, modalities) = ({rows}, {len(names)}), columns in the order {list(names)}; "
            f"got shape {tuple(mask.shape)}"
        )
    if rows == 0:
        raise ValueError("no rows were given")
    empty = ~mask.any(-1)
    if bool(empty.any()):
        where = empty.nonzero().flatten().tolist()
        raise ValueError(f"{len(where)} rows have nothing observed (the first is row {where[0]}); leave them out")
    return mask


def check_embeddings(
    z: Mapping[str, Any], observed: Any | None, widths: Mapping[str, int], dtype: torch.dtype, device: torch.device
) -> tuple[list[Tensor], Tensor]:
    """Embeddings in the joint's order with the missing ones set to zero, and the mask.

    Args:
        z: one array or tensor ``(B, d_m)`` a modality. A modality that no row has may be left out.
        observed: bool ``(B, M)``, columns in the order of ``widths``; None means everything is observed.
        widths: ``d_m`` by name.
        dtype: of the result.
        device: of the result.

    Raises:
        KeyError: a modality that the joint does not know, or one that is missing from ``z`` though some row has it.
        ValueError: a wrong shape, or NaN or infinity in an observed row; modality and row are named.
        TypeError: a mask that is not boolean.
    """
    names = list(widths)
    unknown = [name for name in z if name not in widths]
    if unknown:
        raise KeyError(f"unknown modality {unknown[0]!r}; this joint has {names}")
    if not z:
        raise ValueError(f"no embeddings given; this joint has {names}")
    tensors = {name: torch.as_tensor(value, device=device) for name, value in z.items()}
    rows = len(next(iter(tensors.values())))
    for name, value in tensors.items():
        if tuple(value.shape) != (rows, widths[name]):
            raise ValueError(f"modality {name!r}: expected shape ({rows}, {widths[name]}), got {tuple(value.shape)}")
    everything = torch.ones(rows, len(names), dtype=torch.bool, device=device)
    mask = check_observed(everything if observed is None else observed, names, rows, device)
    result = []
    for m, (name, width) in enumerate(widths.items()):
        if name not in tensors and bool(mask[:, m].any()):
            raise KeyError(f"modality {name!r} is observed in some rows, but z has no {name!r}")
        value = tensors[name] if name in tensors else torch.zeros(rows, width, device=device)
        result.append(value.to(dtype))
    return _only_observed(result, mask, names), mask


def _only_observed(values: list[Tensor], mask: Tensor, names: list[str]) -> list[Tensor]:
    """`only_observed` of every modality, in one go where all is well: small batches are bound by their operations."""
    sizes = [value.shape[-1] for value in values]
    cells = mask.repeat_interleave(torch.tensor(sizes, device=mask.device), dim=-1, output_size=sum(sizes))
    whole = torch.where(cells, torch.cat(values, -1), 0.0)
    if bool((whole.detach().abs() <= LARGEST).all()):
        return list(whole.split(sizes, -1))
    return [only_observed(value, shown, name) for value, shown, name in zip(values, mask.T, names, strict=True)]


def check_rows_to_fit(
    z: Mapping[str, Any], observed: Any | None
) -> tuple[list[Tensor], Tensor, dict[str, int], torch.dtype]:
    """Embeddings to fit in float64 with the missing ones set to zero, the mask, the widths, the dtype of the result.

    Args:
        z: one array or tensor ``(n, d_m)`` a modality.
        observed: bool ``(n, M)``; None means everything is observed.

    Raises:
        KeyError, ValueError, TypeError: see `check_embeddings`; ValueError also for a modality seen in fewer than two
            rows. Modalities seen together in fewer than two rows are warned about.
    """
    if not z:
        raise ValueError("a joint needs at least one modality")
    tensors = {name: torch.as_tensor(value) for name, value in z.items()}
    for name, value in tensors.items():
        if value.ndim != 2:
            raise ValueError(f"modality {name!r}: embeddings must be (rows, coordinates), got {tuple(value.shape)}")
    widths = {name: value.shape[1] for name, value in tensors.items()}
    first = next(iter(tensors.values()))
    values, mask = check_embeddings(tensors, observed, widths, torch.float64, first.device)
    names, together = list(widths), mask.T.long() @ mask.long()
    for m, name in enumerate(names):
        if int(together[m, m]) < 2:
            raise ValueError(f"modality {name!r} is observed in fewer than two rows; leave it out")
        for n in range(m):
            if int(together[m, n]) < 2:
                warnings.warn(
                    f"{names[n]!r} and {name!r} are observed together in {int(together[m, n])} rows: their dependence "
                    "can only be guessed through other modalities",
                    stacklevel=3,
                )
    return values, mask, widths, torch.promote_types(first.dtype, torch.float32)


def check_pair(z: Mapping[str, Any], widths: Mapping[str, int], i: str, j: str) -> None:
    """Raise where two modalities cannot be matched: KeyError for an unknown one, ValueError for twice the same."""
    for name in (i, j):
        if name not in widths or name not in z:
            raise KeyError(f"unknown modality {name!r}; the joint has {list(widths)}, z has {list(z)}")
    if i == j:
        raise ValueError(f"match needs two different modalities, got {i!r} twice")
