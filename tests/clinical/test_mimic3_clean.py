"""What clean mends, each on a made-up stay."""

import csv
import json
from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest

import sklar.data
from sklar.clinical.mimic3 import prepare_mimic3, verify_mimic3

START = datetime(2100, 1, 1)
HEADERS = {
    "PATIENTS": "ROW_ID,SUBJECT_ID,GENDER,DOB,DOD",
    "ADMISSIONS": "ROW_ID,SUBJECT_ID,HADM_ID,ADMITTIME,DISCHTIME,DEATHTIME,ETHNICITY,DIAGNOSIS",
    "ICUSTAYS": "ROW_ID,SUBJECT_ID,HADM_ID,ICUSTAY_ID,DBSOURCE,FIRST_CAREUNIT,LAST_CAREUNIT,FIRST_WARDID,LAST_WARDID,"
    "INTIME,OUTTIME,LOS",
    "DIAGNOSES_ICD": "ROW_ID,SUBJECT_ID,HADM_ID,SEQ_NUM,ICD9_CODE",
    "D_ICD_DIAGNOSES": "ROW_ID,ICD9_CODE,SHORT_TITLE,LONG_TITLE",
    "CHARTEVENTS": "ROW_ID,SUBJECT_ID,HADM_ID,ICUSTAY_ID,ITEMID,CHARTTIME,VALUE,VALUEUOM,ERROR",
    "LABEVENTS": "ROW_ID,SUBJECT_ID,HADM_ID,ITEMID,CHARTTIME,VALUE,VALUEUOM",
    "OUTPUTEVENTS": "ROW_ID,SUBJECT_ID,HADM_ID,ICUSTAY_ID,ITEMID,CHARTTIME,VALUE,VALUEUOM",
}


def _at(hour):
    return (START + timedelta(hours=hour)).isoformat(sep=" ")


@pytest.fixture
def made(tmp_path):
    """Prepares a stay of three days in clean mode; ``events`` are (item, hour, value, unit, error)."""

    def make(events=(), labs=(), mode="clean", tasks="ihm", **changes):
        subject = {"SUBJECT_ID": 900001, "HADM_ID": 990001, "ICUSTAY_ID": 980001}
        base = {
            "PATIENTS": [subject | {"GENDER": "F", "DOB": "2050-01-01 00:00:00"}],
            "ADMISSIONS": [subject | {"ADMITTIME": _at(-1), "DISCHTIME": _at(100), "ETHNICITY": "WHITE"}],
            "ICUSTAYS": [subject | {"INTIME": _at(0), "OUTTIME": _at(72), "LOS": 3.0, "FIRST_CAREUNIT": "MICU",
                                    "LAST_CAREUNIT": "MICU", "FIRST_WARDID": 1, "LAST_WARDID": 1}],
            "DIAGNOSES_ICD": [subject | {"SEQ_NUM": 1, "ICD9_CODE": "4019"}],
            "D_ICD_DIAGNOSES": [{"ICD9_CODE": code} for code in ("4019", "V5861", "V99XX")],
            "CHARTEVENTS": [subject | {"ITEMID": item, "CHARTTIME": _at(hour), "VALUE": value, "VALUEUOM": unit,
                                       "ERROR": error} for item, hour, value, unit, error in
                            ((211, 1, "80", "bpm", ""), *((*event, "", "")[:5] for event in events))],
            "LABEVENTS": [subject | {"ITEMID": item, "CHARTTIME": _at(hour), "VALUE": value}
                          for item, hour, value in labs],
            "OUTPUTEVENTS": [],
        }  # fmt: skip
        for table, rows in changes.items():
            base[table] = [*base[table][: -len(rows) or None], *({**base[table][0], **row} for row in rows)] \
                if table in ("PATIENTS", "ADMISSIONS") else [subject | row for row in rows]  # fmt: skip
        raw = tmp_path / "raw"
        raw.mkdir(exist_ok=True)
        for table, header in HEADERS.items():
            names = header.split(",")
            with (raw / f"{table}.csv").open("w", newline="") as stream:
                writer = csv.DictWriter(stream, names, extrasaction="ignore", restval="", lineterminator="\n")
                writer.writeheader()
                writer.writerows([{"ROW_ID": number, **row} for number, row in enumerate(base[table])])
        return prepare_mimic3(raw, tmp_path / "out", mode=mode, tasks=tasks, threads=1)

    return make


def _series(out, name):
    table = pd.read_parquet(out / "stages" / "timeseries.parquet")
    return {hour: value for hour, value in zip(table["Hours"], table[name], strict=True) if not pd.isna(value)}


def _dropped(out):
    return json.loads((out / "cohort.json").read_text())["clean"]["dropped"]


FIO2, TEMPERATURE, HEIGHT, HEIGHT_CM, POUNDS, KILOS, SYSTOLIC, REFILL, EYE, MOTOR, VERBAL, TOTAL = (
    223835, 678, 226707, 226730, 226531, 763, 455, 115, 184, 454, 723, 198,
)  # fmt: skip

VALUES = [  # variable, item, value, unit, what it is
    ("Fraction inspired oxygen", FIO2, "0.5", "", 0.5), ("Fraction inspired oxygen", FIO2, "50", "", 0.5),
    ("Fraction inspired oxygen", FIO2, "100", "%", 1.0), ("Fraction inspired oxygen", FIO2, " 40 ", "", 0.4),
    ("Temperature", TEMPERATURE, "98.6", "Deg. F", 37.0), ("Temperature", TEMPERATURE, "37.5", "", 37.5),
    ("Height", HEIGHT, "70", "Inch", 177.8), ("Height", HEIGHT, "170", "Inch", 170.0),
    ("Height", HEIGHT_CM, "170", "cm", 170.0), ("Weight", POUNDS, "150", "", 150 * 0.453592),
    ("Weight", KILOS, "70", "kg", 70.0), ("Systolic blood pressure", SYSTOLIC, "120/80", "", 120.0),
    ("Capillary refill rate", REFILL, "Brisk ", "", 0.0), ("Capillary refill rate", REFILL, "delayed", "", 1.0),
    ("Oxygen saturation", 646, "0.97", "", 97.0), ("Heart Rate", 211, "80.5", "", 80.5),
]  # fmt: skip


@pytest.mark.parametrize(("variable", "item", "value", "unit", "expected"), VALUES)
def test_units_and_blanks(variable, item, value, unit, expected, made):
    found = _series(made([(item, 5, value, unit)]), variable)
    assert float(found[5.0]) == pytest.approx(expected, rel=1e-12)


NO_NUMBER = "neither a number nor a known word"
DROPPED = [  # item, hour, value, unit, error, why
    (211, 5, "900", "", "", "out of range"), (211, 5, "0", "", "", "out of range"),
    (FIO2, 5, "5", "", "", "out of range"), (FIO2, 5, "300", "torr", "", "another unit"),
    (211, 5, "fast", "", "", NO_NUMBER), (SYSTOLIC, 5, "120/x", "", "", NO_NUMBER),
    (EYE, 5, "Winks", "", "", NO_NUMBER), (211, 5, "inf", "", "", NO_NUMBER),
    (211, 5, "90", "", "1", "charted in error"), (211, -1, "90", "", "", "outside the stay"),
    (211, 72.5, "90", "", "", "outside the stay"), (TEMPERATURE, 5, "50", "", "", "out of range"),
]  # fmt: skip


@pytest.mark.parametrize(("item", "hour", "value", "unit", "error", "why"), DROPPED)
def test_what_is_dropped_is_counted(item, hour, value, unit, error, why, made):
    out = made([(item, hour, value, unit, error)])
    assert [(reason, sum(counts.values())) for reason, counts in _dropped(out).items()] == [(why, 1)]
    assert pd.read_parquet(out / "stages" / "timeseries.parquet")["Hours"].tolist() == [1.0]


def test_urine_is_no_blood(made):
    out = made(labs=[(51478, 5, "100"), (50931, 6, "120"), (51094, 5, "6.5"), (50820, 6, "7.4")])
    assert _series(out, "Glucose") == {6.0: "120.0"}
    assert _series(out, "pH") == {6.0: "7.4"}
    assert _dropped(out) == {"of urine or another fluid": {"Glucose": 1, "pH": 1}}


@pytest.mark.parametrize(("values", "expected"), [
    (("99", "100"), 99.5), (("9", "15", "100"), 15.0), (("120", "118", "900"), 119.0),
])  # fmt: skip
def test_several_values_of_one_time_give_their_median(values, expected, made):
    out = made([(211, 5, value) for value in values])
    assert float(_series(out, "Heart Rate")[5.0]) == expected
    assert json.loads((out / "cohort.json").read_text())["clean"]["times_with_several_values"] == 1


def test_one_wording_of_the_coma_scale_and_its_total(made):
    out = made([
        (220739, 5, "Spontaneously"), (223901, 5, "Obeys Commands"), (223900, 5, "Oriented"),
        (220739, 6, "None"), (223901, 6, "No response"), (223900, 6, "No Response-ETT"),
        (EYE, 7, "3 To speech"), (EYE, 7, "1 No Response"), (TOTAL, 8, "15.0"),
    ])  # fmt: skip
    assert _series(out, "Glascow coma scale eye opening") == {
        5.0: "4 Spontaneously", 6.0: "1 No Response", 7.0: "1 No Response",
    }  # fmt: skip
    assert _series(out, "Glascow coma scale motor response") == {5.0: "6 Obeys Commands", 6.0: "1 No Response"}
    assert _series(out, "Glascow coma scale verbal response") == {5.0: "5 Oriented", 6.0: "1.0 ET/Trach"}
    assert _series(out, "Glascow coma scale total") == {5.0: "15", 8.0: "15"}  # nothing for who cannot speak
    cohort = json.loads((out / "cohort.json").read_text())
    assert not cohort["unread"]
    assert (cohort["clean"]["coma_scale_totals"], cohort["clean"]["coma_scale_totals_charted"]) == (2, 1)


def test_ages_over_89(made):
    out = made(PATIENTS=[{"SUBJECT_ID": 900001, "DOB": "1800-01-01 00:00:00"}])
    assert pd.read_parquet(out / "stages" / "all_stays.parquet")["AGE"].tolist() == [91.4]


def test_a_death_at_home_on_the_day_of_discharge(made):
    discharge = (START + timedelta(hours=100)).date()
    out = made(PATIENTS=[{"SUBJECT_ID": 900001, "DOD": f"{discharge} 00:00:00"}])
    assert pd.read_parquet(out / "stages" / "ihm.parquet")["y_true"].tolist() == [0]
    assert json.loads((out / "cohort.json").read_text())["clean"]["deaths_by_date_alone_not_counted"] == 1


@pytest.mark.parametrize(("hour", "rows"), [(47, 0), (48.5, 1)])
def test_who_is_dead_at_48_hours_is_not_predicted(hour, rows, made):
    out = made(ADMISSIONS=[{"DEATHTIME": _at(hour)}])
    assert len(pd.read_parquet(out / "stages" / "ihm.parquet")) == rows


def test_where_compat_stops_clean_counts(made):
    codes = [{"SEQ_NUM": 1, "ICD9_CODE": "4019"}, {"SEQ_NUM": 2, "ICD9_CODE": "V99XX"}]
    options = {"events": [(FIO2, 5, "room air"), (SYSTOLIC, 6, "a/b")], "tasks": None, "DIAGNOSES_ICD": codes,
               "ADMISSIONS": [{"ETHNICITY": ""}]}  # fmt: skip
    with pytest.raises(ValueError, match="below the header"):
        made(mode="compat", **options)
    changed = json.loads((made(**options) / "cohort.json").read_text())["clean"]
    assert sum(sum(counts.values()) for counts in changed["dropped"].values()) == 2
    assert (changed["codes_without_group"], changed["stays_without_ethnicity"]) == (1, 1)


def test_all_digit_codes_are_found(made):
    out = made()
    episodes = pd.read_parquet(out / "stages" / "episodes.parquet")
    assert episodes["Diagnosis 4019"].tolist() == [1]
    assert json.loads((out / "cohort.json").read_text())["clean"]["patients_with_codes_of_digits_alone"] == 1


def test_verify_prints_what_clean_changed(made, capsys):
    verify_mimic3(made([(211, 5, "900"), (211, 6, "0"), (FIO2, 7, "300", "torr")]), threads=1)
    said = capsys.readouterr().out
    assert "clean: dropped, out of range: 2 (Heart Rate 2)\n" in said
    assert "clean: dropped, another unit: 1 (Fraction inspired oxygen 1)\n" in said
    assert "clean: times with several values: 0\n" in said


def test_the_normaliser_sees_training_rows_alone(shared, tmp_path):
    out = prepare_mimic3(shared / "data" / "mimic3-demo", tmp_path / "out", mode="clean", tasks="ihm", threads=1)
    notes = sklar.data.open(out / "ihm").description.notes["normaliser"]
    split = pd.read_parquet(out / "ihm" / "samples.parquet")["split"]
    tensor = np.load(out / "ihm" / "ehr.npy")[(split == "train").to_numpy()].astype(float)
    assert notes["fitted_on"] == ["train"]
    np.testing.assert_allclose(notes["means"], tensor.mean((0, 1)), rtol=1e-6, atol=1e-9)


def test_readmission_without_the_dead(shared, tmp_path):
    """Beside a loop over all admissions of the demo."""
    demo = shared / "data" / "mimic3-demo"
    out = prepare_mimic3(demo, tmp_path / "out", mode="clean", tasks="readmission", threads=1)
    stays = pd.read_parquet(out / "stages" / "all_stays.parquet").set_index("ICUSTAY_ID")
    admissions = pd.read_csv(demo / "ADMISSIONS.csv.gz", parse_dates=["ADMITTIME"])
    rows = pd.read_parquet(out / "readmission" / "samples.parquet")
    for stay, label in zip(rows["stay_id"], rows["readmission"], strict=True):
        own = stays.loc[stay]
        assert own["MORTALITY"] == 0
        others = admissions[(admissions["SUBJECT_ID"] == own["SUBJECT_ID"]) & (admissions["HADM_ID"] != own["HADM_ID"])]
        gap = others["ADMITTIME"] - pd.Timestamp(own["DISCHTIME"])
        assert label == int(((gap >= pd.Timedelta(0)) & (gap < pd.Timedelta(days=30))).any())
    assert 0 < rows["readmission"].sum() < len(rows)


def test_compat_and_clean_share_stays(shared, mimic3_slice, tmp_path):
    outs = [
        prepare_mimic3(mimic3_slice, tmp_path / mode, mode=mode, tasks="ihm", threads=1) for mode in ("compat", "clean")
    ]
    decisions = [pd.read_parquet(out / "stages" / "stay_decisions.parquet") for out in outs]
    pd.testing.assert_frame_equal(*decisions)
