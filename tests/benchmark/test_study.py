"""From raw files to scores, on a cohort made for the purpose."""

import json

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from sklar.benchmark import study
from sklar.data import Column, Events, Table, open_dataset, write_dataset
from sklar.training import Schedule

ROWS = 240


def prepare(raw, out, folds):
    """Two modalities that tell who dies, a published score that tells less, two stays a patient."""
    rng = np.random.default_rng(0)
    died = rng.random(ROWS) < 0.3
    values = rng.normal(size=(ROWS, 3)) + died[:, None]
    values[rng.random((ROWS, 3)) < 0.2] = np.nan
    values[:, 0] = np.nan_to_num(values[:, 0])  # something of everybody
    series = np.repeat(np.arange(ROWS), 4)
    times, level = np.tile(np.arange(4.0), ROWS), np.repeat(died, 4) + rng.normal(size=4 * ROWS)
    keep = np.repeat(rng.random(ROWS) < 0.7, 4)
    risk = np.where(rng.random(ROWS) < 0.8, np.clip(0.3 * died + 0.6 * rng.random(ROWS), 0, 1), np.nan)
    patient = np.arange(ROWS) // 2
    samples = {"sample_id": np.arange(ROWS), "group_id": patient, "died": died.astype(int), "risk": risk}
    if folds:
        samples["fold"] = patient % 5
    samples["split"] = np.where(patient % 3 == 0, "test", "train")
    return write_dataset(
        out, name="made", task="binary", labels=["died"], classes=["alive", "died"], samples=samples, source="Made.",
        modalities={
            "labs": Table(values, [Column("a"), Column("b"), Column("c")]),
            "vitals": Events(series[keep], times[keep], ["x"] * int(keep.sum()), level[keep], ["x"]),
        },
    )  # fmt: skip


@pytest.fixture
def made(monkeypatch, request):
    schedule = Schedule(steps=30, batch_size=64, check_every=5)
    monkeypatch.setattr(study, "STUDIES", {"made": study.Study("made", "risk", "the published score", {}, schedule)})
    monkeypatch.setattr(study, "READERS", {"made": lambda raw, out: prepare(raw, out, request.param)})
    return request.param


@pytest.mark.parametrize("made", [True, False], indirect=True, ids=["folds", "test set"])
def test_every_row_is_tested_by_models_that_never_saw_its_patient(made, tmp_path):
    dataset = open_dataset(prepare(None, tmp_path / "data", made))
    folds = study.folds_of(dataset, 0)
    tested = sorted(np.concatenate([fold.test for fold in folds]))
    assert tested == (list(range(ROWS)) if made else [i for i in range(ROWS) if (i // 2) % 3 == 0])
    patients = dataset.group_id
    for fold in folds:
        assert sorted(np.concatenate([*fold.parts, fold.test])) == list(range(ROWS))
        assert not set(patients[fold.test]) & set(patients[np.concatenate(fold.parts)])


@pytest.mark.parametrize("made", [False], indirect=True)
def test_scores_are_those_of_the_rows_and_a_second_run_gives_the_same(made, tmp_path, capsys):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "table.csv").write_text("1")
    records = study.run_study("made", tmp_path / "raw", tmp_path / "out", processes=1)
    printed = capsys.readouterr().out
    dataset = open_dataset(tmp_path / "out" / "data")
    test = np.flatnonzero(dataset.split == "test")
    y, risk = dataset.target.numpy(), dataset.column("risk")
    known = test[~np.isnan(risk[test])]
    published = next(r for r in records if r["model"] == "the published score")
    assert published["auroc"]["value"] == pytest.approx(roc_auc_score(y[known], risk[known]))
    assert published["number"] == len(known)
    ours = next(r for r in records if r["model"] == study.OURS and r["number"] == len(test))
    assert ours["auroc"]["value"] > 0.8
    assert ours["auroc"]["low"] < ours["auroc"]["value"] < ours["auroc"]["high"]
    for name in ("logistic regression on summaries", "logistic regression on presence", "the published score"):
        assert name in printed
        assert name in (tmp_path / "out" / "report.html").read_text()
    before = (tmp_path / "out" / "results.json").read_bytes()
    study.run_study("made", tmp_path / "raw", tmp_path / "out", processes=1)
    assert (tmp_path / "out" / "results.json").read_bytes() == before
    assert json.loads(before) == records
    (tmp_path / "raw" / "table.csv").write_text("12")
    with pytest.raises(ValueError, match="a study of other raw files"):
        study.run_study("made", tmp_path / "raw", tmp_path / "out", processes=1)
    with pytest.raises(FileNotFoundError, match="no raw files"):
        study.run_study("made", tmp_path / "nothing", tmp_path / "new", processes=1)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("made", [True], indirect=True)
def test_a_model_never_sees_its_test_rows(made, tmp_path):
    """What stands in a fold's test rows changes no model of that fold."""
    out = tmp_path / "out"
    prepare(None, out / "data", made)
    first = study._train(study._Job(0, 0), study.STUDIES["made"], out, 0)
    dataset = open_dataset(out / "data")
    model = (out / "models" / "fold-0-0" / "model.safetensors").read_bytes()
    labels = dataset.target.numpy().copy()
    labels[study.folds_of(dataset, 0)[0].test] ^= 1
    other = tmp_path / "other"
    samples = {name: dataset.column(name) for name in ("sample_id", "group_id", "risk", "fold", "split")}
    modalities = {
        "labs": Table(dataset.content("labs"), [Column("a"), Column("b"), Column("c")]),
        "vitals": _events(dataset),
    }
    write_dataset(
        other / "data", name="made", task="binary", labels=["died"], classes=["alive", "died"],
        samples=samples | {"died": labels}, modalities=modalities,
    )  # fmt: skip
    second = study._train(study._Job(0, 0), study.STUDIES["made"], other, 0)
    assert (other / "models" / "fold-0-0" / "model.safetensors").read_bytes() == model
    assert np.array_equal(first, second)


def _events(dataset):
    events = dataset.content("vitals")
    rows, places = (~events[..., 0].isnan()).nonzero(as_tuple=True)
    hours, _, value = events[rows, places].unbind(-1)
    return Events(rows.numpy(), hours.numpy(), ["x"] * len(rows), value.numpy().astype(float), ["x"])


def test_parts_of_a_fixed_test_set_are_stratified():
    class Rows:
        split = np.array(["train"] * 100 + ["test"] * 10)
        target = torch.tensor([1, 0, 0, 0] * 25 + [0] * 10)

        def column(self, name):
            raise KeyError(name)

    fold = study.folds_of(Rows(), 0)[0]
    assert [len(part) for part in fold.parts] == [20] * 5
    assert [int(Rows.target[torch.as_tensor(part)].sum()) for part in fold.parts] == [5] * 5
    assert sorted(np.concatenate(fold.parts)) == list(range(100))
