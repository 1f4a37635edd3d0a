"""Which notes are seen: CM2's rule as a plain loop, and the clean one."""

import csv
import json
import math
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

import sklar.data
from sklar.clinical.mimic3 import prepare_mimic3
from sklar.clinical.mimic3.notes import third


@pytest.fixture(scope="module")
def compat(mimic3_slice, tmp_path_factory):
    return prepare_mimic3(mimic3_slice, tmp_path_factory.mktemp("compat") / "out", threads=1)


@pytest.fixture(scope="module")
def clean(mimic3_slice, tmp_path_factory):
    return prepare_mimic3(mimic3_slice, tmp_path_factory.mktemp("clean") / "out", mode="clean", threads=1)


def _time(text):
    return datetime.fromisoformat(text)


@pytest.fixture(scope="module")
def stays(compat):
    table = pd.read_parquet(compat / "stages" / "all_stays.parquet").set_index("ICUSTAY_ID")
    zero = pd.read_parquet(compat / "stages" / "t0.parquet").set_index("ICUSTAY_ID")["T0"]
    return table.join(zero)


def _notes_of(raw, stay):
    with (raw / "NOTEEVENTS.csv").open(newline="") as stream:
        return [row for row in csv.DictReader(stream) if row["HADM_ID"] == str(stay["HADM_ID"])]


def _cm2(raw, stay):
    """Time in hours and text of the notes that CM2's code hands to its model."""
    if not isinstance(stay["T0"], str):
        return []
    by_time = {}
    for row in _notes_of(raw, stay):
        if row["CHARTTIME"] and row["TEXT"]:
            by_time[_time(row["CHARTTIME"])] = row["TEXT"]  # a later note of the same time overwrites
    zero, start = _time(stay["T0"]), _time(stay["INTIME"])
    kept = [(time, text) for time, text in sorted(by_time.items())
            if math.floor((time - zero).total_seconds() / 3600) <= 48]  # fmt: skip
    last = kept[-5:] if len(kept) > 5 else []
    return [((time - start).total_seconds() / 3600, text) for time, text in last]


def _clean(raw, stay, end):
    """What is charted and stored by the end, not in error, no discharge summary."""
    start, found = _time(stay["INTIME"]), []
    for row in _notes_of(raw, stay):
        if row["CHARTTIME"] and row["ISERROR"] != "1" and row["CATEGORY"] != "Discharge summary":
            known = max(_time(row["CHARTTIME"]), _time(row["STORETIME"] or row["CHARTTIME"]))
            hours = (known - start).total_seconds() / 3600
            found += [(hours, row["TEXT"])] if hours <= end else []
    return sorted(found)


def _seen(folder):
    table = pd.read_parquet(folder / "notes.parquet").sort_values(["series_id", "time"], kind="stable")
    return {stay: sorted(zip(rows["time"], rows["text"], strict=True)) for stay, rows in table.groupby("series_id")}


def _alike(mine, theirs):
    assert mine.keys() == theirs.keys()
    for stay, rows in theirs.items():
        assert [text for _, text in mine[stay]] == [text for _, text in rows]
        np.testing.assert_allclose([time for time, _ in mine[stay]], [time for time, _ in rows], rtol=1e-12, atol=1e-9)


@pytest.mark.parametrize("task", ["ihm", "readmission"])
def test_compat_follows_cm2(task, compat, mimic3_slice, stays):
    data = sklar.data.open(compat / task)
    expected = {stay: rows for stay in data.column("stay_id").tolist() if (rows := _cm2(mimic3_slice, stays.loc[stay]))}
    assert expected
    assert any(time > 48 for rows in expected.values() for time, _ in rows) or len(expected) < 2
    _alike(_seen(compat / task), expected)


def test_clean_sees_nothing_after_48_hours(clean, mimic3_slice, stays):
    data = sklar.data.open(clean / "ihm")
    expected = {stay: _clean(mimic3_slice, stays.loc[stay], 48) for stay in data.column("stay_id").tolist()}
    _alike(_seen(clean / "ihm"), {stay: rows for stay, rows in expected.items() if rows})


@pytest.mark.parametrize("task", ["phenotyping", "decompensation"])
def test_the_whole_stay_is_clean_in_both_modes(task, compat, mimic3_slice, stays):
    data = sklar.data.open(compat / task)
    ids = set(data.column("stay_id").tolist())
    expected = {stay: _clean(mimic3_slice, stays.loc[stay], 24 * stays.loc[stay]["LOS"]) for stay in ids}
    _alike(_seen(compat / task), {stay: rows for stay, rows in expected.items() if rows})


def test_a_note_in_the_dataset_counts_as_a_modality(clean):
    data = sklar.data.open(clean / "ihm")
    with_notes = set(_seen(clean / "ihm"))
    assert data.observed[:, data.names.index("notes")].tolist() == [
        s in with_notes for s in data.column("stay_id").tolist()
    ]


def test_only_the_drawn_third_has_notes_when_asked(mimic3_noted, shared, tmp_path):
    every = prepare_mimic3(mimic3_noted, tmp_path / "every", tasks="ihm", threads=1)
    drawn = prepare_mimic3(mimic3_noted, tmp_path / "drawn", tasks="ihm", note_sample=True, threads=1)
    golden = pd.read_csv(shared / "golden" / "mimic3-benchmarks" / "cm2" / "readmission.csv")
    third_ = set(golden[golden["in_note_sample"] == 1]["ICUSTAY_ID"])
    seen = set(_seen(drawn / "ihm"))
    assert seen == third_ & set(_seen(every / "ihm"))
    rows = pd.read_parquet(every / "ihm" / "samples.parquet")
    rows = rows[rows["stay_id"].isin(seen)]
    for out in (every, drawn):
        counted = json.loads((out / "cohort.json").read_text())["with_notes"]["ihm"]
        assert sum(part["rows"] for part in counted.values()) == len(seen) > 10
        assert sum(part["positives"] for part in counted.values()) == rows["in_hospital_death"].sum()


@pytest.mark.parametrize("number", [1, 5, 11, 41])
def test_the_third_is_the_published_draw(number):
    names = [f"{subject}_episode1_timeseries.csv" for subject in range(900, 900 + number)]
    order = np.random.RandomState(42).permutation(number)
    assert third(names[::-1]) == {sorted(names)[place] for place in order[: round(number / 3)]}


def test_without_the_table_the_modality_is_absent(mimic3_slice, tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    for file in mimic3_slice.iterdir():
        if file.name != "NOTEEVENTS.csv":
            (raw / file.name).symlink_to(file)
    out = prepare_mimic3(raw, tmp_path / "out", tasks="ihm", threads=1)
    data = sklar.data.open(out / "ihm")
    assert not data.observed[:, data.names.index("notes")].any()
