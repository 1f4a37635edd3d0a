"""DuckDB within a memory limit, and the queries of this package by name."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    import duckdb

WIDTH = 30  # characters of a progress bar


def open_engine(spill: Path, memory: str, threads: int | None) -> duckdb.DuckDBPyConnection:
    """An empty DuckDB that spills to ``spill`` what exceeds ``memory``.

    Args:
        spill: folder for what does not fit.
        memory: such as ``2GB``.
        threads: at most so many; None is one a core.

    Raises:
        ImportError: duckdb is not installed. ValueError: no such amount of memory or number of threads.
    """
    try:
        import duckdb
    except ImportError:
        raise ImportError("reading raw clinical tables needs duckdb: pip install 'sklar[clinical]'") from None
    connection = duckdb.connect(config={"preserve_insertion_order": True})
    try:
        connection.execute("SET memory_limit = ?", [memory])
        if threads is not None:
            connection.execute("SET threads = ?", [threads])
    except duckdb.Error:
        raise ValueError(f"memory={memory!r}, threads={threads}: give them like 2GB and 4") from None
    connection.execute("SET temp_directory = ?", [str(spill)])
    connection.execute("SET enable_progress_bar = false")
    connection.execute("SET errors_as_json = false")
    return connection


def query(name: str) -> list[str]:
    """The statements of ``name.sql``, in order."""
    text = files("sklar.clinical.mimic3").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")
    return [part.strip() for part in text.split(";\n") if part.strip()]


def rows_of(connection: duckdb.DuckDBPyConnection, text: str, parameters: list[Any] | None = None) -> list[Any]:
    """All rows of a small result."""
    return connection.execute(text, parameters or []).fetchall()


def counts_of(connection: duckdb.DuckDBPyConnection, text: str) -> dict[str, int]:
    """The single row of a result as a mapping of its columns, null as 0."""
    cursor = connection.execute(text)
    names = [column[0] for column in cursor.description or ()]
    [row] = cursor.fetchall()
    return {name: int(value or 0) for name, value in zip(names, row, strict=True)}


class Progress:
    """A line a step on ``stream``, with a bar while it runs where that is a terminal.

    Args:
        total: number of steps.
        stream: where to.

    Attributes:
        name: of the step that runs, or ran last.
    """

    def __init__(self, total: int, stream: TextIO | None = None) -> None:
        self.total, self.number, self.stream = total, 0, stream or sys.stderr
        self.name = ""

    @contextmanager
    def step(self, name: str, connection: duckdb.DuckDBPyConnection | None = None) -> Iterator[None]:
        """Report the step that is done inside."""
        self.number += 1
        self.name = name
        head = f"[{self.number}/{self.total}] {name}"
        start, done = time.monotonic(), threading.Event()
        bar = threading.Thread(target=self._draw, args=(head, connection, done), daemon=True)
        if self.stream.isatty() and connection is not None:
            bar.start()
        try:
            yield
        finally:
            done.set()
            if bar.ident is not None:
                bar.join()
        print(f"{head}: {time.monotonic() - start:.1f} s", file=self.stream, flush=True)

    def skip(self, name: str) -> None:
        """Report a step whose result is there from an earlier run."""
        self.number += 1
        print(f"[{self.number}/{self.total}] {name}: done before", file=self.stream, flush=True)

    def _draw(self, head: str, connection: duckdb.DuckDBPyConnection, done: threading.Event) -> None:
        while not done.wait(0.3):
            share = min(max(float(connection.query_progress()), 0.0), 100.0) / 100
            bar = "#" * round(WIDTH * share)
            print(f"\r{head} [{bar:<{WIDTH}}] {share:4.0%}", end="", file=self.stream, flush=True)
        print("\r" + " " * (len(head) + WIDTH + 10) + "\r", end="", file=self.stream, flush=True)
