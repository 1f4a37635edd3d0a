"""The raw tables as PhysioNet ships them, typed and checked, as Parquet."""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from sklar.clinical.mimic3.engine import rows_of
from sklar.clinical.mimic3.tables import COLUMNS, FAULTS, OPTIONAL
from sklar.clinical.tables import find_file

if TYPE_CHECKING:
    import duckdb

AGAIN = "download it again"
NOT_WHOLE = "not a whole number"


def find_tables(raw: Path) -> dict[str, Path]:
    """The file of each table: ``TABLE.csv`` or ``TABLE.csv.gz``, in whatever case; of the optional ones those present.

    Raises:
        FileNotFoundError: there is no such folder, or a table is missing. ValueError: a table is there twice.
    """
    if not raw.is_dir():
        raise FileNotFoundError(f"there is no folder {raw}; give the one that holds CHARTEVENTS.csv.gz and the others")
    found = {}
    for table in COLUMNS:
        try:
            found[table] = find_file(raw, f"{table}.csv.gz", f"{table}.csv")
        except FileNotFoundError:
            if table not in OPTIONAL:
                raise
    return found


def fingerprint(file: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_header(file: Path) -> list[str]:
    """The columns' names as written.

    Raises:
        ValueError: the file is empty, damaged, or its first line is no header of distinct names.
    """
    try:
        with gzip.open(file, "rb") if file.suffix.lower() == ".gz" else file.open("rb") as stream:
            line = stream.readline(1 << 16).decode("utf-8-sig", errors="replace").rstrip("\r\n")
    except (EOFError, gzip.BadGzipFile, zlib.error, OSError) as error:
        raise ValueError(f"{file} is truncated or damaged ({type(error).__name__}); {AGAIN}") from None
    header = [name.strip().strip('"').strip() for name in line.split(",")]
    lower = [name.lower() for name in header]
    if not all(re.fullmatch(r"\w+", name) for name in header) or len(set(lower)) < len(lower):
        raise ValueError(f"{file}: the first line is no header of distinct column names; {AGAIN}")
    return header


def stage_table(connection: duckdb.DuckDBPyConnection, file: Path, columns: Mapping[str, str], target: Path) -> int:
    """Write the columns of one table, typed, to Parquet in the file's order.

    Text is kept as it is, blanks included; an empty cell is null.

    Args:
        connection: DuckDB.
        file: the CSV, packed or plain.
        columns: upper-case names and DuckDB types.
        target: the Parquet file.

    Returns:
        The number of rows.

    Raises:
        ValueError: the file is truncated, malformed, not UTF-8, lacks a column or holds a cell that its type does not.
    """
    import duckdb

    header = read_header(file)
    place = {name.upper(): name for name in header}
    for name in columns:
        if name not in place:
            raise ValueError(f"{file} lacks the column {name} among its {len(header)}; {AGAIN}")
    if file.suffix.lower() != ".gz":
        _ended(file)
    # Nothing is sniffed: a file's first quote may come after the sniffed rows, and odd rows may be skipped as preamble.
    # Whole numbers are read as DOUBLE: read as INTEGER, 9.7 would become 10 without a word.
    read_as = {name: "DOUBLE" if kind == "INTEGER" else kind for name, kind in columns.items()}
    kinds = ", ".join(f"'{name}': '{read_as.get(name.upper(), 'VARCHAR')}'" for name in header)
    form = "header = true, delim = ',', quote = '\"', escape = '\"', nullstr = ''"
    cells = ", ".join(
        f"{_whole(place[name]) if columns[name] == 'INTEGER' else _named(place[name])} AS {name}" for name in columns
    )
    reading = f"read_csv($file, auto_detect = false, columns = {{{kinds}}}, {form})"
    try:
        copied = connection.execute(
            f"COPY (SELECT {cells} FROM {reading}) TO '{_quoted(target)}' (FORMAT parquet, COMPRESSION zstd)",
            {"file": str(file)},
        ).fetchall()
    except duckdb.OutOfMemoryException as error:
        raise MemoryError(f"{file}: {str(error).splitlines()[0]}; give --memory more") from None
    except duckdb.Error as error:
        if NOT_WHOLE in str(error) or "INT32" in str(error):
            raise ValueError(f"{file}, {_not_whole(connection, file, reading, place, columns)}") from None
        raise ValueError(
            f"{file}{_explained(str(error), columns)}"
        ) from None  # DuckDB's message repeats the row: patients' text
    return int(copied[0][0])


def _named(column: str) -> str:
    return f'"{column}"'


def _whole(column: str) -> str:
    return f"""CASE WHEN "{column}" = trunc("{column}") OR "{column}" IS NULL THEN CAST("{column}" AS INTEGER) """ \
        f"""ELSE error('{NOT_WHOLE}') END"""  # fmt: skip


def _not_whole(
    connection: duckdb.DuckDBPyConnection,
    file: Path,
    reading: str,
    place: Mapping[str, str],
    columns: Mapping[str, str],
) -> str:
    """Place and remedy of the first cell that is no whole number of 32 bits."""
    for name, kind in columns.items():
        if kind == "INTEGER":
            [(row,)] = connection.execute(
                f'SELECT min(row) FROM (SELECT row_number() OVER () AS row, "{place[name]}" AS cell FROM {reading}) '
                "WHERE cell <> trunc(cell) OR TRY_CAST(cell AS INTEGER) IS NULL AND cell IS NOT NULL",
                {"file": str(file)},
            ).fetchall()
            if row is not None:
                what = "a cell that cannot be read as INTEGER"
                return f"row {row} below the header, column {name}: {what}; correct it, or {AGAIN}"
    return f"a cell that cannot be read as INTEGER; {AGAIN}"


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def _ended(file: Path) -> None:
    """Refuse a plain file that a broken download or copy cut short."""
    size = file.stat().st_size
    with file.open("rb") as stream:
        stream.seek(max(size - 1, 0))
        if stream.read(1) != b"\n":
            raise ValueError(f"{file} is truncated: its last line has no end; {AGAIN}")


def _explained(message: str, columns: Mapping[str, str]) -> str:
    """Place and remedy from DuckDB's message, without any cell's content."""
    line = re.search(r"Line: (\d+)", message)
    at = f", line {line[1]}" if line else ""
    column = re.search(r'[Cc]olumn "(\w+)"', message)
    if "GZIP" in message.upper():
        return f" is truncated or damaged; {AGAIN}"
    if "nicode" in message or "utf-8" in message.lower():
        return f"{at}: not UTF-8; convert the file (iconv -f latin1 -t utf-8) or correct the line"
    if "onver" in message and column:
        name = column[1].upper()
        return f"{at}, column {name}: a cell that cannot be read as {columns.get(name, 'text')}; correct it, or {AGAIN}"
    return f"{at}: not a CSV table with a header and equally many cells a row; {AGAIN}"


def check_tables(connection: duckdb.DuckDBPyConnection, files: Mapping[str, Path]) -> None:
    """Refuse duplicated or empty identifiers and stays that end before they start.

    Args:
        connection: with a view of each table, rows numbered from 0 in ``row``.
        files: of the tables, for messages.

    Raises:
        ValueError: the table, the first such row, how many there are, and the remedy.
    """
    for table, condition, what, remedy in FAULTS:
        rows = rows_of(connection, f"SELECT row FROM {table} QUALIFY {condition} ORDER BY row") if "OVER" in condition \
            else rows_of(connection, f"SELECT row FROM {table} WHERE {condition} ORDER BY row")  # fmt: skip
        if rows:
            more = f" ({len(rows)} such rows)" if len(rows) > 1 else ""
            raise ValueError(f"{files[table]}, row {rows[0][0] + 1} below the header: {what}{more}; {remedy}")
