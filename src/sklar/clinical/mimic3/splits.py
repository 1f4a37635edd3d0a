"""Which patient is in which part: the benchmark's official list, or one that is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sklar.clinical.mimic3.engine import rows_of

if TYPE_CHECKING:
    import duckdb


def load_splits(connection: duckdb.DuckDBPyConnection, file: Path | None) -> None:
    """Create ``split_list`` (SUBJECT_ID, testset, valset, split).

    Args:
        connection: with the table ``official_split``.
        file: CSV or Parquet with SUBJECT_ID and split; None is the official list.

    Raises:
        FileNotFoundError: there is no such file. ValueError: it lacks a column, names a subject twice or another part.
    """
    import duckdb

    if file is None:
        connection.execute("CREATE TABLE split_list AS SELECT SUBJECT_ID, testset, valset, split FROM official_split")
        return
    if not Path(file).is_file():
        raise FileNotFoundError(f"there is no file {file}; --splits takes a CSV or Parquet of SUBJECT_ID and split")
    parquet = Path(file).suffix.lower() == ".parquet"
    reading = "read_parquet(?)" if parquet else "read_csv(?, header = true, all_varchar = true)"
    part = "CASE lower(trim(split)) WHEN 'validation' THEN 'val' ELSE lower(trim(split)) END"
    try:
        connection.execute(
            f"CREATE TABLE split_list AS SELECT CAST(SUBJECT_ID AS INTEGER) AS SUBJECT_ID, "
            f"CAST({part} = 'test' AS TINYINT) AS testset, "
            f"CASE WHEN {part} <> 'test' THEN CAST({part} = 'val' AS TINYINT) END AS valset, {part} AS split "
            f"FROM {reading}",
            [str(file)],
        )
    except duckdb.Error as error:
        raise ValueError(f"{file}: {str(error).splitlines()[0]}; it needs the columns SUBJECT_ID and split") from None
    wrong = rows_of(
        connection, "SELECT split FROM split_list WHERE split NOT IN ('train', 'val', 'test') OR split IS NULL"
    )
    if wrong:
        raise ValueError(f"{file}: the part {wrong[0][0]!r}; give train, val or test")
    twice = rows_of(connection, "SELECT SUBJECT_ID FROM split_list GROUP BY 1 HAVING count(*) > 1 ORDER BY 1")
    if twice:
        raise ValueError(f"{file}: SUBJECT_ID {twice[0][0]} occurs twice; give each patient one part")
