"""From raw tables to stages: each step a query whose result becomes a Parquet file, whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from sklar.clinical.mimic3.engine import Progress, query, rows_of
from sklar.clinical.mimic3.raw import check_tables, fingerprint, stage_table
from sklar.clinical.mimic3.tables import COLUMNS, EVENTS
from sklar.clinical.mimic3.tasks import Task
from sklar.clinical.mimic3.work import Work, read_json, write_json, write_whole

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


class Pipeline:
    """Runs steps that are not done yet.

    Args:
        connection: DuckDB.
        work: where results go.
        files: the raw tables.
        progress: told of every step.
        clean: whether ``NAME_clean.sql`` is taken where there is one.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        work: Work,
        files: Mapping[str, Path],
        progress: Progress,
        clean: bool,
    ) -> None:
        self.connection, self.work, self.files, self.progress, self.clean = connection, work, files, progress, clean

    def load_raw(self) -> dict[str, dict[str, object]]:
        """Every raw table as a view with its rows numbered in ``row``, and ``events`` of the three event tables.

        Returns:
            Of each table the file's name, bytes, SHA-256 and rows.

        Raises:
            ValueError: a table is malformed, or its identifiers are not in order.
        """
        known = self.work.inner / "raw.json"
        inputs: dict[str, dict[str, object]] = read_json(known) if known.exists() else {}
        with ThreadPoolExecutor(1) as aside:  # hashing waits for the disk, parsing for the processor
            hashes: dict[str, Future[str]] = {
                table: aside.submit(fingerprint, file) for table, file in self.files.items() if table not in inputs
            }
            for table in COLUMNS:
                self._load_table(table, inputs, hashes)
        write_json(known, inputs)
        check_tables(self.connection, self.files)
        return inputs

    def _load_table(self, table: str, inputs: dict[str, dict[str, object]], hashes: Mapping[str, Future[str]]) -> None:
        target = self.work.inner / f"raw_{table}.parquet"
        columns = COLUMNS[table]
        if table not in self.files:
            typed = ", ".join(f"NULL::{kind} AS {name}" for name, kind in columns.items())
            self.connection.execute(f"CREATE VIEW {table} AS SELECT {typed}, 0::BIGINT AS row LIMIT 0")
            self.progress.skip(f"{table} (not there)")
            return
        file = self.files[table]
        if table in inputs and target.exists():
            self.progress.skip(table)
        else:
            with self.progress.step(table, self.connection):
                rows = write_whole(target, lambda part: stage_table(self.connection, file, columns, part))
                inputs[table] = {
                    "file": file.name,
                    "bytes": file.stat().st_size,
                    "sha256": hashes[table].result() if table in hashes else fingerprint(file),
                    "rows": rows,
                }
            write_json(self.work.inner / "raw.json", inputs)
        self._view(table, target, ", file_row_number AS row")
        if table == EVENTS[-1]:
            self._unite_events()

    def _unite_events(self) -> None:
        """One view of all event rows, in the order of the tables; clean leaves out what was charted in error."""
        parts = []
        for source, table in enumerate(EVENTS):
            stay = "ICUSTAY_ID" if "ICUSTAY_ID" in COLUMNS[table] else "NULL::INTEGER AS ICUSTAY_ID"
            error = "ERROR IS NOT DISTINCT FROM 1" if "ERROR" in COLUMNS[table] else "false"
            parts.append(
                f"SELECT SUBJECT_ID, HADM_ID, {stay}, ITEMID, CHARTTIME, VALUE, VALUEUOM, {source} AS source, row, "
                f"{error} AS in_error FROM {table}"
            )
        self.connection.execute("CREATE VIEW events AS " + " UNION ALL ".join(parts))

    def _view(self, name: str, file: Path, more: str = "") -> None:
        path = str(file).replace("'", "''")
        rows = ", file_row_number = true" if more else ""
        columns = "* EXCLUDE (file_row_number)" if more else "*"
        self.connection.execute(
            f"CREATE OR REPLACE VIEW {name} AS SELECT {columns}{more} FROM read_parquet('{path}'{rows})"
        )

    def run(
        self, name: str, *, stage: bool = False, sql: str | None = None, check: Callable[[], None] | None = None
    ) -> None:
        """Do a step, or take its result of an earlier run; afterwards ``name`` is a view of it.

        Args:
            name: of the step and of its Parquet file.
            stage: whether the file is part of the output.
            sql: the query's name, where it is another.
            check: called after the step, for what it must refuse.
        """
        target = (self.work.stages if stage else self.work.inner) / f"{name}.parquet"
        if target.exists():
            self.progress.skip(name)
            self._view(name, target)
            return
        with self.progress.step(name, self.connection):
            *before, last = query(sql or name)
            for statement in before:
                self.connection.execute(statement)
            part = target.with_name(target.name + ".part")
            path = str(part).replace("'", "''")
            self.connection.execute(f"COPY ({last.rstrip(';')}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
            self._view(name, part)
            if check is not None:
                check()
            part.rename(target)
            self._view(name, target)

    def count(self, text: str) -> int:
        """The single number of a query."""
        return int(rows_of(self.connection, text)[0][0] or 0)

    def define(self, name: str) -> None:
        """Execute the statements of ``name.sql``."""
        for statement in query(name):
            self.connection.execute(statement)

    def step(self, name: str, target: Path, write: Callable[[Path], None]) -> None:
        """A step that is no query; afterwards ``name`` is a view of its Parquet file."""
        if target.exists():
            self.progress.skip(name)
        else:
            with self.progress.step(name):
                write_whole(target, write)
        self._view(name, target)

    def table(self, name: str) -> pa.Table:
        """The result of ``name.sql``."""
        [text] = query(name)
        return self.connection.sql(text.rstrip(";")).to_arrow_table()

    def of_stays(self, name: str, task: Task, rows: pa.Table) -> Path:
        """The records of ``name`` whose stay a task has, as a Parquet file in their order."""
        target = self.work.inner / f"{task.folder}_{name}.parquet"
        if not target.exists():
            self.connection.register("wanted_stays", rows.select(["stay_id"]))
            path = str(target.with_name(target.name + ".part")).replace("'", "''")
            self.connection.execute(
                f"COPY (SELECT record.* FROM {name} AS record SEMI JOIN wanted_stays ON series_id = stay_id) "
                f"TO '{path}' (FORMAT parquet, COMPRESSION zstd)"
            )
            self.connection.unregister("wanted_stays")
            target.with_name(target.name + ".part").rename(target)
        return target
