"""From a dataset folder to scores, predictions and imputations, by the command line and by the Python API."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import yaml
from pyarrow import parquet
from safetensors.torch import load_file
from tiny import MARK, NAMES, QUICK, changed, sklar, tiny, with_presence, write

import sklar.evaluation.rows as sklar_rows
import sklar.training.apply as sklar_apply
import sklar.training.run as sklar_run
from sklar.data import Column, Table, Vector, open_dataset
from sklar.data.missingness import MECHANISMS
from sklar.evaluation import predict_rows
from sklar.models.variational import VariationalCopula
from sklar.training import Feed, RunConfig, Schedule, impute_run, predict_run, read_run, train_run
from sklar.training.files import refuse_inside_dataset
from sklar.training.rows import keep_labels, labelled, split_rows
from sklar.training.run import with_absolute_paths

TASKS = ("binary", "multiclass", "multilabel", "regression")
COLUMNS = {
    "binary": ["probability", "spread"],
    "multiclass": [f"{what}_{name}" for what in ("probability", "spread") for name in ("mild", "moderate", "severe")],
    "multilabel": [f"{what}_{name}" for what in ("probability", "spread") for name in ("septic", "renal")],
    "regression": ["mean", "spread"],
}
SCORES = {
    "binary": {"auroc", "auprc", "accuracy", "log_loss", "brier", "ece"},
    "multiclass": {"auroc", "auprc", "accuracy", "log_loss", "brier", "ece"},
    "multilabel": {"auroc_macro", "auprc_macro", "auroc_micro", "auprc_micro", "log_loss", "brier"},
    "regression": {"rmse", "mae", "r2"},
}


def config(folder, **changes):
    return {"data": str(folder / "data"), "out": str(folder / "run"), **QUICK, **changes}


def train(folder, **changes):
    """By the command line, from a file; returns the exit status."""
    (folder / "config.yaml").write_text(yaml.safe_dump(config(folder, **changes)))
    return sklar("train", folder / "config.yaml")


def in_python(folder, **changes):
    schedule = Schedule(**QUICK["schedule"])
    return RunConfig(folder / "data", folder / "run", settings=QUICK["settings"], schedule=schedule, **changes)


@pytest.fixture(scope="module", params=TASKS)
def finished(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    write(folder / "data", tiny(request.param))
    assert train(folder) is None
    return folder


@pytest.fixture(scope="module")
def binary(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    write(folder / "data")
    train_run(in_python(folder), progress=False)
    return folder


def all_files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_every_task_from_folder_to_predictions(finished, capfd):
    task = open_dataset(finished / "data").task
    run, out = finished / "run", finished / "out"
    assert sklar("evaluate", run, finished / "data", "--out", out / "scores.json") is None
    assert sklar("predict", run, finished / "data", "--out", out / "p.parquet") is None
    assert sklar("impute", run, finished / "data", "--out", out / "imputed", "--num_samples", 3) is None
    scores = json.loads((out / "scores.json").read_text())
    assert [record["rows"] for record in scores] == ["all"]
    assert set(scores[0]) - {"rows", "number"} == SCORES[task]
    dataset = open_dataset(finished / "data")
    assert scores[0]["number"] == int(labelled(dataset.part("test")).sum())

    table = pq.read_table(out / "p.parquet")
    assert table.column_names == ["sample_id", *COLUMNS[task], *(f"has_{name}" for name in NAMES)]
    assert table["sample_id"].to_pylist() == dataset.sample_id.tolist()
    for m, name in enumerate(NAMES):
        assert table[f"has_{name}"].to_pylist() == dataset.observed[:, m].tolist()
    values = {name: table[name].to_numpy() for name in COLUMNS[task]}
    assert all((values[name] >= 0).all() for name in values if name.startswith("spread"))
    chances = [values[name] for name in values if name.startswith("probability")]
    assert all(((p > 0) & (p < 1)).all() for p in chances)
    if task == "multiclass":
        np.testing.assert_allclose(sum(chances), 1, atol=1e-6)

    model = read_run(run).model
    prediction = predict_rows(model, Feed(dataset, model))
    mean = prediction.mean[:, 1] if task == "binary" else prediction.mean
    expected = mean.reshape(len(mean), -1).T.numpy()
    for name, column in zip(COLUMNS[task], expected, strict=False):
        np.testing.assert_array_equal(values[name], column)

    said = capfd.readouterr()
    assert "%|" not in said.err  # a progress bar, which is for terminals
    assert "warning" not in said.err


def test_notes_do_not_come_out_again(finished, capfd):
    """Neither in files nor in what is printed, also where something is wrong."""
    sklar("evaluate", finished / "run")
    sklar("predict", finished / "run", finished / "data", "--out", finished / "again.parquet")
    damaged = finished / "damaged"
    shutil.copytree(finished / "data", damaged, dirs_exist_ok=True)
    (damaged / "note.parquet").write_bytes((damaged / "note.parquet").read_bytes()[:-40])
    errors = [str(sklar("predict", finished / "run", damaged)), str(sklar("data", "check", damaged))]
    sklar("data", "show", finished / "data")
    said = capfd.readouterr()
    spoken = "".join([said.out, said.err, *errors])
    assert "note.parquet" in spoken
    assert MARK not in spoken.lower()
    for path in [p for p in finished.rglob("*") if p.is_file() and finished / "data" != p.parent != damaged]:
        assert MARK.encode() not in path.read_bytes().lower(), path
        if path.suffix == ".parquet":
            assert MARK not in str(pq.read_table(path).to_pydict()).lower()


def test_what_a_run_leaves(binary):
    files = [name for name in all_files(binary / "run") if not name.startswith("tensorboard/")]
    assert files == ["config.yaml", "metrics.csv", "model.json", "model.safetensors", "run.json", "state.safetensors"]
    about = json.loads((binary / "run/run.json").read_text())
    assert about["rows"] == {"train": 32, "labelled": 25, "validation": 14}
    assert [int(row["step"]) for row in csv.DictReader((binary / "run/metrics.csv").open())] == [6]


def test_its_own_configuration_reproduces_a_run_bit_for_bit(tmp_path):
    write(tmp_path / "data", tiny(samples={**tiny()["samples"], "split": ["train"] * 60}))
    changes = {
        "encoders": {"vitals": {"kind": "lstm", "layers": 1}, "drugs": {"kind": "events"}},
        "modalities": ["vitals", "vec", "drugs", "labs"], "labelled": 20, "validation": 0.3, "seed": 7,
        "missing": {"mechanism": "mnar", "rate": {"vec": 0.3}},
    }  # fmt: skip
    assert train(tmp_path, **changes) is None
    assert sklar("train", tmp_path / "run/config.yaml", "--out", tmp_path / "again") is None
    assert (tmp_path / "run/model.json").read_bytes() == (tmp_path / "again/model.json").read_bytes()
    assert (tmp_path / "run/model.safetensors").read_bytes() == (tmp_path / "again/model.safetensors").read_bytes()
    assert sklar("train", tmp_path / "run/config.yaml", "--out", tmp_path / "other", "--seed", 8) is None
    one, other = (load_file(tmp_path / name / "model.safetensors") for name in ("run", "other"))
    assert any(not torch.equal(one[key], other[key]) for key in one)


def test_a_run_made_with_relative_paths_is_found_from_elsewhere(binary, tmp_path, monkeypatch):
    shutil.copytree(binary / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    assert train(Path()) is None
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert sklar("evaluate", tmp_path / "run") is None
    assert sklar("train", tmp_path / "run/config.yaml") is None  # finished: read back


def test_a_run_that_fails_in_the_middle_goes_on(binary, tmp_path, monkeypatch):
    shutil.copytree(binary / "data", tmp_path / "data")
    changes = {"schedule": {**QUICK["schedule"], "save_every": 0.0}}
    with monkeypatch.context() as patch:
        loss, calls = VariationalCopula.loss, iter(range(4))
        patch.setattr(VariationalCopula, "loss", lambda self, *given: (next(calls), loss(self, *given))[1])
        with pytest.raises(StopIteration):
            train(tmp_path, **changes)
    assert "has not finished; go on with sklar train" in sklar("evaluate", tmp_path / "run")
    assert train(tmp_path, **changes) is None
    one, two = (load_file(folder / "run/model.safetensors") for folder in (binary, tmp_path))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_two_processes_train_what_one_does(binary, tmp_path):
    """With weights that are more than a pipe between processes holds."""
    logs = []
    for devices, size in ((1, 16), (2, 8)):
        folder = tmp_path / str(devices)
        shutil.copytree(binary / "data", folder / "data")
        changes = {"modalities": ["vec", "vitals"], "settings": {"dim": 16, "hidden": 64, "dropout": 0.0}}
        schedule = {**QUICK["schedule"], "batch_size": size}
        hardware = {"accelerator": "cpu", "devices": devices}
        assert train(folder, schedule=schedule, hardware=hardware, **changes) is None
        assert (folder / "run/model.safetensors").stat().st_size > 2**16
        logs.append(next(csv.DictReader((folder / "run/metrics.csv").open())))
    for name in set(logs[0]) - {"seconds"}:
        assert float(logs[0][name]) == pytest.approx(float(logs[1][name]), abs=1e-5), name


def test_a_folder_that_holds_another_run_stays_as_it_is(binary, tmp_path):
    shutil.copytree(binary, tmp_path, dirs_exist_ok=True)
    run = tmp_path / "run"
    before = {name: (run / name).read_bytes() for name in all_files(run)}
    assert "holds a run of another model" in train(tmp_path, seed=3)
    write(tmp_path / "data", changed(tiny(), "vec", values=tiny()["modalities"]["vec"].values + 1))
    assert "the dataset has changed" in train(tmp_path)
    (run / "state.safetensors").unlink()
    before.pop("state.safetensors")
    assert "holds a model already" in train(tmp_path)
    assert {name: (run / name).read_bytes() for name in all_files(run)} == before


def test_a_change_that_keeps_the_size_is_noticed_by_every_command(binary, tmp_path):
    shutil.copytree(binary, tmp_path, dirs_exist_ok=True)
    run, data = tmp_path / "run", tmp_path / "data"
    (data / ".DS_Store").write_text("no part of the dataset")
    assert train(tmp_path) is None  # finished: read back
    whole = (data / "film.npy").read_bytes()
    (data / "film.npy").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    before = {name: (run / name).read_bytes() for name in all_files(run)}
    for command in (["predict", run, data], ["impute", run, data], ["evaluate", run], ["train", run / "config.yaml"]):
        status = sklar(*command)
        assert "film.npy: has changed since it was written (sha256); restore the file" in status
    about = json.loads((data / "dataset.json").read_text())
    (data / "dataset.json").write_text(json.dumps({**about, "files": None}))  # the change is meant
    assert "the dataset has changed since the run" in train(tmp_path)
    assert {name: (run / name).read_bytes() for name in all_files(run)} == before
    assert sklar("predict", run, data) is None


def test_paths_of_encoders_mean_the_same_from_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bert").mkdir()
    note = {"kind": "text", "model": "bert", "cache": "features/text"}
    film = {"kind": "image", "model": "google/vit"}  # no folder: a name
    found = with_absolute_paths(in_python(Path("x"), encoders={"note": note, "film": film, "vec": {"width": 3}}))
    absolute = {"model": str(tmp_path / "bert"), "cache": str(tmp_path / "features/text")}
    assert found.encoders == {"note": {"kind": "text", **absolute}, "film": film, "vec": {"width": 3}}
    assert (found.data, found.out) == (tmp_path / "x/data", tmp_path / "x/run")
    assert note["model"] == "bert"  # the caller's stays
    monkeypatch.chdir("/")
    assert with_absolute_paths(found) == found


@pytest.mark.parametrize("inside", ["data", "data/new.json", "data/deep/er/new.json", "data/vec.npy", "link/new.json"])
def test_nothing_goes_into_a_dataset_folder(binary, tmp_path, inside):
    shutil.copytree(binary / "data", tmp_path / "data")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    refuse_inside_dataset(tmp_path / "data.json")
    with pytest.raises(ValueError, match="lies in the dataset folder"):
        refuse_inside_dataset(tmp_path / inside)


def test_nothing_is_written_where_something_is_wrong(binary, tmp_path):
    shutil.copytree(binary / "data", tmp_path / "data")
    before = all_files(tmp_path / "data")
    wrong = [
        {"labelled": 1000}, {"modalities": ["ecg"]}, {"modalities": ["vec", "vec"]}, {"modalities": []},
        {"model": "cube"}, {"settings": {"dim": -1}}, {"settings": {"width": 3}}, {"settings": {"copula": "cube"}},
        {"settings": {"inputs": {}}}, {"encoders": {"vec": {"kind": "cube"}}}, {"encoders": {"ecg": {}}},
        {"encoders": {"vec": {"width": 3}}}, {"hardware": {"accelerator": "cube"}}, {"hardware": {"devices": 0}},
        {"missing": {"mechanism": "mcar", "rate": {"ecg": 0.5}}}, {"schedule": {"steps": 0}},
        {"missing": {"mechanism": "cube"}}, {"out": str(tmp_path / "data/run")}, {"out": str(tmp_path / "data")},
    ]  # fmt: skip
    for change in wrong:
        status = train(tmp_path, **change)
        assert isinstance(status, str), change
        assert status.startswith("sklar: "), change
        assert "\n" not in status, change
    assert all_files(tmp_path / "data") == before
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_mechanism_trains_and_scores(binary, tmp_path, mechanism):
    shutil.copytree(binary / "data", tmp_path / "data")
    rates = {"vec": 0.4, "labs": 0.3}
    changes = {"model": "concat", "missing": {"mechanism": mechanism, "rate": rates}}
    assert train(tmp_path, modalities=["vec", "labs", "vitals"], **changes) is None
    given = json.dumps({"mechanism": mechanism, "rate": rates, "seed": 3})
    assert sklar("evaluate", tmp_path / "run", "--split", "all", "--missing", given) is None
    scores = {r["rows"]: r["number"] for r in json.loads((tmp_path / "run/evaluation.json").read_text())}
    dataset = open_dataset(tmp_path / "data")
    natural = int((labelled(dataset) & dataset.observed[:, :3].all(-1)).sum())
    shown = scores.get("3 observed", 0)
    assert (shown == natural) if mechanism == "natural" else (shown < natural)


def test_a_mechanism_looks_at_the_labels_before_some_are_hidden(binary, monkeypatch):
    """What is recorded depends on the outcome, whether or not somebody kept it."""
    seen = []
    plain = sklar_run.remove
    monkeypatch.setattr(
        sklar_run, "remove", lambda rows, *given: (seen.append(int(labelled(rows).sum())), plain(rows, *given))[1]
    )
    shutil.copytree(binary / "data", binary / "copy/data", dirs_exist_ok=True)
    train_run(in_python(binary / "copy", labelled=5, unlabelled=False, model="concat"), progress=False)
    assert seen[0] == 25
    assert json.loads((binary / "copy/run/run.json").read_text())["rows"] == {
        "train": 5,
        "labelled": 5,
        "validation": 14,
    }


def test_validation_is_carved_out_by_person(tmp_path):
    content = tiny("regression")
    content["samples"]["split"] = ["train"] * 60
    dataset = open_dataset(write(tmp_path / "data", content))
    cuts = []
    for seed in (0, 0, 1):
        learning, held_out = split_rows(dataset, in_python(tmp_path, seed=seed, validation=0.25))
        assert not set(learning.group_id) & set(held_out.group_id)
        assert len(set(held_out.group_id)) == round(0.25 * 30)
        assert sorted([*learning.sample_id, *held_out.sample_id]) == sorted(dataset.sample_id)
        cuts.append(set(held_out.group_id))
    assert cuts[0] == cuts[1] != cuts[2]


def test_matched_rows_have_every_modality_in_use(tmp_path):
    dataset = open_dataset(write(tmp_path / "data", tiny("regression", rows=200)))
    config = in_python(tmp_path, modalities=["vec", "film"], matched=True)
    for rows, split in zip(split_rows(dataset, config), ("train", "validation"), strict=True):
        part = dataset.part(split)
        both = part.observed[:, part.names.index("vec")] & part.observed[:, part.names.index("film")]
        assert list(rows.sample_id) == list(part.sample_id[both.numpy()])
        assert 0 < len(rows) < len(part)


@pytest.mark.parametrize("task", TASKS)
def test_labels_are_kept_in_proportion_and_nested(tmp_path, task):
    dataset = open_dataset(write(tmp_path / "data", tiny(task, rows=400)))
    learning, _ = split_rows(dataset, in_python(tmp_path))
    known = labelled(learning)
    before = set()
    for number in (6, 30, 90):
        kept = keep_labels(learning, in_python(tmp_path, labelled=number))
        chosen = set(kept.sample_id[labelled(kept).numpy()])
        assert len(chosen) == number
        assert before < chosen
        before = chosen
        assert len(kept) == len(learning)
        alone = keep_labels(learning, in_python(tmp_path, labelled=number, unlabelled=False))
        assert set(alone.sample_id) == chosen
        if task in ("binary", "multiclass"):
            for label in learning.target[known].unique():
                share = float((learning.target[known] == label).float().mean())
                assert abs(int((kept.target == label).sum()) - number * share) <= 1
    one, other = (keep_labels(learning, in_python(tmp_path, labelled=30, seed=seed)) for seed in (0, 1))
    assert not torch.equal(labelled(one), labelled(other))


def unlabelled(content, split):
    samples = content["samples"]
    died = [None if part == split else d for part, d in zip(samples["split"], samples["died"], strict=True)]
    return {**content, "samples": {**samples, "died": died}}


def with_columns(content, **columns):
    return {**content, "samples": {**content["samples"], **columns}}


BROKEN = {
    "no rows whose split is 'train'": with_columns(tiny(), split=["test"] * 60),
    "no validation row has a label": unlabelled(tiny(), "validation"),
    "no training rows with a label": unlabelled(tiny(), "train"),
    "one group's": with_columns(tiny(), group_id=["p"] * 60, split=["train"] * 60),
}


@pytest.mark.parametrize("message", BROKEN)
def test_rows_that_cannot_be_trained_on(tmp_path, message):
    write(tmp_path / "data", BROKEN[message])
    assert message in train(tmp_path)
    assert not (tmp_path / "run").exists()


@pytest.mark.filterwarnings("default:::sklar")
def test_a_modality_that_no_training_row_has_is_warned_of(tmp_path, capfd):
    content = with_presence(tiny())
    content["samples"]["has_vec"] = [i >= 32 for i in range(60)]
    content["modalities"]["vec"] = Vector(np.ones((60, 4)))
    write(tmp_path / "data", content)
    assert train(tmp_path) is None
    assert "sklar: warning: no training row has ['vec']" in capfd.readouterr().err
    assert sklar("predict", tmp_path / "run", tmp_path / "data") is None
    table = pq.read_table(tmp_path / "run/predictions.parquet")
    assert np.isfinite(table["probability"].to_numpy()).all()


# Folders that something is wrong with.


def test_damaged_folders(binary, tmp_path):
    run = binary / "run"

    def damaged(name):
        return shutil.copytree(binary / "data", tmp_path / name)

    (tmp_path / "empty").mkdir()
    truncated = damaged("truncated")
    (truncated / "vec.npy").write_bytes((truncated / "vec.npy").read_bytes()[:-8])
    column = damaged("column")
    samples = pq.read_table(column / "samples.parquet")
    parquet.write_table(samples.drop_columns(["has_vec"]), column / "samples.parquet")
    events = damaged("events")
    parquet.write_table(pq.read_table(events / "drugs.parquet").drop_columns(["code"]), events / "drugs.parquet")
    no_labels = damaged("labels")
    parquet.write_table(samples.drop_columns(["died"]), no_labels / "samples.parquet")
    for folder, message in (
        (tmp_path / "empty", "dataset.json"), (truncated, "vec.npy"), (column, "has_vec"), (events, "code"),
        (no_labels, "died"), (tmp_path / "none", "no dataset folder"), (run / "run.json", "is a file"),
    ):  # fmt: skip
        for command in ("predict", "evaluate", "impute"):
            status = sklar(command, run, folder)
            assert message in status
            assert status.startswith("sklar: ")
        assert "Traceback" not in status
        if folder.is_dir():
            assert sklar("data", "check", folder) == 1
    assert sklar("data", "check", binary / "data") == 0


def test_runs_that_are_none(binary, tmp_path):
    assert "is not a run" in sklar("predict", tmp_path, binary / "data")
    for name, content, message in (
        ("run.json", "{", "run.json is damaged"),
        ("run.json", "[]", "run.json is damaged"),
        ("model.json", "{", "model.json is damaged"),
        ("model.safetensors", "", "model.safetensors is damaged"),
    ):
        run = shutil.copytree(binary / "run", tmp_path / "run", dirs_exist_ok=True)
        (run / name).write_text(content)
        assert message in sklar("predict", run, binary / "data")


def test_evaluation_is_refused_where_it_would_mean_nothing(binary, tmp_path):
    run = binary / "run"
    samples = tiny()["samples"]
    cases = {
        "another task": ({**tiny("multiclass")}, "asks for multiclass.*the run answers binary"),
        "other classes": ({**tiny(), "classes": ["yes", "no"]}, "asks for binary, labels .*classes"),
        "no labels": ({**tiny(), "samples": {**samples, "died": [float("nan")] * 60}}, "none of these has a label"),
        "no such rows": ({**tiny(), "samples": {**samples, "split": ["train"] * 60}}, "no rows whose split is 'test'"),
    }
    for name, (content, message) in cases.items():
        write(tmp_path / name, content)
        with pytest.raises(SystemExit, match=message):
            raise SystemExit(sklar("evaluate", run, tmp_path / name))
    assert sklar("predict", run, tmp_path / "no labels", "--out", tmp_path / "p.parquet") is None
    assert sklar("predict", run, tmp_path / "another task", "--out", tmp_path / "q.parquet") is None
    assert pq.read_table(tmp_path / "p.parquet").equals(pq.read_table(tmp_path / "q.parquet"))


# What is written.


def test_predictions_of_a_part_are_those_of_the_whole(binary, tmp_path):
    run, data = read_run(binary / "run"), binary / "data"
    whole = pq.read_table(predict_run(run, data, tmp_path / "all.parquet", progress=False)).to_pylist()
    part = pq.read_table(predict_run(run, data, tmp_path / "test.parquet", "test", progress=False)).to_pylist()
    assert [row["sample_id"] for row in part] == [f"r{i:03d}" for i in range(46, 60)]
    rows = {row["sample_id"]: row for row in whole}
    for row in part:
        assert row["probability"] == pytest.approx(rows[row["sample_id"]]["probability"], abs=1e-6)
        assert row["spread"] == pytest.approx(rows[row["sample_id"]]["spread"], abs=1e-6)
    more = predict_run(run, data, tmp_path / "more.parquet", num_samples=32, progress=False)
    assert pq.read_table(more)["spread"].to_pylist() != [row["spread"] for row in whole]
    assert "at least 1" in sklar("predict", binary / "run", data, "--num_samples", 0)


FAILURES = {  # what fails, and at which call
    "predict": [(VariationalCopula, "outputs", 2), (parquet, "write_table", 0)],
    "impute": [(VariationalCopula, "_decode", 2), (parquet.ParquetWriter, "write_table", 7)],
    "evaluate": [(VariationalCopula, "outputs", 0), (Path, "write_text", 0)],
}


@pytest.mark.parametrize("command", FAILURES)
def test_an_unfinished_file_has_no_name(binary, tmp_path, monkeypatch, command):
    """A failure while rows are computed, and one while they are written: what was there before stays."""
    out = {"predict": tmp_path / "p.parquet", "impute": tmp_path / "imputed", "evaluate": tmp_path / "s.json"}[command]
    given = [command, binary / "run", binary / "data", "--out", out]
    assert sklar(*given) is None
    before = {name: (tmp_path / name).read_bytes() for name in all_files(tmp_path)}
    for module in (sklar_rows, sklar_apply):
        monkeypatch.setattr(module, "ROWS_AT_ONCE", 16)  # several parts
    given += ["--seed", 5] if command == "impute" else []
    for target, name, at in FAILURES[command]:
        plain, calls = getattr(target, name), iter(range(at))

        def later(*arguments, plain=plain, calls=calls, **named):
            if next(calls, None) is None:
                raise OSError("no space left on device")
            return plain(*arguments, **named)

        with monkeypatch.context() as patch:
            patch.setattr(target, name, later)
            assert sklar(*given) == "sklar: no space left on device"
        assert {name: (tmp_path / name).read_bytes() for name in all_files(tmp_path)} == before
        (tmp_path / "new").mkdir()
        with monkeypatch.context() as patch:
            patch.setattr(target, name, lambda *_, **__: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                sklar(*given[:4], tmp_path / "new" / out.name)
        assert all_files(tmp_path / "new") == []
        shutil.rmtree(tmp_path / "new")


def test_output_that_has_no_place_is_refused_before_the_work(binary, tmp_path, monkeypatch):
    monkeypatch.setattr(VariationalCopula, "outputs", None)  # any work would fail otherwise
    given = binary / "run", binary / "data", "--out"
    assert "is a folder" in sklar("predict", *given, tmp_path)
    assert "lies in the dataset folder" in sklar("predict", *given, binary / "data/samples.parquet")
    assert "lies in the dataset folder" in sklar("impute", *given, binary / "data")
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in sklar("impute", *given, tmp_path / "file")
    assert "unknown split 'west'" in sklar("predict", binary / "run", binary / "data", "--split", "west")


def test_imputations_are_draws_of_what_is_missing_in_its_own_units(binary, tmp_path, monkeypatch):
    run, data = read_run(binary / "run"), binary / "data"
    dataset = open_dataset(data)
    paths = impute_run(run, data, tmp_path / "one", num_samples=4, seed=3, progress=False)
    lacking = [name for m, name in enumerate(NAMES) if not bool(dataset.observed[:, m].all())]
    assert sorted(path.name for path in paths) == sorted(
        f"{name}-{what}.parquet" for name in lacking for what in ("embeddings", "features")
    )
    impute_run(run, data, tmp_path / "two", num_samples=4, seed=3, progress=False)
    impute_run(run, data, tmp_path / "other", num_samples=4, seed=4, progress=False)
    generator = torch.Generator().manual_seed(3)
    z, x = run.model.impute_and_generate(Feed(dataset, run.model)[:], 4, generator)
    for name in lacking:
        hidden = ~dataset.observed[:, NAMES.index(name)]
        for what, values in (("embeddings", z[name]), ("features", x[name])):
            file = f"{name}-{what}.parquet"
            assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
            assert (tmp_path / "one" / file).read_bytes() != (tmp_path / "other" / file).read_bytes()
            table = pq.read_table(tmp_path / "one" / file)
            ids = dataset.sample_id[hidden.numpy()]
            assert table["sample_id"].to_pylist() == [key for key in ids for _ in range(4)]
            assert table["draw"].to_pylist() == list(range(4)) * len(ids)
            content = np.stack([column.to_numpy() for column in table.columns[2:]], -1).reshape(len(ids), 4, -1)
            np.testing.assert_array_equal(content.transpose(1, 0, 2), values[:, hidden].numpy())
    vec = pq.read_table(tmp_path / "one/vec-features.parquet")
    assert vec.column_names == ["sample_id", "draw", "v0", "v1", "v2", "v3"]
    monkeypatch.setattr(sklar_apply, "ROWS_AT_ONCE", 16)
    in_parts = impute_run(run, data, tmp_path / "parts", num_samples=4, seed=3, progress=False)
    for path in in_parts:
        first = pq.read_table(tmp_path / "one" / path.name)
        assert pq.read_table(path).select(["sample_id", "draw"]).equals(first.select(["sample_id", "draw"]))


def test_imputed_features_have_the_units_of_the_data(tmp_path):
    """A modality a thousand times larger comes out a thousand times larger."""
    content = tiny()
    plain = content["modalities"]["vec"].values
    found = []
    for name, scale in (("small", 1), ("large", 1000)):
        folder = tmp_path / name
        write(folder / "data", changed(content, "vec", values=plain * scale + 7 * scale))
        run = train_run(in_python(folder, modalities=["vec", "vitals"]), progress=False)
        impute_run(run, folder / "data", folder / "imputed", progress=False)
        table = pq.read_table(folder / "imputed/vec-features.parquet")
        found.append(np.stack([table[f"v{k}"].to_numpy() for k in range(4)]))
    np.testing.assert_allclose(found[1], 1000 * found[0], rtol=1e-2)
    assert 6 < found[0].mean() < 10


def test_what_cannot_be_imputed(binary, tmp_path):
    content = {**tiny(), "modalities": {"vitals": tiny()["modalities"]["vitals"]}}
    del content["samples"]["has_film"]
    write(tmp_path / "data", content)
    assert train(tmp_path) is None
    assert "there is nothing to impute" in sklar("impute", tmp_path / "run", tmp_path / "data")
    assert train(tmp_path, model="concat", out=str(tmp_path / "concat")) is None
    assert "'concat', which imputes nothing" in sklar("impute", tmp_path / "concat", tmp_path / "data")


@pytest.mark.parametrize(
    ("names", "written"),
    [
        (["draw", "sample_id"], ["draw_", "sample_id_"]),
        (["sample_id", "sample_id_"], ["sample_id__", "sample_id_"]),
        (["sample_id_", "sample_id"], ["sample_id_", "sample_id__"]),
    ],
)
def test_features_that_are_called_like_other_columns(tmp_path, names, written):
    content = tiny()
    labs = np.array(content["modalities"]["labs"].values)[:, 1:3]
    labs[:, 1] += 1000
    labs[::4] = np.nan
    content["modalities"]["labs"] = Table(labs, [Column(name) for name in names])
    write(tmp_path / "data", content)
    assert train(tmp_path, modalities=["labs", "vitals"]) is None
    assert sklar("impute", tmp_path / "run", tmp_path / "data") is None
    table = pq.read_table(tmp_path / "run/imputed/labs-features.parquet")
    assert table.column_names == ["sample_id", "draw", *written]
    assert table[written[0]].to_numpy().mean() < 500 < table[written[1]].to_numpy().mean()


def test_integer_sample_ids_stay_integers(tmp_path):
    content = tiny()
    ids = {key: 1000 - i for i, key in enumerate(content["samples"]["sample_id"])}
    del content["modalities"]["note"], content["modalities"]["drugs"]
    content["samples"]["sample_id"] = list(ids.values())
    write(tmp_path / "data", content)
    assert train(tmp_path, model="concat") is None
    assert sklar("predict", tmp_path / "run", tmp_path / "data") is None
    table = pq.read_table(tmp_path / "run/predictions.parquet")
    assert table["sample_id"].to_pylist() == list(ids.values())
    assert set(table["spread"].to_pylist()) == {0.0}  # a model that draws nothing
