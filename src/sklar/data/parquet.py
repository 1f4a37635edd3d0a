"""Reading Parquet files that anybody may have written, and that may be damaged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sklar.data.problem import MISSING_FILE, DamagedFile, Problem

if TYPE_CHECKING:
    import pyarrow as pa


def arrow() -> Any:
    """The module pyarrow.

    Raises:
        ImportError: it is not installed.
    """
    try:
        import pyarrow
    except ImportError as error:
        raise ImportError("dataset folders need pyarrow: pip install 'sklar[train]'") from error
    return pyarrow


def type_group(kind: pa.DataType) -> str:
    """``integer``, ``number``, ``text``, ``bool`` or ``other``; what a dictionary encodes counts."""
    types = arrow().types
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_integer(kind):
        return "integer"
    if types.is_floating(kind):
        return "number"
    if types.is_string(kind) or types.is_large_string(kind):
        return "text"
    return "bool" if types.is_boolean(kind) else "other"


def open_parquet(
    folder: Path, file: str, needed: dict[str, tuple[str, ...]]
) -> tuple[dict[str, str] | None, int, list[Problem]]:
    """The columns of a Parquet file, without reading them.

    Args:
        folder: of the dataset.
        file: its name.
        needed: the columns it must have, and which groups of types (`type_group`) are allowed.

    Returns:
        The group of each column's type (None where the file cannot be read), the number of rows, what is wrong.
    """
    arrow()
    import pyarrow.parquet as pq

    if not (folder / file).is_file():
        return None, 0, [Problem(file, MISSING_FILE, "write the folder again with sklar.data.write_dataset")]
    try:
        with pq.ParquetFile(folder / file) as opened:
            schema, rows = opened.schema_arrow, opened.metadata.num_rows
            names = list(schema.names)
            groups = {name: type_group(field.type) for name, field in zip(names, schema, strict=True)}
    except Exception as error:  # damaged files raise ArrowException, OSError, MemoryError, UnicodeDecodeError ...
        return None, 0, [_damaged(file, error)]
    problems = [
        Problem(f"{file}, column {name!r}", "stands twice", "keep one of them")
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    for name, allowed in needed.items():
        place = f"{file}, column {name!r}"
        if name not in groups:
            problems.append(Problem(place, "there is no such column", f"add it ({' or '.join(allowed)})"))
        elif groups[name] not in allowed:
            what = f"is of type {schema.field(names.index(name)).type}"
            problems.append(Problem(place, what, f"it must be {' or '.join(allowed)}"))
    return groups, rows, problems


def batches(folder: Path, file: str, columns: list[str], size: int = 2**18) -> Iterator[pa.RecordBatch]:
    """A file's columns, a run of rows at a time (one run of none if there are none).

    Dictionaries are decoded; integers are int64, numbers float64, texts large strings.

    Raises:
        DamagedFile: a damaged file, or integers that need more than 64 bits and a sign.
    """
    pa = arrow()
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(folder / file, memory_map=True) as opened:
            read = 0
            for batch in opened.iter_batches(size, columns=columns, use_threads=False):
                batch.validate(full=True)
                read += len(batch)
                yield _plain(batch, columns)
            if read != opened.metadata.num_rows:
                raise ValueError(f"{read} rows instead of {opened.metadata.num_rows}")
            if not read:
                yield _plain(pa.RecordBatch.from_pylist([], schema=opened.schema_arrow), columns)
    except Exception as error:
        raise DamagedFile(_damaged(file, error)) from error


def _plain(batch: pa.RecordBatch, columns: list[str]) -> pa.RecordBatch:
    pa = arrow()
    kinds = {"integer": pa.int64(), "number": pa.float64(), "text": pa.large_string()}
    arrays = []
    for name in columns:
        array = batch.column(batch.schema.names.index(name))
        group = type_group(array.type)
        if pa.types.is_dictionary(array.type):
            array = array.dictionary_decode()
        arrays.append(array.cast(kinds[group]) if group in kinds else array)
    return pa.RecordBatch.from_arrays(arrays, names=columns)


def _damaged(file: str, error: Exception) -> Problem:
    what = f"cannot be read as Parquet: {error or type(error).__name__}"
    return Problem(file, what, "write the folder again with sklar.data.write_dataset")
