"""Malformed raw files stop with table, row and remedy, and leave nothing behind."""

import gzip
import json
import re
import shutil

import pytest

from sklar.clinical.mimic3 import prepare_mimic3


@pytest.fixture
def raw(mimic3_slice, tmp_path):
    return shutil.copytree(mimic3_slice, tmp_path / "raw")


def _edit(file, line, change):
    """Change one line below the header, counted from 1."""
    lines = file.read_bytes().split(b"\n")
    lines[line] = change(lines[line])
    file.write_bytes(b"\n".join(lines))


def _cell(file, line, column, value):
    header = file.read_text(encoding="utf-8").split("\n")[0].split(",")

    def change(row):
        cells = row.split(b",")
        cells[header.index(column)] = value
        return b",".join(cells)

    _edit(file, line, change)


def _stop(raw, tmp_path, message, **options):
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        prepare_mimic3(raw, tmp_path / "out", threads=1, **options)
    assert "plan unchanged" not in str(error.value)
    assert not (tmp_path / "out").exists()


NEEDED = ("PATIENTS", "ADMISSIONS", "ICUSTAYS", "DIAGNOSES_ICD", "D_ICD_DIAGNOSES", "CHARTEVENTS", "LABEVENTS",
          "OUTPUTEVENTS")  # fmt: skip


@pytest.mark.parametrize("table", NEEDED)
def test_missing_table(table, raw, tmp_path):
    (raw / f"{table}.csv").unlink()
    _stop(raw, tmp_path, rf"no {table}\.csv\.gz or {table}\.csv .*download complete")


COLUMN = [("ICUSTAYS", "LAST_WARDID"), ("CHARTEVENTS", "VALUEUOM"), ("NOTEEVENTS", "ISERROR"), ("PATIENTS", "DOB")]


@pytest.mark.parametrize(("table", "column"), COLUMN)
def test_missing_column(table, column, raw, tmp_path):
    _edit(raw / f"{table}.csv", 0, lambda header: header.replace(column.encode(), b"X"))
    _stop(raw, tmp_path, rf"{table}\.csv lacks the column {column} .*download it again")


@pytest.mark.parametrize("table", ["CHARTEVENTS", "NOTEEVENTS", "ADMISSIONS"])
@pytest.mark.parametrize("share", [0.4, 0.99, 0.0])
def test_truncated_gzip(table, share, raw, tmp_path):
    file = raw / f"{table}.csv"
    packed = gzip.compress(file.read_bytes())
    (raw / f"{table}.csv.gz").write_bytes(packed[: int(share * len(packed))])
    file.unlink()
    _stop(raw, tmp_path, rf"{table}\.csv\.gz.*download it again")


def test_truncated_plain_file(raw, tmp_path):
    file = raw / "LABEVENTS.csv"
    file.write_bytes(file.read_bytes()[:-3])
    _stop(raw, tmp_path, r"LABEVENTS\.csv is truncated.*download it again")


TEXT = [
    ("ICUSTAYS", "LOS", b"long", "DOUBLE"), ("ICUSTAYS", "INTIME", b"noon", "TIMESTAMP"),
    ("CHARTEVENTS", "ITEMID", b"pulse", "INTEGER"), ("CHARTEVENTS", "CHARTTIME", b"2100-13-01 00:00:00", "TIMESTAMP"),
    ("LABEVENTS", "HADM_ID", b"none", "INTEGER"), ("OUTPUTEVENTS", "SUBJECT_ID", b"99999999999", "INTEGER"),
    ("ADMISSIONS", "HADM_ID", b"1.5", "INTEGER"), ("CHARTEVENTS", "HADM_ID", b"142345.5", "INTEGER"),
]  # fmt: skip


@pytest.mark.parametrize(("table", "column", "value", "kind"), TEXT)
def test_text_in_a_numeric_column(table, column, value, kind, raw, tmp_path):
    _cell(raw / f"{table}.csv", 3, column, value)
    _stop(raw, tmp_path, rf"{table}\.csv, (line 4|row 3 below the header).*column {column}.*{kind}")


TWICE = [
    ("ICUSTAYS", "ICUSTAY_ID"),
    ("ADMISSIONS", "HADM_ID"),
    ("PATIENTS", "SUBJECT_ID"),
    ("D_ICD_DIAGNOSES", "ICD9_CODE"),
]


@pytest.mark.parametrize(("table", "column"), TWICE)
def test_duplicated_identifiers(table, column, raw, tmp_path):
    file = raw / f"{table}.csv"
    lines = file.read_text(encoding="utf-8").split("\n")
    file.write_text("\n".join([*lines[:4], lines[2], *lines[4:]]), encoding="utf-8")
    _stop(raw, tmp_path, rf"{table}\.csv, row 2 below the header: {column} occurs twice \(2 such rows\); keep one")


def test_a_stay_that_ends_before_it_starts(raw, tmp_path):
    _cell(raw / "ICUSTAYS.csv", 2, "OUTTIME", b"1900-01-01 00:00:00")
    _stop(raw, tmp_path, r"ICUSTAYS\.csv, row 2 below the header: the stay ends before it starts; correct INTIME")


def test_notes_that_are_not_utf_8(raw, tmp_path):
    file = raw / "NOTEEVENTS.csv"
    file.write_bytes(file.read_bytes().replace(b"Entry 4", b"Entr\xe9e 4", 1))
    _stop(raw, tmp_path, r"NOTEEVENTS\.csv, line \d+: not UTF-8; convert the file")


def test_two_spellings_of_one_table(raw, tmp_path):
    shutil.copy(raw / "LABEVENTS.csv", raw / "labevents.CSV")
    _stop(raw, tmp_path, r"has (LABEVENTS\.csv and labevents\.CSV|labevents\.CSV and LABEVENTS\.csv): keep the one")


def test_a_row_with_other_cells(raw, tmp_path):
    _edit(raw / "CHARTEVENTS.csv", 5, lambda row: row + b",x,y,z")
    _stop(raw, tmp_path, r"CHARTEVENTS\.csv, line 6: not a CSV table with a header and equally many cells")


def test_an_admission_that_is_lacking_is_counted(raw, tmp_path):
    file = raw / "ADMISSIONS.csv"
    lines = file.read_text(encoding="utf-8").split("\n")
    file.write_text("\n".join([lines[0], *lines[2:]]), encoding="utf-8")
    out = prepare_mimic3(raw, tmp_path / "out", tasks="ihm", threads=1)
    assert json.loads((out / "cohort.json").read_text())["stays_without_admission"] == 1


@pytest.mark.parametrize("how", ["lower", "gzip", "crlf", "quoted"])
def test_spelling_packing_and_quotes_do_not_matter(how, mimic3_slice, raw, tmp_path):
    first = prepare_mimic3(mimic3_slice, tmp_path / "first", tasks="ihm", threads=1)
    for file in list(raw.iterdir()):
        head, _, rest = file.read_bytes().partition(b"\n")
        if how == "lower":
            file.rename(raw / f"{file.stem.lower()}.CSV")
            (raw / f"{file.stem.lower()}.CSV").write_bytes(head.lower() + b"\n" + rest)
        elif how == "gzip":
            (raw / f"{file.name}.gz").write_bytes(gzip.compress(head + b"\n" + rest))
            file.unlink()
        elif how == "crlf" and file.stem != "NOTEEVENTS":
            file.write_bytes((head + b"\n" + rest).replace(b"\n", b"\r\n"))
        elif how == "quoted":
            file.write_bytes(re.sub(rb"(\w+)", rb'"\1"', head) + b"\n" + rest)
    second = prepare_mimic3(raw, tmp_path / "second", tasks="ihm", threads=1)
    stages = [json.loads((out / "cohort.json").read_text())["stages"] for out in (first, second)]
    assert stages[0] == stages[1]


def test_options_out_of_range(raw, tmp_path):
    _stop(raw, tmp_path, "choose of ihm", tasks="mortality")
    _stop(raw, tmp_path, "2GB", memory="much")
    splits = tmp_path / "splits.csv"
    splits.write_text("SUBJECT_ID,split\n10006,holdout\n")
    _stop(raw, tmp_path, "'holdout'; give train, val or test", splits=splits)
    splits.write_text("SUBJECT_ID,part\n10006,train\n")
    _stop(raw, tmp_path, "needs the columns SUBJECT_ID and split", splits=splits)
    splits.write_text("SUBJECT_ID,split\n10006,train\n10006,test\n")
    _stop(raw, tmp_path, "10006 occurs twice", splits=splits)


def test_other_peoples_folders_are_kept(raw, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="not made by sklar prepare mimic3"):
        prepare_mimic3(raw, tmp_path / "out", threads=1)
    assert (tmp_path / "out" / "thesis.txt").read_text() == "years of work"
