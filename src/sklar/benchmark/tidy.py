"""Scores as one tidy table: a row a number."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sklar.evaluation import Record
from sklar.training.files import renamed

WHERE = ("dataset", "condition", "model", "setting", "pattern")  # of a score, empty where there is but one


def write_scores(path: Path, records: Sequence[Record]) -> None:
    """A Parquet file: `WHERE`, ``seed``, ``number`` (of rows scored), ``metric``, ``value``; the same bytes each time.

    Args:
        path: of the file, written to a temporary name and renamed.
        records: ``{dataset, condition, model, seed, setting, pattern, number, ...}``, the rest being scores; one
            that is None is left out.
    """
    import pyarrow as pa
    from pyarrow import parquet

    rows = [
        {**{name: record.get(name, "") for name in WHERE}, "seed": record["seed"], "number": record["number"],
         "metric": metric, "value": float(value)}
        for record in records
        for metric, value in record.items()
        if metric not in (*WHERE, "seed", "number") and value is not None
    ]  # fmt: skip
    text = pa.dictionary(pa.int32(), pa.string())
    kinds = [*((name, text) for name in WHERE), ("seed", pa.int64()), ("number", pa.int64()), ("metric", text),
             ("value", pa.float64())]  # fmt: skip
    with renamed(path) as part:
        parquet.write_table(pa.Table.from_pylist(rows, pa.schema(kinds)), part, compression="zstd")


def read_scores(path: Path) -> list[Record]:
    """The records again, in their order.

    Raises:
        FileNotFoundError: there is no such file.
    """
    from pyarrow import parquet

    found: dict[tuple[object, ...], Record] = {}
    for row in parquet.read_table(path).to_pylist():
        metric, value = row.pop("metric"), row.pop("value")
        found.setdefault(tuple(row.values()), row)[metric] = value
    return list(found.values())


def write_times(path: Path, records: Sequence[Record]) -> None:
    """A Parquet file of what trials took: ``dataset``, ``condition``, ``model``, ``seed``, ``trial``, ``seconds``,
    ``failed``; a file of its own, for it differs each time.

    Args:
        path: of the file, written to a temporary name and renamed.
        records: ``{dataset, condition, model, seed, trial, seconds, failed}``.
    """
    import pyarrow as pa
    from pyarrow import parquet

    rows = [{"dataset": "", "condition": "", **record} for record in records]
    kinds = [("dataset", pa.string()), ("condition", pa.string()), ("model", pa.string()), ("seed", pa.int64()),
             ("trial", pa.int64()), ("seconds", pa.float64()), ("failed", pa.bool_())]  # fmt: skip
    with renamed(path) as part:
        parquet.write_table(pa.Table.from_pylist(rows, pa.schema(kinds)), part, compression="zstd")
