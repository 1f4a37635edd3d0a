"""Progress, the memory limit, and content hashes."""

import hashlib
import io
import json
import time

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sklar.clinical.mimic3.content import content_hash
from sklar.clinical.mimic3.engine import Progress, open_engine, query


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_line_a_step_and_a_bar_on_a_terminal(tmp_path):
    connection = open_engine(tmp_path, "1GB", 1)
    for stream, bars in ((io.StringIO(), False), (Terminal(), True)):
        progress = Progress(2, stream)
        with progress.step("first", connection):
            time.sleep(0.7)
        progress.skip("second")
        said = stream.getvalue()
        assert ("[1/2] first [" in said) == bars
        assert "[1/2] first: 0." in said
        assert said.endswith("[2/2] second: done before\n")


def test_the_memory_limit_is_handed_to_duckdb(tmp_path):
    connection = open_engine(tmp_path, "256MB", 1)
    [(limit, threads, folder)] = connection.execute(
        "SELECT current_setting('memory_limit'), current_setting('threads'), current_setting('temp_directory')"
    ).fetchall()
    assert (limit, threads, folder) == ("244.1 MiB", 1, str(tmp_path))
    with pytest.raises(ValueError, match="give them like 2GB and 4"):
        open_engine(tmp_path, "a lot", None)


def test_queries_end_with_one_result():
    *before, last = query("phenotype_labels")
    assert all(statement.startswith(("--", "CREATE")) for statement in before)
    assert last.startswith("FROM labels")


def test_a_content_hash_is_of_the_rows(tmp_path):
    connection = duckdb.connect(config={"threads": 1})

    def hash_of(**columns):
        pq.write_table(pa.table(columns), tmp_path / "a.parquet", row_group_size=2, compression="none")
        return content_hash(connection, tmp_path / "a.parquet")

    first = hash_of(a=[1, 2, 2], b=["x", None, "y"])
    lines = ["a\nb", *(json.dumps(row, separators=(",", ":")) for row in (["1", "x"], ["2", None], ["2", "y"]))]
    sums = [hashlib.md5(line.encode()).digest() for line in lines]
    total = int.from_bytes(sums[0], "big") + sum(int.from_bytes(part, "little") for part in sums[1:])
    assert first == (3, f"{total % 2**128:032x}")
    assert hash_of(a=[2, 1, 2], b=["y", "x", None]) == first
    others = [
        hash_of(a=[1, 2, 2], b=["x", "", "y"]),
        hash_of(a=[1, 2, 2], c=["x", None, "y"]),
        hash_of(a=[1, 2], b=["x", None]),
        hash_of(a=[1, 2, 2], b=["y", None, "x"]),
        hash_of(a=[1, 2, 2, 2], b=["x", None, "y", "y"]),
    ]
    assert first not in others
    assert len({text for _, text in others}) == len(others)
