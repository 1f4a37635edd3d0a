"""Published counts: which data they are of, and what is compared."""

import copy
import csv
import gzip
from importlib.resources import as_file, files

import pyarrow.parquet as pq
import pytest

from sklar.clinical.mimic3.published import DEMO, FULL, KEPT, RAW_ROWS, expected, recognise

PARTS = ("train", "val", "test")


def _tables(name, notes=True):
    tables = {table: {"rows": rows} for table, rows in RAW_ROWS[name].items()}
    return tables | ({"NOTEEVENTS": {"rows": 2_083_180}} if notes else {})


@pytest.fixture
def cohort():
    """What ``cohort.json`` must say of MIMIC-III v1.4: the numbers of the papers, written out."""
    rows = dict(zip(PARTS, (14_681, 3_222, 3_236), strict=True))
    noted = dict(zip(PARTS, (3_652, 815, 806), strict=True))
    return {
        "tables": _tables(FULL),
        "settings": {"mode": "compat", "splits": None, "readmission": "cm2"},
        "exclusions": [
            {"step": "START", "ICUSTAY_IDs": 61_532, "HADM_IDs": 57_786, "SUBJECT_IDs": 46_476},
            {"step": "REMOVE PATIENTS AGE < 18", "ICUSTAY_IDs": 42_276, "HADM_IDs": 42_276, "SUBJECT_IDs": 33_798},
        ],
        "validate_events": {
            "n_events": 253_116_833, "empty_hadm": 5_162_703, "no_hadm_in_stay": 32_266_173, "no_icustay": 15_735_688,
            "recovered": 15_735_688, "could_not_recover": 0, "icustay_missing_in_stays": 7_115_720,
        },
        "tasks": {
            "ihm": {part: {"rows": rows[part], "positives": 2_795 if part == "test" else 0} for part in PARTS},
            "readmission": {part: {"rows": rows[part], "positives": 3_987 if part == "test" else 0} for part in PARTS},
            "phenotyping": {"train": {"rows": 30_000}, "val": {"rows": 5_621}, "test": {"rows": 6_281}},
        },
        "with_notes": {
            "ihm": {part: {"rows": noted[part], "positives": 736 if part == "val" else 0} for part in PARTS},
            "readmission": {part: {"rows": noted[part], "positives": 998 if part == "val" else 0} for part in PARTS},
        },
    }  # fmt: skip


def test_the_papers_numbers_are_as_published(cohort):
    found = list(expected(recognise(cohort["tables"]), cohort))
    assert len(found) == 2 + 7 + 4 + 8 + 8
    assert all(here == there for _, here, there in found)
    assert ("ihm, train and val", 17_903, 17_903) in found


@pytest.mark.parametrize("change", [
    ("exclusions", 1, "SUBJECT_IDs"), ("validate_events", "recovered"),
    ("tasks", "ihm", "train", "rows"), ("tasks", "readmission", "test", "positives"),
    ("tasks", "phenotyping", "test", "rows"), ("with_notes", "ihm", "val", "rows"),
])  # fmt: skip
def test_a_number_that_differs(change, cohort):
    wrong = copy.deepcopy(cohort)
    place = wrong
    for key in change[:-1]:
        place = place[key]
    place[change[-1]] += 1
    assert any(here != there for _, here, there in expected(FULL, wrong))


def test_what_is_not_published_is_not_judged(cohort):
    other = _tables(FULL)
    other["ICUSTAYS"]["rows"] -= 1
    assert recognise(other) is None
    assert list(expected(None, cohort)) == []
    for change in ({"mode": "clean"}, {"splits": "mine.csv"}):
        changed = cohort | {"settings": cohort["settings"] | change}
        assert {what.partition(",")[0] for what, *_ in expected(FULL, changed)} == {"events", "kept"}
    without = cohort | {"tables": _tables(FULL, notes=False)}
    assert not any("notes" in what for what, *_ in expected(FULL, without))


def test_the_demos_files_have_the_rows_it_is_known_by(shared):
    tables = {}
    for table in RAW_ROWS[DEMO]:
        with gzip.open(shared / "data" / "mimic3-demo" / f"{table}.csv.gz", "rt", newline="") as stream:
            tables[table] = {"rows": sum(1 for _ in csv.reader(stream)) - 1}
    assert recognise(tables) == DEMO


def test_the_official_list_is_of_the_patients_that_the_paper_counts():
    with as_file(files("sklar.clinical.mimic3").joinpath("facts", "official_split.parquet")) as file:
        assert pq.read_metadata(file).num_rows == KEPT["SUBJECT_IDs"]
