"""Compat on constructed raw tables beside what the published scripts make of them."""

import csv
import json

import numpy as np
import pandas as pd
import pytest

import sklar.data
from sklar.clinical.mimic3 import prepare_mimic3
from sklar.clinical.mimic3.tensor import discretise

STOPS = {  # table, row below the header, value
    "stop_on_bad_pressure": ("CHARTEVENTS", None, None),
    "stop_on_text_number": ("CHARTEVENTS", None, "'room air'"),
    "missing_ethnicity": ("ADMISSIONS", None, "''"),
    "code_without_group": ("DIAGNOSES_ICD", 2, "'V99XX'"),
}
CASES = [
    "transfers_before_counting", "age", "mortality_flags", "validate_rows", "ties_text_order", "all_numeric_subject",
    "clean_fio2", "clean_temperature", "clean_weight_height", "clean_capillary_refill", "clean_o2_saturation",
    "clean_lab_text", "clean_numeric_negative", "clean_blood_pressure", "uncleaned_text_kept", "outliers_kept",
    "missing_words", "readings_outside_stay", "subject_without_events", "all_events_dropped", "no_mapped_events",
    "stay_without_diagnoses", "subject_without_diagnoses", "numeric_codes_subject", "ihm_window", "sampling_hourly",
    "missing_length_of_stay", "ethnicity_gender_codes", "cm2_readmission_and_t0", "chunks_of_131072_rows",
    "chunks_float_block",
]  # fmt: skip
LISTS = {
    "in_hospital_mortality": "ihm", "decompensation": "decompensation", "length_of_stay": "length_of_stay",
    "phenotyping": "phenotyping", "multitask": "multitask",
}  # fmt: skip


@pytest.fixture(scope="module")
def quirks(shared):
    return shared / "golden" / "mimic3-benchmarks" / "quirks"


@pytest.fixture(scope="module")
def prepared(quirks, tmp_path_factory):
    """Prepares a case once."""
    done = {}

    def prepare(name):
        if name not in done:
            done[name] = prepare_mimic3(quirks / name / "input", tmp_path_factory.mktemp(name) / "out", threads=1)
        return done[name]

    return prepare


def _expected(file):
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


def _rows(out, name):
    table = pd.read_parquet(out / "stages" / f"{name}.parquet")
    return table.astype(object).where(table.notna(), "").map(str).to_dict("records")


def _as_set(rows):
    return sorted(tuple(sorted(row.items())) for row in rows)


def _alike(value):
    """A cell without what pandas adds: midnight left out, whole numbers as floats."""
    value = value.removesuffix(" 00:00:00")
    try:
        return repr(float(value))
    except ValueError:
        return value


def test_every_case_is_tested(quirks):
    left_out = {"run_twice"}  # it is of appending to files
    elsewhere = {"discretizer_edges"}
    assert {path.name for path in quirks.iterdir()} == {*CASES, *STOPS} | left_out | elsewhere


@pytest.mark.parametrize("name", CASES)
def test_stays_and_diagnoses(name, quirks, prepared):
    out = prepared(name)
    for stage in ("all_stays", "diagnoses"):
        mine = [{key: _alike(value) for key, value in row.items()} for row in _rows(out, stage)]
        theirs = [
            {key: _alike(value) for key, value in row.items()}
            for row in _expected(quirks / name / "expected" / f"{stage}.csv")
        ]
        assert _as_set(mine) == _as_set(theirs)


def _printed(quirks, name, stage):
    lines = json.loads((quirks / name / "expected" / "result.json").read_text())["stages"][stage]["printed"]
    return [line.split(": ") for line in lines if ": " in line]


@pytest.mark.parametrize("name", CASES)
def test_counts(name, quirks, prepared):
    cohort = json.loads((prepared(name) / "cohort.json").read_text())
    printed = [(key, int(value)) for key, value in _printed(quirks, name, "extract_subjects")]
    mine = [(key, value) for step in cohort["exclusions"] for key, value in step.items() if key != "step"]
    assert mine == printed
    if counted := _printed(quirks, name, "validate_events"):  # nothing where the script fails
        assert cohort["validate_events"] == {key: int(value) for key, value in counted}


@pytest.mark.parametrize("name", CASES)
def test_series(name, quirks, prepared):
    file = quirks / name / "expected" / "timeseries.csv"
    theirs = _expected(file) if file.exists() else []
    mine = _rows(prepared(name), "timeseries")
    for row in mine:
        del row["ICUSTAY_ID"], row["Hours_text"]
    assert _as_set(mine) == _as_set(theirs)


@pytest.mark.parametrize("name", CASES)
def test_static_table(name, quirks, prepared):
    file = quirks / name / "expected" / "episodes.csv"
    theirs = _expected(file) if file.exists() else []
    mine = _rows(prepared(name), "episodes")
    for row in mine:
        assert row.pop("split") == "train"
    for row in (*mine, *theirs):  # stays.csv is read back by a parser that is not exactly rounding
        row["Age"] = f"{float(row['Age']):.12g}"
    alike = [[{key: _alike(value) for key, value in row.items()} for row in rows] for rows in (mine, theirs)]
    assert _as_set(alike[0]) == _as_set(alike[1])


@pytest.mark.parametrize("name", CASES)
def test_lists(name, quirks, prepared):
    out = prepared(name)
    for theirs, mine in LISTS.items():
        rows = _rows(out, mine)
        for row in rows:
            assert row.pop("split") == "train"
            del row["ICUSTAY_ID"]
        assert _as_set(rows) == _as_set(_expected(quirks / name / "expected" / f"list_{theirs}.csv")), theirs


@pytest.mark.parametrize("name", CASES)
def test_rows_that_tasks_see(name, quirks, prepared):
    kept = json.loads((quirks / name / "expected" / "result.json").read_text())["hours_kept_per_task"]
    out = prepared(name)
    series = pd.read_parquet(out / "stages" / "timeseries.parquet")
    seen = pd.read_parquet(out / "stages" / "series_rows.parquet")
    for theirs, mine in LISTS.items():
        found = {}
        for _, (stay, first, last) in seen[seen["task"] == mine][["ICUSTAY_ID", "first_row", "last_row"]].iterrows():
            rows = series[(series["ICUSTAY_ID"] == stay) & series["row"].between(first, last)].sort_values("row")
            name_ = f"{rows['SUBJECT_ID'].iloc[0]}_episode{rows['episode'].iloc[0]}_timeseries.csv"
            found[name_] = rows["Hours_text"].tolist()
        assert found == kept.get(theirs, {}), theirs


def test_readmission_and_time_zero(quirks, prepared):
    name = "cm2_readmission_and_t0"
    out = prepared(name)
    mine = {(row["stay"], row["ICUSTAY_ID"], row["y_true"]) for row in _rows(out, "readmission")}
    theirs = _expected(quirks / name / "expected" / "list_readmission.csv")
    assert mine == {(row["stay"], row["stay_id"], row["y_true"]) for row in theirs}
    zero = [{key: row[key] for key in ("SUBJECT_ID", "episode", "T0")} for row in _rows(out, "t0")]
    assert _as_set(zero) == _as_set(_expected(quirks / name / "expected" / "t0.csv"))


@pytest.mark.parametrize("name", STOPS)
def test_compat_stops_where_the_scripts_stop(name, quirks, tmp_path):
    table, row, value = STOPS[name]
    with pytest.raises(ValueError, match=rf"{table}\.csv.*row {row or '[0-9]+'} below the header") as error:
        prepare_mimic3(quirks / name / "input", tmp_path / "out", threads=1)
    assert value is None or value in str(error.value)
    assert "--mode clean" in str(error.value)
    assert not (tmp_path / "out").exists()


def test_the_other_lists_of_a_code_without_group(quirks, tmp_path):
    name = "code_without_group"
    tasks = ["ihm", "length_of_stay", "decompensation"]
    out = prepare_mimic3(quirks / name / "input", tmp_path / "out", tasks=tasks, threads=1)
    for theirs in ("in_hospital_mortality", "length_of_stay", "decompensation"):
        rows = [{key: value for key, value in row.items() if key not in ("split", "ICUSTAY_ID")}
                for row in _rows(out, LISTS[theirs])]  # fmt: skip
        assert _as_set(rows) == _as_set(_expected(quirks / name / "expected" / f"list_{theirs}.csv"))


def test_what_the_published_discretiser_refuses_is_counted(prepared):
    cohort = json.loads((prepared("all_numeric_subject") / "cohort.json").read_text())
    assert cohort["unread"] == {"Glascow coma scale total": 1}
    values = sklar.data.open(prepared("all_numeric_subject") / "ihm")[:].inputs["ehr"]
    assert (values[..., 59:][..., 5] == 0).all()  # the mask of the coma scale's total


def _edges(quirks, name):
    rows = _expected(quirks / "discretizer_edges" / "input" / f"{name}.csv")
    hours = [float(row.pop("Hours")) for row in rows]
    return hours, {name: [row[name] or None for row in rows] for name in rows[0]}


def test_edges_of_the_discretiser(quirks):
    reference = np.load(quirks / "discretizer_edges" / "expected" / "tensors.npz", allow_pickle=False)
    for key in reference:
        name, step, how, *option = key.split("__")
        hours, cells = _edges(quirks, name)
        options = {"end_none": {"end": None}, "relative": {"relative": True}}[option[0]] if option else {}
        tensor = discretise(hours, cells, step=float(step.removesuffix("h")), how=how, **options)
        np.testing.assert_array_equal(tensor, reference[key], err_msg=key)


REFUSED = {
    "gcs_total_15.0": ([1.0], {"Glascow coma scale total": ["15.0"]}, {}),
    "eye_unknown_text": ([1.0], {"Glascow coma scale eye opening": ["Winks"]}, {}),
    "eye_trailing_blank": ([1.0], {"Glascow coma scale eye opening": ["Spontaneously "]}, {}),
    "heart_rate_text": ([1.0], {"Heart Rate": ["fast"]}, {}),
    "crr_0": ([1.0], {"Capillary refill rate": ["0"]}, {}),
    "unsorted": ([2.0, 1.0], {"Heart Rate": ["80", "81"]}, {}),
    "relative_start_one_row_no_end": ([1.0], {"Heart Rate": ["80"]}, {"end": None, "relative": True}),
}
ACCEPTED = {  # hours of the only reading, sum of the masks
    "negative_time": (-0.5, 1), "tiny_negative_time": (-1e-7, 1), "time_beyond_end_only": (49.0, 0),
}  # fmt: skip


def _row(quirks, hours, cells):
    _, every = _edges(quirks, "late_only")
    return hours, {name: cells.get(name, [None] * len(hours)) for name in every}


def test_rows_that_the_discretiser_refuses(quirks):
    errors = json.loads((quirks / "discretizer_edges" / "expected" / "errors.json").read_text())
    assert {name for name, result in errors.items() if result["error"]} == {*REFUSED}
    assert {name for name, result in errors.items() if not result["error"]} == {*ACCEPTED}
    for hours, cells, options in REFUSED.values():
        series = _row(quirks, hours, cells)
        with pytest.raises(ValueError, match=r"order|extent|category"):
            discretise(*series, **options)
    for hour, masks in ACCEPTED.values():
        tensor = discretise(*_row(quirks, [hour], {"Heart Rate": ["80"]}))
        assert tensor[:, 59:].sum() == masks


def test_a_small_negative_time_lands_in_bin_0(quirks):
    tensor = discretise(*_row(quirks, [-1e-7], {"Heart Rate": ["80"]}))
    assert tensor[0, 59 + 8] == 1
