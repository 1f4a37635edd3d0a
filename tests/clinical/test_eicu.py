import gzip
import json
import shutil

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from sklearn.metrics import roc_auc_score

import sklar.data
from sklar.clinical import READERS, prepare_eicu
from sklar.data import check_dataset


@pytest.fixture(scope="module")
def folder(shared, tmp_path_factory):
    return prepare_eicu(shared / "data" / "eicu-demo", tmp_path_factory.mktemp("eicu") / "demo")


def test_the_demo_has_its_published_counts(folder):
    assert list(check_dataset(folder)) == []
    data = sklar.data.open(folder)
    assert data.names == ["series", "static", "text", "respiratory", "drugs", "treatment"]
    assert (len(data), len(set(data.group_id)), len(set(data.column("hospital_id")))) == (1571, 1299, 185)
    assert int(data.target.sum()) == 138
    present = data.observed.double().mean(0).tolist()
    # one stay's respiratory charting before 24 h was all entered after 24 h: 816 stays instead of the published 817
    assert [round(1571 * share) for share in present] == [1571, 1571, 1522, 816, 1290, 1286]
    assert len(torch.unique(data.observed, dim=0)) == 12
    counts = json.loads((folder / "dataset.json").read_text())["notes"]["counts"]
    assert counts["judged"] is True
    assert {name: counts["found"][name] for name in counts["published"]} == counts["published"]


def test_the_demo_is_split_by_patient(folder):
    data = sklar.data.open(folder)
    rows = list(dict.fromkeys(zip(data.group_id.tolist(), data.column("fold").tolist(), strict=True)))
    hashed = "('0x' || left(sha256(unnest(?)), 8))::BIGINT % 5"
    expected = duckdb.sql(f"SELECT {hashed}", params=[[patient for patient, _ in rows]]).fetchall()
    assert [fold for _, fold in rows] == [fold for (fold,) in expected]
    named = {"test": {0}, "validation": {1}, "train": {2, 3, 4}}
    assert {part: set(data.column("fold")[data.split == part].tolist()) for part in named} == named


def test_the_demo_beside_its_files(folder, shared):
    """Hourly values, and APACHE IVa where it is recorded, read another way."""
    data = sklar.data.open(folder)
    raw = pq.read_table(shared / "data" / "eicu-demo" / "yaib" / "los" / "dyn.parquet")
    hour = raw["time"].to_numpy().astype("timedelta64[s]").astype(int) // 3600
    stay = raw["stay_id"].to_numpy()
    batch = data[:]
    names = [channel.name for channel in data.modalities["series"].channels]
    assert batch.inputs["series"].shape == (1571, 24, 48)
    for place in (0, 700, 1570):
        at = np.flatnonzero((stay == data.sample_id[place]) & (hour < 24))
        expected = np.full((24, 48), np.nan)
        expected[hour[at]] = np.stack([raw[name].to_numpy()[at] for name in names], axis=1)
        np.testing.assert_array_equal(batch.inputs["series"][place].numpy(), expected.astype(np.float32))
    risk = data.column("apache_iva")
    known = ~np.isnan(risk)
    assert (known.sum(), round(roc_auc_score(data.target.numpy()[known], risk[known]), 3)) == (1191, 0.834)
    for name in ("respiratory", "drugs", "treatment"):
        time = batch.inputs[name][..., 0]
        assert float(time[~time.isnan()].max()) <= 24.0
    assert max(len(set(rows)) for rows in batch.inputs["text"]) > 1


def test_twice_the_same_bytes(folder, shared, tmp_path, content):
    again = prepare_eicu(shared / "data" / "eicu-demo", tmp_path / "again")
    assert content(again) == content(folder)


def test_a_full_demo_with_another_count_is_refused(shared, tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(shared / "data" / "eicu-demo", raw)
    (raw / "patient.csv.gz").chmod(0o644)
    with gzip.open(raw / "patient.csv.gz", "rt") as stream:
        text = stream.read()
    with gzip.open(raw / "patient.csv.gz", "wt") as stream:
        stream.write(text.replace("Expired", "Alive"))
    with pytest.raises(ValueError, match=r"eICU demo.*deaths: 0 here, 138 published"):
        prepare_eicu(raw, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def seen(tmp_path_factory, small, write, content):
    """What the small release gives as it is."""
    folder = tmp_path_factory.mktemp("small")
    return content(prepare_eicu(write(folder / "raw", small()), folder / "out", minimum_stays=1))


@pytest.fixture
def prepared(write, release, tmp_path, content):
    """Prepares the release as the test has changed it."""
    return lambda: content(prepare_eicu(write(tmp_path / "raw", release), tmp_path / "out", minimum_stays=1))


def _without_notes(files):
    """All that a model sees: the counts of what was left out may differ."""
    return {name: content for name, content in files.items() if name != "dataset.json"}


MOVES = [  # table, what time it goes by, to the last minute that counts
    ("admissiondx", "admitdxenteredoffset"), ("diagnosis", "diagnosisoffset"), ("pasthistory", "pasthistoryoffset"),
    ("pasthistory", "pasthistoryenteredoffset"), ("note", "noteoffset"), ("note", "noteenteredoffset"),
    ("respiratorycharting", "respchartoffset"), ("respiratorycharting", "respchartentryoffset"),
    ("infusiondrug", "infusionoffset"), ("medication", "drugorderoffset"), ("medication", "drugstartoffset"),
    ("treatment", "treatmentoffset"),
]  # fmt: skip


def _another(release, table, **changes):
    """The table's first row again, with another number and other words."""
    row = release[table][0] | {name: 7777 for name in release[table][0] if name in KEYS}
    words = {name: "cardiac arrest" for name in row if name in WORDS}
    release[table].append(row | words | changes)


KEYS = {"admissiondxid", "diagnosisid", "pasthistoryid", "noteid", "respchartid", "infusiondrugid", "medicationid",
        "treatmentid"}  # fmt: skip
WORDS = {"admitdxpath", "diagnosisstring", "pasthistoryvalue", "notevalue", "respchartvaluelabel", "drugname",
         "treatmentstring"}  # fmt: skip


def test_nothing_known_after_24_hours_is_seen(release, seen, prepared):
    for table, time in MOVES:
        _another(release, table, **{time: 1441})
    _another(release, "medication", drugordercancelled="Yes")
    release["hourly"].append({"stay_id": 1, "hour": 24, "hr": 0.0})
    assert _without_notes(prepared()) == _without_notes(seen)


@pytest.mark.parametrize(("table", "time"), MOVES)
def test_what_is_known_at_24_hours_is_seen(table, time, release, seen, prepared):
    _another(release, table, **{time: 1440})
    assert _without_notes(prepared()) != _without_notes(seen)


def test_the_last_hour_is_seen(release, seen, prepared):
    release["hourly"].append({"stay_id": 1, "hour": 23, "hr": 0.0})
    assert prepared()["series.npy"] != seen["series.npy"]


OUTCOMES = [
    ("patient", "hospitaldischargelocation", "Death"), ("patient", "dischargeweight", 1),
    ("patient", "unitdischargestatus", "Expired"), ("patient", "unitdischargeoffset", 99999),
    ("diagnosis", "activeupondischarge", "False"), ("treatment", "activeupondischarge", "False"),
    ("medication", "drugstopoffset", 61), ("apachepatientresult", "actualhospitalmortality", "EXPIRED"),
]  # fmt: skip


def test_outcomes_are_not_read(release, seen, prepared):
    for table, column, value in OUTCOMES:
        assert column in release[table][0]
        for row in release[table]:
            row[column] = value
    assert prepared() == seen


def test_apache_is_a_reference_only(release, seen, prepared):
    for row in release["apachepatientresult"]:
        row["predictedhospitalmortality"] = 0.5
    changed = prepared()
    assert {name for name, content in changed.items() if content != seen[name]} == {"samples.parquet", "dataset.json"}


def test_cohort_and_label(release, write, tmp_path):
    release["patient"][0]["hospitaldischargestatus"] = ""
    release["patient"][1]["unitdischargeoffset"] = 1439
    release["hourly"] = [row for row in release["hourly"] if row["stay_id"] != 4]
    release["hourly"].append({"stay_id": 4, "hour": 5})  # an hour without a value
    release["patient"][4]["unitdischargestatus"] = "Expired"
    data = sklar.data.open(prepare_eicu(write(tmp_path / "raw", release), tmp_path / "out", minimum_stays=1))
    assert data.sample_id.tolist() == [3, 5, 6]
    assert data.target.tolist() == [1, 0, 1]
    left_out = {reason: number for reason, number in data.description.notes["left_out"].items() if "stays" in reason}
    assert left_out == {
        "stays: hospital outcome unknown": 1,
        "stays: left the unit before 24 h": 1,
        "stays: no hourly value before 24 h": 1,
    }


def test_what_the_modalities_hold(release, write, tmp_path):
    patients = release["patient"]
    patients[0] |= {"age": "> 89", "admissionheight": 0.3, "admissionweight": 600, "gender": "Female", "ethnicity": ""}
    release["respiratorycharting"][0]["respchartvalue"] = "0.5"
    release["respiratorycharting"][1]["respchartvalue"] = "4000"
    release["respiratorycharting"][2]["respchartvalue"] = "nasal cannula"
    release["medication"][1] |= {"drugname": ""}  # known by its HICL number
    release["apachepatientresult"][0]["predictedhospitalmortality"] = -1
    data = sklar.data.open(prepare_eicu(write(tmp_path / "raw", release), tmp_path / "out", minimum_stays=1))
    batch = data[:]
    columns = {column.name: column for column in data.modalities["static"].columns}
    static = dict(zip(columns, batch.inputs["static"][0].tolist(), strict=True))
    assert static["age"] == 90
    assert columns["gender"].categories[int(static["gender"])] == "Female"
    assert columns["teaching"].categories[int(static["teaching"])] == "teaching"
    assert all(np.isnan(static[name]) for name in ("height", "weight", "ethnicity", "region", "beds"))
    value = batch.inputs["respiratory"][:, 0, 2]
    assert value[0] == 50
    assert value[1:3].isnan().all()
    assert (value[3:] == 40).all()
    codes = [code.name for code in data.modalities["drugs"].codes]
    assert codes == ["aspirin", "norepinephrine infusion (mcg/min)"]
    torch.testing.assert_close(
        batch.inputs["drugs"],
        torch.tensor([[1.0, 0.0, torch.nan], [1.0, 1.0, 5.0]]).expand(6, 2, 3),
        equal_nan=True,
    )
    assert batch.inputs["text"][0] == (
        "Admission diagnosis. All Diagnosis: Sepsis",
        "Diagnosis. renal: oliguria",
        "Note. Social History and Family History: Smoking: and/or pipe",
        "Past history. Organ Systems: Renal: stones",
    )
    risk = data.column("apache_iva")
    assert np.isnan(risk[0])
    assert (risk[1:] == 0.25).all()


def test_rare_codes_are_merged(release, write, tmp_path):
    rare = [("treatment", "treatmentstring", "cardiovascular|shock|fluids"),
            ("treatment", "treatmentstring", "surgery|transplant"),
            ("respiratorycharting", "respchartvaluelabel", "Sigh"),
            ("medication", "drugname", "RAREMAB 5 MG INJ"),
            ("infusiondrug", "drugname", "Norepinephrine (ml/hr)")]  # fmt: skip
    for number, (table, column, value) in enumerate(rare):
        row = release[table][0] | {column: value}
        row |= {name: 9000 + number for name in row if name.endswith("id") and name != "patientunitstayid"}
        release[table].append(row | ({"drughiclseqno": 5} if table == "medication" else {}))
    data = sklar.data.open(prepare_eicu(write(tmp_path / "raw", release), tmp_path / "out", minimum_stays=2))
    codes = {
        name: [code.name for code in data.modalities[name].codes] for name in ("treatment", "respiratory", "drugs")
    }
    assert codes == {
        "treatment": ["cardiovascular|shock", "cardiovascular|shock|vasopressors", "other treatment"],
        "respiratory": ["FiO2", "other charting"],
        "drugs": ["aspirin", "norepinephrine infusion (mcg/min)", "other infusion", "other medication"],
    }


def test_names_in_any_case_packed_or_plain(release, write, seen, tmp_path, content):
    raw = write(tmp_path / "Raw", release)
    for table, name in {"respiratorycharting": "respiratoryCharting.CSV.gz", "patient": "Patient.csv.gz"}.items():
        with gzip.open(raw / name, "wb") as stream:
            stream.write((raw / f"{table}.csv").read_bytes())
        (raw / f"{table}.csv").unlink()
    (raw / "yaib").rename(raw / "YAIB")
    assert content(prepare_eicu(raw, tmp_path / "other", minimum_stays=1)) == seen


def _damage(raw, how):
    patient, note = raw / "patient.csv", raw / "note.csv"
    text = patient.read_text()
    if how == "no table":
        note.unlink()
    elif how == "two files":
        (raw / "note.csv.gz").write_bytes(gzip.compress(note.read_bytes()))
    elif how == "truncated gzip":
        (raw / "note.csv.gz").write_bytes(gzip.compress(note.read_bytes())[:-20])
        note.unlink()
    elif how == "truncated":
        note.write_text(note.read_text()[:-9])
    elif how == "no column":
        note.write_text(note.read_text().replace("noteenteredoffset", "entered"))
    elif how == "no number":
        patient.write_text(text.replace(",2000,", ",soon,", 1))
    elif how == "cells":
        note.write_text(note.read_text() + "1,2,3,secret words,4,5,6,7,8,9\n")
    elif how == "age":
        patient.write_text(text.replace(",51,", ",old,"))
    elif how == "label":
        patient.write_text(text.replace("Expired", "Dead"))
    elif how == "stay twice":
        patient.write_text(text + text.splitlines()[1] + "\n")
    elif how == "hourly":
        file = raw / "yaib" / "los" / "dyn.parquet"
        file.write_bytes(file.read_bytes()[:-30])


@pytest.mark.parametrize(("how", "message"), [
    ("no table", r"no note\.csv\.gz or note\.csv"), ("two files", "keep the one to be read"),
    ("truncated gzip", r"note\.csv\.gz is truncated"), ("truncated", r"note\.csv is truncated"),
    ("no column", "lacks the column 'noteenteredoffset'"), ("cells", r"note\.csv.*equally many cells"),
    ("no number", r"patient\.csv, column unitdischargeoffset, row 1 below"), ("age", "column age"),
    ("label", "stay 3: hospitaldischargestatus"), ("stay twice", "stay 1: patientunitstayid occurs twice"),
    ("hourly", r"dyn\.parquet is no whole Parquet"),
])  # fmt: skip
def test_damage_is_named(how, message, release, write, tmp_path):
    raw = write(tmp_path / "raw", release)
    _damage(raw, how)
    with pytest.raises((ValueError, FileNotFoundError), match=message) as error:
        prepare_eicu(raw, tmp_path / "out")
    assert "secret" not in str(error.value)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("options", "message"), [
    ({"test_fold": 5}, "0 to 4"), ({"test_fold": -1}, "0 to 4"), ({"minimum_stays": 0}, "at least 1"),
])  # fmt: skip
def test_options_out_of_range(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        READERS["eicu-demo"](raw=tmp_path, out=tmp_path / "out", **options)
