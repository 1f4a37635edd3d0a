"""Arrow columns from NumPy arrays: missing cells, times, numbers as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from sklar.clinical.mimic3_simulation.layout import schema


def integers(values: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    """Whole numbers, empty where ``missing``."""
    return pa.array(values.astype(np.int64), mask=missing)


def times(seconds: np.ndarray, missing: np.ndarray | None = None) -> pa.Array:
    """Seconds since 1970 as times, empty where ``missing``."""
    return pa.array(seconds.astype("datetime64[s]"), mask=missing)


def words(choices: Sequence[str | None], index: np.ndarray) -> pa.Array:
    """Text by number of its choice."""
    return pa.array(choices, pa.string()).take(pa.array(index))


def as_text(values: np.ndarray, form: Callable[[float], str]) -> pa.Array:
    """Numbers written by ``form``, each distinct one once."""
    coded = pa.array(values).dictionary_encode()
    return pa.array([form(value) for value in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)


def short(value: float) -> str:
    """The shortest decimal: 98.4, 98."""
    return f"{value:.6g}"


def carevue(value: float) -> str:
    """As CareVue's rows came out of a four-byte number: 98.400001525878906, .5."""
    text = f"{np.float32(value):.17g}"
    return text[1:] if text.startswith("0.") else text


@dataclass(frozen=True)
class Piece:
    """Events of one item (or several): places of their rows among the hours, texts, and numbers (NaN without)."""

    row: np.ndarray
    item: np.ndarray
    text: pa.Array
    number: np.ndarray

    @classmethod
    def of(cls, row: np.ndarray, item: np.ndarray | int, values: np.ndarray, form: Callable[[float], str]) -> Piece:
        """Numbers and their text; VALUENUM has 15 digits of it."""
        text = as_text(values, form)
        coded = pa.array(values).dictionary_encode()
        digits = np.array([float(f"{float(form(value)):.15g}") for value in coded.dictionary.to_pylist()])
        number = digits[coded.indices.to_numpy()] if len(digits) else np.zeros(0)
        return cls(row, np.broadcast_to(item, row.shape), text, number)


def join(pieces: Sequence[Piece]) -> Piece:
    """All events in the order of their rows; events of one row in the order of the pieces."""
    row = np.concatenate([piece.row for piece in pieces])
    order = np.argsort(row, kind="stable")
    return Piece(
        row[order],
        np.concatenate([piece.item for piece in pieces])[order],
        pa.concat_arrays([piece.text for piece in pieces]).take(pa.array(order)),
        np.concatenate([piece.number for piece in pieces])[order],
    )


def table(name: str, cells: Mapping[str, Any], length: int) -> pa.Table:
    """A part of a table of MIMIC-III; columns that are not given are empty, ROW_ID is numbered when it is written."""
    made = []
    for column in schema(name):
        value = cells.get(column.name)
        if value is None:
            made.append(pa.nulls(length, column.type))
        else:
            made.append(value if isinstance(value, pa.Array) else pa.array(value, column.type, from_pandas=True))
    return pa.Table.from_arrays(made, schema=schema(name))
