"""Tables written part by part under a temporary name, then renamed: a final name is only ever on a whole file."""

from __future__ import annotations

import gzip
import os
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, cast

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

ROW_GROUP = 200_000  # rows held at most before a part of a Parquet file is written


def partial(file: Path) -> Path:
    """The name of an unfinished file."""
    return file.with_name(f".{file.name}.part")


def write_csv(file: Path, schema: pa.Schema, parts: Iterable[pa.Table], packed: bool) -> int:
    """Write a CSV table with a header; texts quoted, ROW_ID numbered from 1.

    Args:
        file: its final name.
        schema: of the parts; the header is written even if there is none.
        parts: taken one at a time; none is kept.
        packed: whether to gzip.

    Returns:
        The number of rows.
    """
    rows = 0
    with ExitStack() as stack:
        stream = stack.enter_context(partial(file).open("wb"))
        target: IO[bytes] = stream
        if packed:  # no name and no time in the header: equal content, equal bytes
            target = cast(IO[bytes], stack.enter_context(gzip.GzipFile("", "wb", 4, stream, mtime=0)))
        writer = stack.enter_context(pyarrow.csv.CSVWriter(target, schema))
        for part in parts:
            numbered = pa.array(np.arange(rows + 1, rows + part.num_rows + 1))
            writer.write_table(part.set_column(0, schema.field(0), numbered))
            rows += part.num_rows
    os.replace(partial(file), file)
    return rows


def write_parquet(file: Path, parts: Iterable[pa.Table]) -> int:
    """Write a Parquet table; returns its number of rows."""
    rows, held = 0, 0
    waiting: list[pa.Table] = []
    writer: pq.ParquetWriter | None = None
    with ExitStack() as stack:
        for part in parts:
            waiting.append(part)
            rows, held = rows + part.num_rows, held + part.num_rows
            writer = writer or stack.enter_context(pq.ParquetWriter(partial(file), part.schema, compression="zstd"))
            if held >= ROW_GROUP:
                writer.write_table(pa.concat_tables(waiting).combine_chunks())
                waiting, held = [], 0
        if writer is not None and waiting:
            writer.write_table(pa.concat_tables(waiting).combine_chunks())
    os.replace(partial(file), file)
    return rows


class Progress:
    """What is being written, on stderr where that is a terminal; a line a finished table on stdout."""

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks
        self._shown = sys.stderr.isatty()

    def follow(self, name: str, parts: Iterable[pa.Table]) -> Iterable[pa.Table]:
        """Pass the parts of a table on, one a block, and show how far it is."""
        rows, last = 0, 0.0
        for place, part in enumerate(parts):
            yield part
            rows += part.num_rows
            if self._shown and time.monotonic() - last > 0.2:
                last = time.monotonic()
                share = (place + 1) / self.blocks
                print(f"\r{name}: {share:4.0%}, {rows:,} rows", end="", file=sys.stderr, flush=True)
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)

    def done(self, name: str, rows: int) -> None:
        """Say that a table is there."""
        print(f"{name}: {rows:,} rows", flush=True)
