import gzip
import sys

import pytest

from sklar.clinical.tables import connect, find_file, load_csv

COLUMNS = {"number": "BIGINT", "words": "VARCHAR", "sure": "BOOLEAN"}


def test_cells_blanks_quotes_and_other_columns(tmp_path):
    text = 'Number,secret,words,sure\n1,x," a, ""b"" ",True\n,y,,f\n 3 ,z,"two\nlines",yes\n'
    (tmp_path / "T.csv.gz").write_bytes(gzip.compress(text.encode()))
    with connect() as connection:
        assert load_csv(connection, tmp_path, "t", COLUMNS).name == "T.csv.gz"
        rows = connection.execute("FROM t").fetchall()
    assert rows == [(1, 'a, "b"', True), (None, None, False), (3, "two\nlines", True)]


def test_a_first_quote_far_down(tmp_path):
    """A sniffer that looks at the first rows only would miss it."""
    (tmp_path / "t.csv").write_text("number,words,sure\n" + "1,plain,t\n" * 30_000 + '2,"a, b",f\n')
    with connect() as connection:
        load_csv(connection, tmp_path, "t", COLUMNS)
        assert connection.execute("SELECT count(*), max(words) FROM t").fetchall() == [(30_001, "plain")]
        assert connection.execute("SELECT words FROM t WHERE number = 2").fetchall() == [("a, b",)]


@pytest.mark.parametrize(("text", "message"), [
    ("", "is empty"), ("number,words,sure\n1,a,t", "truncated"), ("1,2,3\n", "lacks the column 'number'"),
    ("number,words\n1,a\n", "lacks the column 'sure'"),
    ("number,number,words,sure\n1,1,a,t\n", "distinct column names"),
    ("number,words,sure\n1,a,t\n2.0,a,t\nx,a,t\n", "column number, row 3 below the header: no BIGINT"),
    ("number,words,sure\n1,a,t\n1.5,a,t\nx,a,t\n", r"column number, row 2 below the header: no BIGINT \(2 such"),
    ("number,words,sure\n1,a,t\n1,secret,maybe\n", "column sure, row 2 below the header: no BOOLEAN"),
    ("number,words,sure\n1,a,t\n1,secret,t,4\n", r"t\.csv.*equally many cells"),
    ("number,words,sure\n1,a,t\n1,secret\n", r"t\.csv.*equally many cells"),
    ('number,words,sure\n1,"secret,t\n2,a,t\n', r"t\.csv.*equally many cells"),
])  # fmt: skip
def test_damage_is_named_without_the_cells(text, message, tmp_path):
    (tmp_path / "t.csv").write_text(text)
    with connect() as connection, pytest.raises(ValueError, match=message) as error:
        load_csv(connection, tmp_path, "t", COLUMNS)
    assert "secret" not in str(error.value)


def test_the_one_file_of_a_name(tmp_path):
    (tmp_path / "Sub").mkdir()
    (tmp_path / "Sub" / "A.CSV").write_text("x\n")
    assert find_file(tmp_path, "sub/a.csv.gz", "sub/a.csv") == tmp_path / "Sub" / "A.CSV"
    with pytest.raises(FileNotFoundError, match=r"no b\.csv"):
        find_file(tmp_path, "b.csv")


def test_without_duckdb(monkeypatch):
    monkeypatch.setitem(sys.modules, "duckdb", None)
    with pytest.raises(ImportError, match=r"pip install 'sklar\[clinical\]'"):
        connect()
