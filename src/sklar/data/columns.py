"""Values that somebody gives, as the Parquet columns of a dataset folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from sklar.data.parquet import arrow, type_group
from sklar.data.values import Events, Text

if TYPE_CHECKING:
    import pyarrow as pa


def plain(values: Any) -> Any:
    """Tensors as numpy."""
    return values.detach().cpu().numpy() if isinstance(values, torch.Tensor) else values


def _arrow(values: Any, place: str, kind: Any = None) -> pa.ChunkedArray:
    """Values as a pyarrow column; NaN becomes null.

    Raises:
        ValueError: values that such a column cannot hold.
    """
    pa = arrow()
    import pyarrow.compute as pc

    values = plain(values)
    try:
        if not isinstance(values, pa.Array | pa.ChunkedArray):
            values = pa.array(values, from_pandas=True)
        if isinstance(values, pa.Array):
            values = pa.chunked_array([values])
        if pa.types.is_dictionary(values.type):
            values = values.cast(values.type.value_type)
        if kind is not None and values.type != kind:
            values = values.cast(kind)
    except (pa.ArrowException, TypeError, ValueError):
        wanted = "one type of value" if kind is None else str(kind)
        # without the cause: it may quote a patient's text
        raise ValueError(f"{place} cannot be stored as {wanted}; are types mixed?") from None
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
    return values


def _id(values: pa.ChunkedArray, place: str) -> pa.ChunkedArray:
    pa = arrow()
    group = type_group(values.type)
    if group not in ("integer", "text"):
        raise ValueError(f"{place} is of type {values.type}; give integers or strings, none missing")
    return values.cast(pa.int64() if group == "integer" else pa.string())


def _label(values: pa.ChunkedArray, place: str, task: str) -> pa.ChunkedArray:
    pa = arrow()
    kind = pa.float64() if task == "regression" else pa.int64()
    try:
        if pa.types.is_boolean(values.type):
            values = values.cast(pa.int8())
        return values.cast(kind)
    except pa.ArrowException:
        wanted = "numbers" if task == "regression" else "the index of its class"
        what = f"{place}: a {task} label holds {wanted}, None or NaN where unlabelled; these do not ({values.type})"
        raise ValueError(what) from None  # without the cause: it may quote a patient's text


def sample_columns(samples: Mapping[str, Any] | pa.Table, labels: Sequence[str], task: str) -> pa.Table:
    """The samples with types as in ``samples.parquet``, and with group_id and split.

    Raises:
        ValueError: columns of different lengths, missing ones, or types that do not fit.
    """
    pa = arrow()
    names = samples.column_names if isinstance(samples, pa.Table) else list(samples)
    columns = {}
    for name in names:
        place = f"samples, column {name!r}"
        column = _arrow(samples[name], place, pa.float64() if name == "until" else None)
        if name in ("sample_id", "group_id", "series_id"):
            column = _id(column, place)
        elif name in labels:
            column = _label(column, place, task)
        columns[name] = column
    for name in ("sample_id", *labels):
        if name not in columns:
            raise ValueError(f"samples lack the column {name!r}; they have {sorted(columns)}")
    if len({len(column) for column in columns.values()}) > 1:
        raise ValueError(f"samples: columns of different lengths { {name: len(c) for name, c in columns.items()} }")
    columns.setdefault("group_id", columns["sample_id"])
    columns.setdefault("split", pa.array(["train"] * len(columns["sample_id"]), pa.string()))
    return pa.table(columns)


def record_columns(value: Text | Events, place: str, series_type: pa.DataType) -> pa.Table:
    """Texts or events, ordered by series and time, so that they are quick to open.

    Args:
        value: of the modality.
        place: its name, for messages.
        series_type: that of the samples' series_id.

    Raises:
        ValueError: columns of different lengths, or values that they cannot hold.
    """
    pa = arrow()
    fields = {"time": pa.float64(), "text": pa.string()}
    given = {"series_id": value.series_id, "time": value.time}
    if isinstance(value, Text):
        given["text"] = value.text
    else:
        fields |= {"code": pa.string(), "value": pa.float64()}
        given |= {"code": value.code, "value": value.value}
    arrays = {key: _arrow(values, f"{place}, {key}", fields.get(key)) for key, values in given.items()}
    if len({len(array) for array in arrays.values()}) > 1:
        lengths = {key: len(array) for key, array in arrays.items()}
        raise ValueError(f"{place}: columns of different lengths {lengths}; a record needs each")
    series_id = arrays["series_id"]
    series_id = _id(series_id, f"{place}, series_id") if len(series_id) else series_id.cast(series_type)
    if series_id.type != series_type:
        raise ValueError(f"{place}, series_id is of type {series_id.type}, that of the samples {series_type}")
    arrays["series_id"] = series_id
    return pa.table(arrays).sort_by([("series_id", "ascending"), ("time", "ascending")])
