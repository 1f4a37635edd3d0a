"""Content hashes that do not depend on the order of rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sklar.clinical.mimic3.engine import rows_of

if TYPE_CHECKING:
    import duckdb

MODULUS = 2**128


def content_hash(connection: duckdb.DuckDBPyConnection, file: Path) -> tuple[int, str]:
    """Rows of a Parquet file, and a hash of the multiset of its rows with the columns' names.

    A row is its cells as JSON; the hash is the sum of the rows' MD5s modulo 2^128, hexadecimal, so rows in another
    order, other row groups or another compression give the same.

    Args:
        connection: DuckDB.
        file: the Parquet file.
    """
    path = str(file).replace("'", "''")
    [(rows, high, low)] = rows_of(  # halves, so that no sum overflows
        connection,
        "SELECT count(*), sum((number & 18446744073709551615)::HUGEINT), sum((number >> 64)::HUGEINT) "
        f"FROM (SELECT md5_number(to_json(record)::VARCHAR) AS number FROM read_parquet('{path}') AS record)",
    )
    total = ((int(high or 0) << 64) + int(low or 0)) % MODULUS
    return int(rows), f"{total:032x}"
