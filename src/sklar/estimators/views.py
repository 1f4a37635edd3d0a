"""Arrays, tables, images and texts as modalities: what fitting learns of each, and rows as models want them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sklar.data import Batch, Texts
from sklar.encoders import completed, default_specification
from sklar.estimators.frames import Frame, from_dataframe, from_objects, is_missing
from sklar.numerics.masking import LARGEST

KINDS = {2: "vector", 3: "series", 4: "image"}  # by the number of axes
AXES = {"vector": "(n, F)", "table": "(n, F)", "series": "(n, T, C)", "image": "(n, C, H, W)"}


@dataclass(frozen=True)
class View:
    """What fitting learned of one modality's input.

    Attributes:
        name: of the modality.
        kind: ``vector`` (complete where it is present), ``table`` (cells may be missing), ``series``, ``image``,
            ``text``.
        shape: of one row; empty for text. A series' length and an image's size may differ later.
        columns: names, where the input had them; else None.
        categories: of each column, None for numbers; None where no column has any.
    """

    name: str
    kind: str
    shape: tuple[int, ...] = ()
    columns: tuple[str, ...] | None = None
    categories: tuple[tuple[str, ...] | None, ...] | None = None

    @classmethod
    def learn(cls, name: str, value: Any) -> View:
        """What a modality is, from its training rows; see `CopulaFusionClassifier.fit` for what it may be.

        Raises:
            ValueError: no row has it, or a shape that is none of vectors, series and images. TypeError: neither
                numbers nor texts.
        """
        got = unpacked(value, name)
        if got is None:
            raise ValueError(f"modality {name!r}: no training row has it; leave it out")
        if isinstance(got, Texts):
            return cls(name, "text")
        if isinstance(got, Frame):
            categories = got.categories(name)
            values = got.to_numbers(categories, name)
            view = cls(name, "table", values.shape[1:], got.names, categories)
        else:
            values, categories = got, None
            if values.ndim not in KINDS or 0 in values.shape[2:] or (values.ndim != 3 and 0 in values.shape[1:]):
                raise ValueError(f"modality {name!r}: shape {values.shape}; give one of {list(AXES.values())}")
            view = cls(name, KINDS[values.ndim], values.shape[1:])
        present = present_rows(values)
        if not present.any():
            raise ValueError(f"modality {name!r}: no training row has it; leave it out")
        if len(view.shape) != 1:
            return view
        complete = not np.isnan(values[present]).any() and categories is None
        return cls(name, "vector" if complete else "table", view.shape, view.columns, categories)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> View:
        """What `dataclasses.asdict` made of one, after JSON made lists of its tuples."""
        columns, categories = content["columns"], content["categories"]
        names = None if categories is None else tuple(None if k is None else tuple(k) for k in categories)
        shape = tuple(int(size) for size in content["shape"])
        return cls(content["name"], content["kind"], shape, None if columns is None else tuple(columns), names)

    def specification(self, wanted: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """The encoder's specification: the default one, or what is wanted with the rest filled in."""
        wanted = dict(wanted or {})
        kind = self.kind
        if kind == "vector" and wanted.get("kind") == "table":
            kind = "table"
        columns: Any = self.columns or ([f"column {i}" for i in range(self.shape[0])] if kind == "table" else None)
        if self.categories is not None:
            columns = [{"name": c, "categories": k} for c, k in zip(columns, self.categories, strict=True)]
        channels = self.shape[-1] if kind == "series" else None
        known = default_specification(kind, {"shape": self.shape, "columns": columns, "channels": channels})
        return completed(known, wanted)

    def read(self, value: Any) -> tuple[torch.Tensor | Texts, np.ndarray] | None:
        """A modality's rows and which of them have it; None where none has.

        Raises:
            ValueError, TypeError: another kind, width or columns than fitting saw; a number out of range, a missing
                cell of a vector. Modality and row are named.
        """
        got = unpacked(value, self.name)
        if got is None:
            return None
        if isinstance(got, Texts) or self.kind == "text":
            if not isinstance(got, Texts) or self.kind != "text":
                one, other = ("texts", "numbers") if self.kind == "text" else ("numbers", "texts")
                raise TypeError(f"modality {self.name!r}: fitting saw {one}, now these are {other}")
            return got, np.array([len(texts) > 0 for texts in got])
        if self.categories is not None and not isinstance(got, Frame):
            got = from_objects(got.astype(object))
        if isinstance(got, Frame):
            if len(self.shape) != 1:
                raise ValueError(f"modality {self.name!r}: expected {AXES[self.kind]}, got a table")
            got = self._in_order(got)
            if len(got.columns) == self.shape[0]:
                got = got.to_numbers(self.categories, self.name)
            else:
                got = np.empty((len(got.columns[0].values), len(got.columns)))  # whose shape is refused
        self._check_shape(got)
        present = present_rows(got)
        self._check_numbers(got, present)
        kept = np.uint8 if got.dtype == np.uint8 and self.kind == "image" else np.float32
        return torch.from_numpy(np.ascontiguousarray(got, kept)), present

    def _in_order(self, got: Frame) -> Frame:
        """The columns that fitting saw, in its order."""
        if self.columns is None or got.names is None:
            return got
        lacking = [column for column in self.columns if column not in got.names]
        beyond = [column for column in got.names if column not in self.columns]
        if lacking or beyond:
            what = f"lacks column {lacking[0]!r}" if lacking else f"has column {beyond[0]!r}, which fitting never saw"
            raise ValueError(f"modality {self.name!r} {what}; it had {list(self.columns)}")
        return Frame(self.columns, tuple(got.columns[got.names.index(column)] for column in self.columns))

    def _check_shape(self, values: np.ndarray) -> None:
        fixed = {"series": (-1,), "image": (0,)}.get(self.kind, (0,))  # a series' length, an image's size are free
        ours, theirs = self.shape, values.shape[1:]
        if len(ours) != len(theirs) or any(ours[axis] != theirs[axis] for axis in fixed):
            raise ValueError(
                f"modality {self.name!r}: fitting saw {AXES[self.kind]} with {ours} a row, now a row is {theirs}"
            )

    def _check_numbers(self, values: np.ndarray, present: np.ndarray) -> None:
        """No infinity anywhere, no missing cell but in tables and series, pixels in [0, 1]."""
        if values.dtype.kind != "f":
            return
        rows = values.reshape(len(values), -1)
        lacks, off = np.isnan(rows).any(1) & present, (np.abs(rows) > LARGEST).any(1)
        if off.any():
            raise ValueError(
                f"modality {self.name!r}, row {off.argmax()}: infinity, or a number beyond {LARGEST:g}; clean or "
                "rescale it, or mark it as missing (NaN)"
            )
        if self.kind == "vector" and lacks.any():
            raise ValueError(
                f"modality {self.name!r}, row {lacks.argmax()}: a missing cell, but the rows to fit had none; fill it "
                f"in, make the whole row NaN, or fit with encoders={{{self.name!r}: {{'kind': 'table'}}}}"
            )
        if self.kind == "image":
            off = ((rows < -1e-3) | (rows > 1.001)).any(1)
            if off.any() or lacks.any():
                row, what = (off.argmax(), "outside [0, 1]") if off.any() else (lacks.argmax(), "that are NaN")
                raise ValueError(
                    f"modality {self.name!r}, row {row}: pixels {what}; give uint8, or floats in [0, 1], all NaN "
                    "where there is no image"
                )


def unpacked(value: Any, name: str) -> np.ndarray | Frame | Texts | None:
    """A modality's input as numbers ``(n, ...)``, a table's cells, or texts; None where no row has any.

    Raises:
        TypeError: neither numbers nor texts. ValueError: rows of different shapes.
    """
    if hasattr(value, "columns") and hasattr(value, "iloc"):
        return from_dataframe(value)
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu().numpy()
    elif hasattr(value, "to_numpy"):
        value = value.to_numpy()
    if isinstance(value, Texts):
        return value if any(value) else None
    if isinstance(value, np.ndarray):
        if value.ndim == 0:
            raise TypeError(f"modality {name!r}: expected rows, got a single value")
        if value.dtype.kind in "fiub":
            value = value[:, None] if value.ndim == 1 else value
            return value if value.dtype == np.uint8 and value.ndim == 4 else _as_floats(value, name)
        if value.dtype.kind in "OUT" and value.ndim == 2:
            return from_objects(value.astype(object))
        if value.dtype.kind not in "OUT" or value.ndim != 1:
            raise TypeError(f"modality {name!r}: {value.dtype} of shape {value.shape} is neither numbers nor texts")
    if isinstance(value, str) or not isinstance(value, Sequence | np.ndarray):
        raise TypeError(
            f"modality {name!r}: expected an array, a DataFrame or a list of rows, got {type(value).__name__}"
        )
    return _from_rows(list(value), name)


def _from_rows(rows: list[Any], name: str) -> np.ndarray | Texts | None:
    """A list of rows, None or NaN where one lacks the modality."""
    present = [not is_missing(row) and not (isinstance(row, list | tuple) and not row) for row in rows]
    first = next((row for row, there in zip(rows, present, strict=True) if there), None)
    if first is None:
        return None
    if isinstance(first, str) or (isinstance(first, list | tuple) and isinstance(first[0], str)):
        for number, (row, there) in enumerate(zip(rows, present, strict=True)):
            texts = (row,) if isinstance(row, str) else row
            if there and not (isinstance(texts, list | tuple) and all(isinstance(text, str) for text in texts)):
                raise TypeError(f"modality {name!r}, row {number}: expected a text, a list of texts, or None")
        return Texts(row if there else () for row, there in zip(rows, present, strict=True))
    arrays = [_row_of_numbers(row, name, i) if present[i] else None for i, row in enumerate(rows)]
    given = [array for array in arrays if array is not None]
    if given[0].ndim == 0:
        given, arrays = [a[None] for a in given], [None if a is None else a[None] for a in arrays]
    shapes = np.array([array.shape for array in given if array.ndim == given[0].ndim])
    fixed = slice(1, None) if given[0].ndim == 2 else slice(None)  # series may be of different lengths
    if len(shapes) != len(given) or (shapes[:, fixed] != shapes[0, fixed]).any():
        raise ValueError(f"modality {name!r}: its rows have different shapes")
    result = np.full((len(rows), *shapes.max(0)), np.nan)
    for number, array in enumerate(arrays):
        if array is not None:
            result[number, : len(array)] = array
    return result


def _row_of_numbers(row: Any, name: str, number: int) -> np.ndarray:
    if isinstance(row, torch.Tensor):
        row = row.detach().cpu().numpy()
    try:
        array = np.asarray(row)
        scale = 255.0 if array.dtype == np.uint8 and array.ndim == 3 else 1.0  # an image's bytes
        return array.astype(np.float64) / scale
    except (TypeError, ValueError) as error:
        raise TypeError(f"modality {name!r}, row {number}: expected numbers, got {type(row).__name__}") from error


def _as_floats(values: np.ndarray, name: str) -> np.ndarray:
    if values.ndim == 4 and values.dtype.kind != "f":
        raise TypeError(f"modality {name!r}: images are uint8, or floats in [0, 1]; got {values.dtype}")
    return values if values.dtype in (np.float32, np.float64) else values.astype(np.float64)


def present_rows(values: np.ndarray) -> np.ndarray:
    """Which rows of an array are not NaN throughout: ``(n, ...) -> (n,)``."""
    if values.dtype.kind != "f":
        return np.ones(len(values), bool)
    return ~np.isnan(values).all(axis=tuple(range(1, values.ndim)))


def read_batch(views: Sequence[View], X: Mapping[str, Any]) -> Batch:
    """Rows of all modalities; one that is left out is absent from all rows.

    Raises:
        ValueError: an unknown modality, different numbers of rows, a row with nothing at all; see also `View.read`.
    """
    names = [view.name for view in views]
    unknown = [name for name in X if name not in names]
    if unknown:
        raise ValueError(f"unknown modality {unknown[0]!r}; this estimator was fitted with {names}")
    rows = number_of_rows(X)
    inputs: dict[str, torch.Tensor | Texts] = {}
    observed = np.zeros((rows, len(views)), bool)
    for m, view in enumerate(views):
        got = None if view.name not in X else view.read(X[view.name])
        if got is not None:
            inputs[view.name], observed[:, m] = got
    empty = ~observed.any(1)
    if empty.any():
        raise ValueError(
            f"{empty.sum()} rows have no modality at all (the first is row {empty.argmax()}); leave them out"
        )
    return Batch(inputs, torch.from_numpy(observed))


def number_of_rows(X: Mapping[str, Any]) -> int:
    """The number that all modalities agree on.

    Raises:
        ValueError: they do not, or there is none.
    """
    if not X:
        raise ValueError("X holds no modality; give a dict of arrays or lists, one a modality")
    counts = {}
    for name, value in X.items():
        try:
            counts[name] = len(value)
        except TypeError as error:
            raise TypeError(f"modality {name!r}: expected rows, got {type(value).__name__}") from error
    if len(set(counts.values())) > 1:
        raise ValueError(f"modalities have different numbers of rows: {counts}; an absent one is a row of NaN or None")
    if not next(iter(counts.values())):
        raise ValueError("X has 0 rows")
    return next(iter(counts.values()))
