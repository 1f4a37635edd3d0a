"""Compat on the MIMIC-III demo beside what the published scripts make of it."""

import json

import numpy as np
import pandas as pd
import pytest

import sklar.data
from sklar.clinical.mimic3 import prepare_mimic3
from sklar.data import check_dataset


@pytest.fixture(scope="module")
def golden(shared):
    return shared / "golden" / "mimic3-benchmarks"


@pytest.fixture(scope="module")
def prepared(shared, tmp_path_factory):
    out = tmp_path_factory.mktemp("mimic3") / "out"
    return prepare_mimic3(shared / "data" / "mimic3-demo", out, threads=1)


def _golden(golden, name):
    file = golden / name
    return pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file, dtype=str, keep_default_na=False)


def _text(table):
    """Every cell as text, '' where there is none."""
    return table.astype(object).where(table.notna(), "").map(str)


def _equal(mine, theirs, keys, numbers=()):
    """The same columns and rows; ``numbers`` to 1e-12 relative, everything else as text."""
    assert list(mine.columns) == list(theirs.columns)
    mine, theirs = _text(mine), _text(theirs)
    mine = mine.sort_values(keys, kind="stable").reset_index(drop=True)
    theirs = theirs.sort_values(keys, kind="stable").reset_index(drop=True)
    assert len(mine) == len(theirs)
    for name in mine.columns:
        if name in numbers:
            left, right = (pd.to_numeric(table[name].replace("", np.nan)) for table in (mine, theirs))
            np.testing.assert_allclose(left, right, rtol=1e-12, atol=0, err_msg=name)
        else:
            assert mine[name].tolist() == theirs[name].tolist(), name


STAGES = [
    ("stages/stay_decisions.csv", ["ICUSTAY_ID"], ()),
    ("stages/all_stays.csv", ["ICUSTAY_ID"], ("AGE", "LOS")),
    ("stages/diagnoses.parquet", ["HADM_ID", "ICD9_CODE", "SEQ_NUM"], ()),
    ("stages/phenotype_labels.csv", ["ICUSTAY_ID"], ()),
    ("stages/validate_events_by_subject.csv", ["subject_id"], ()),
    ("stages/events_mapped.parquet", ["SUBJECT_ID", "EVENT_ROW"], ()),
    ("stages/episodes.csv", ["Icustay"], ("Age", "Height", "Weight", "Length of Stay")),
    ("stages/timeseries.parquet", ["ICUSTAY_ID", "row"], ()),
    ("splits.csv", ["SUBJECT_ID"], ("testset", "valset")),
    ("listfiles/ihm.csv", ["ICUSTAY_ID"], ()),
    ("listfiles/phenotyping.csv", ["ICUSTAY_ID"], ()),
    ("listfiles/multitask.csv", ["ICUSTAY_ID"], ()),
    ("listfiles/series_rows.csv", ["task", "ICUSTAY_ID"], ()),
    ("listfiles/length_of_stay.parquet", ["ICUSTAY_ID", "period_length"], ()),
    ("listfiles/decompensation.parquet", ["ICUSTAY_ID", "period_length"], ()),
    ("cm2/readmission.csv", ["ICUSTAY_ID"], ()),
    ("cm2/t0.csv", ["ICUSTAY_ID"], ()),
]


@pytest.mark.parametrize(("name", "keys", "numbers"), STAGES, ids=[name for name, *_ in STAGES])
def test_stages_equal_the_golden_ones(name, keys, numbers, golden, prepared):
    file = prepared / "stages" / f"{name.split('/')[-1].split('.')[0]}.parquet"
    _equal(pd.read_parquet(file), _golden(golden, name), keys, numbers)


def test_hours_and_values_are_the_same_numbers(golden, prepared):
    mine, theirs = (pd.read_parquet(folder / "stages" / "timeseries.parquet") for folder in (prepared, golden))
    assert mine["Hours"].tolist() == theirs["Hours"].tolist()
    assert mine.dtypes.astype(str).tolist() == theirs.dtypes.astype(str).tolist()


def test_counts_equal_the_golden_ones(golden, prepared):
    theirs = json.loads((golden / "counts.json").read_text())
    cohort = json.loads((prepared / "cohort.json").read_text())
    assert cohort["exclusions"] == theirs["extract_subjects"]
    assert cohort["validate_events"] == theirs["validate_events"]
    for name in ("ihm", "decompensation", "length_of_stay", "multitask"):
        assert cohort["tasks"][name] == theirs["tasks"][name], name
    for split, counts in theirs["tasks"]["phenotyping"].items():
        assert cohort["tasks"]["phenotyping"][split] == {name: counts[name] for name in ("rows", "stays")}
        labels = pd.read_parquet(prepared / "stages" / "phenotyping.parquet")
        found = labels[labels["split"] == split][list(counts["positives"])].sum()
        assert found.to_dict() == counts["positives"]


@pytest.mark.parametrize("step", [1, 2])
def test_tensor_and_normaliser(step, golden, shared, prepared, tmp_path):
    out = prepared
    if step == 2:
        out = prepare_mimic3(shared / "data" / "mimic3-demo", tmp_path / "out", tasks="ihm", step=2, threads=1)
    reference = np.load(golden / "discretized" / f"ihm_{step}h.npz", allow_pickle=False)
    data = sklar.data.open(out / "ihm")
    assert data.column("stay_id").tolist() == reference["icustay_id"].tolist()
    assert data.target.tolist() == reference["y_true"].tolist()
    parts = {"validation": "val"}
    assert [parts.get(part, part) for part in data.split] == reference["split"].tolist()
    values = np.load(out / "ihm" / "ehr.npy", allow_pickle=False)
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, reference["X"].astype(np.float32))
    assert [channel.name for channel in data.modalities["ehr"].channels] == reference["header"].tolist()
    normaliser = data.description.notes["normaliser"]
    fitted = json.loads((golden / "discretized" / "normalizers.json").read_text())[f"fitted/train_and_val/ihm_{step}h"]
    np.testing.assert_allclose(normaliser["means"], fitted["means"], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(normaliser["stds"], fitted["stds"], rtol=1e-9, atol=1e-9)
    columns = normaliser["standardised"]
    scaled = reference["X"].copy()
    scaled[..., columns] = (scaled[..., columns] - np.array(normaliser["means"])[columns]) / np.array(
        normaliser["stds"]
    )[columns]
    np.testing.assert_allclose(scaled, reference["X_norm_fitted"], rtol=1e-6, atol=1e-9)


def test_dataset_folders(prepared):
    folders = ("ihm", "readmission", "phenotyping", "phenotyping_48h", "length_of_stay", "decompensation")
    for name in folders:
        assert [problem for problem in check_dataset(prepared / name) if problem.is_error] == [], name
        data = sklar.data.open(prepared / name)
        assert len(data.column("stay_id")) == len(data)
        assert not data.observed[:, data.names.index("notes")].any()  # the demo has none
    assert sorted(path.name for path in prepared.iterdir()) == sorted([*folders, "stages", "cohort.json"])
    hourly = sklar.data.open(prepared / "decompensation")
    assert len(hourly) == 10863
    assert int(hourly.target.sum()) == 292 + 40 + 124


def test_hourly_rows_see_no_later_event(prepared):
    data = sklar.data.open(prepared / "length_of_stay")
    batch = data[:200]
    time = batch.inputs["events"][..., 0].numpy()
    assert (np.nan_to_num(time, nan=-1.0).max(1) <= data.column("until")[:200]).all()
