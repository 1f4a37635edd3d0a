"""Content hashes that do not depend on the order of rows."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from sklar.clinical.mimic3.engine import rows_of

if TYPE_CHECKING:
    import duckdb

MODULUS = 2**128


def content_hash(connection: duckdb.DuckDBPyConnection, file: Path) -> tuple[int, str]:
    """Rows of a Parquet file, and a hash of its columns' names and the multiset of its rows.

    A row is a JSON list of its cells as text; the hash is the MD5 of the names, plus the sum of the rows' MD5s, modulo
    2^128, hexadecimal. So rows in another order, other row groups or another compression give the same.

    Args:
        connection: DuckDB.
        file: the Parquet file.
    """
    path = str(file).replace("'", "''")
    names = [row[0] for row in rows_of(connection, f"DESCRIBE FROM read_parquet('{path}')")]
    cells = ", ".join('"' + name.replace('"', '""') + '"::VARCHAR' for name in names)
    [(rows, high, low)] = rows_of(  # halves, so that no sum overflows
        connection,
        "SELECT count(*), sum((number >> 64)::HUGEINT), sum((number & 18446744073709551615)::HUGEINT) "
        f"FROM (SELECT md5_number(to_json([{cells}])::VARCHAR) AS number FROM read_parquet('{path}'))",
    )
    head = int.from_bytes(hashlib.md5("\n".join(names).encode(), usedforsecurity=False).digest(), "big")
    total = (head + (int(high or 0) << 64) + int(low or 0)) % MODULUS
    return int(rows), f"{total:032x}"
