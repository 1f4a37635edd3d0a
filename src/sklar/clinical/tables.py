"""Tables of a raw release into DuckDB: found without regard to case, packed or plain, and read whole or not at all."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


def connect() -> duckdb.DuckDBPyConnection:
    """An empty in-memory DuckDB.

    Raises:
        ImportError: duckdb is not installed.
    """
    try:
        import duckdb
    except ImportError:
        raise ImportError("reading raw clinical tables needs duckdb: pip install 'sklar[clinical]'") from None
    return duckdb.connect(config={"preserve_insertion_order": True})


def find_file(raw: Path, *names: str) -> Path:
    """The file of one of these names, compared without regard to case; a name may hold folders (``yaib/dyn.parquet``).

    Raises:
        FileNotFoundError: there is none. ValueError: there are several, and they might differ.
    """
    found: list[Path] = []
    for name in names:
        places = [raw]
        for step in name.split("/"):
            places = [child for place in places if place.is_dir() for child in sorted(place.iterdir())
                      if child.name.lower() == step.lower()]  # fmt: skip
        found += [place for place in places if place.is_file()]
    if not found:
        raise FileNotFoundError(f"{raw} has no {' or '.join(names)} (in whatever case); is the download complete?")
    if len(found) > 1:
        raise ValueError(f"{raw} has {found[0].name} and {found[1].name}: keep the one to be read")
    return found[0]


def load_csv(connection: duckdb.DuckDBPyConnection, raw: Path, table: str, columns: Mapping[str, str]) -> Path:
    """Create ``table`` from ``table.csv.gz`` or ``table.csv``; blanks around a cell go, an empty cell is null.

    Args:
        connection: where to create it.
        raw: the release's folder.
        table: name of the table and of its file.
        columns: the columns to read with their DuckDB type; no other column is kept.

    Returns:
        The file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is truncated or malformed, lacks a column, or holds a cell that its type does not.
    """
    import duckdb

    file = find_file(raw, f"{table}.csv.gz", f"{table}.csv")
    _whole(file)
    header = _header(file)
    for name in columns:
        if name not in header:
            raise ValueError(f"{file} lacks the column {name!r} among its {len(header)}")
    # Nothing is sniffed: a file's first quote may come after the sniffed rows, and odd rows may be skipped as preamble.
    every = ", ".join(f"'{name}': 'VARCHAR'" for name in header)
    form = "header = true, delim = ',', quote = '\"', escape = '\"'"
    reading = f"read_csv(?, auto_detect = false, columns = {{{every}}}, {form})"
    cells = ", ".join(f"nullif(trim({name}), '') AS {name}" for name in columns)
    try:
        connection.execute(f"CREATE OR REPLACE TEMP TABLE cells AS SELECT {cells} FROM {reading}", [str(file)])
    except duckdb.Error as error:
        line = re.search(r"Line: (\d+)", str(error))  # the rest of the message repeats cells: maybe patients' text
        raise ValueError(
            f"{file}{f', line {line[1]}' if line else ''}: not a CSV table with a header and equally many cells a row; "
            "download it again"
        ) from None
    for name, kind in columns.items():
        rounds = f" OR TRY_CAST({name} AS DOUBLE) <> TRY_CAST({name} AS BIGINT)" if kind == "BIGINT" else ""
        [(first, wrong)] = connection.execute(
            f"SELECT min(rowid), count(*) FROM cells "
            f"WHERE {name} IS NOT NULL AND (TRY_CAST({name} AS {kind}) IS NULL{rounds})"
        ).fetchall()
        if wrong:
            raise ValueError(f"{file}, column {name}, row {first + 1} below the header: no {kind} ({wrong} such cells)")
    typed = ", ".join(f"CAST({name} AS {kind}) AS {name}" for name, kind in columns.items())
    connection.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT {typed} FROM cells; DROP TABLE cells")
    return file


def _header(file: Path) -> list[str]:
    """The columns' names in lower case."""
    with gzip.open(file, "rb") if file.suffix.lower() == ".gz" else file.open("rb") as stream:
        line = stream.readline().decode("utf-8-sig", errors="replace").strip()
    header = [name.strip().strip('"').lower() for name in line.split(",")]
    if not all(re.fullmatch(r"\w+", name) for name in header) or len(set(header)) < len(header):
        raise ValueError(f"{file}: the first line is no header of distinct column names")
    return header


def _whole(file: Path) -> None:
    """Refuse a file that a broken download or copy cut short."""
    last = b""
    try:
        with gzip.open(file, "rb") if file.suffix.lower() == ".gz" else file.open("rb") as stream:
            while block := stream.read(1 << 20):
                last = block
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise ValueError(f"{file} is truncated or damaged ({error}); download it again") from None
    if not last.endswith(b"\n"):
        raise ValueError(f"{file} is {'truncated: its last line has no end' if last else 'empty'}; download it again")
