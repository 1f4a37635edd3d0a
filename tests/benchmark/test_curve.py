"""The learning curve over the number of labels."""

import json
from dataclasses import replace
from statistics import mean, stdev

import pytest
import torch

from sklar.benchmark import curve as module
from sklar.benchmark.curve import CurveConfig, curve_tables, run_curve
from sklar.data import Vector, write_dataset
from sklar.data.digits_folder import prepare_digits
from sklar.training import RunConfig, Schedule, evaluate_run, read_run


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    folder = tmp_path_factory.mktemp("curve")
    prepare_digits(folder / "data", train=60, validation=40)
    schedule = Schedule(steps=3, batch_size=30, warmup=1)
    run = RunConfig(folder / "data", folder / "out", settings={"dim": 2, "hidden": 4}, schedule=schedule, seed=5)
    return CurveConfig(run, [10, 30], seeds=2)


def test_every_cell_is_a_run_of_its_own(config, capsys):
    records = run_curve(config)
    said = capsys.readouterr().out
    cells = [(number, others, seed) for number in (10, 30) for others in (True, False) for seed in (5, 6)]
    assert [(r["labelled"], r["unlabelled"], r["seed"]) for r in records] == cells
    assert json.loads((config.run.out / "curve.json").read_text()) == records
    for record in records:
        arm = "with" if record["unlabelled"] else "without"
        folder = config.run.out / f"{record['labelled']}-{arm}-unlabelled-seed-{record['seed']}"
        rows = json.loads((folder / "run.json").read_text())["rows"]
        assert rows == {"train": 60 if record["unlabelled"] else record["labelled"], "labelled": record["labelled"],
                        "validation": 40}  # fmt: skip
        assert evaluate_run(read_run(folder))[0]["log_loss"] == record["log_loss"]
    assert said.count("done (") == 8
    assert "paired by seed" in said


def test_a_stopped_curve_goes_on(config, monkeypatch):
    first = run_curve(config)
    monkeypatch.setattr("sklar.training.fit._Run", None)  # nothing is trained again
    assert run_curve(config) == first


def test_what_would_fail_late_fails_before_any_training(config, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "train_run", None)
    with pytest.raises(ValueError, match="labelled must be between 1 and the 60 labelled rows, got 61"):
        run_curve(replace(config, labelled=[10, 61]))
    split = ["train"] * 20 + ["validation"] * 10 + ["test"] * 10
    label = [k % 2 if k < 30 else None for k in range(40)]
    samples = {"sample_id": range(40), "split": split, "y": label}
    vectors = {"a": Vector(torch.randn(40, 2))}
    write_dataset(tmp_path / "data", name="x", task="binary", labels=["y"], samples=samples, modalities=vectors)
    with pytest.raises(ValueError, match="no labelled rows whose split is 'test'"):
        run_curve(replace(config, run=replace(config.run, data=tmp_path / "data"), labelled=[10]))


def test_tables_are_means_and_paired_differences():
    values = {(10, True): [0.5, 0.7], (10, False): [0.9, 0.6], (30, True): [0.3, 0.2], (30, False): [0.4, 0.1]}
    records = [
        {"labelled": number, "unlabelled": arm, "seed": seed, "rows": "all", "number": 9, "log_loss": value}
        for (number, arm), found in values.items()
        for seed, value in enumerate(found)
    ]
    without, with_, difference = curve_tables(records)
    for table, arm in ((without, False), (with_, True)):
        for (label, cell), number in zip(table.rows, (10, 30), strict=True):
            found = values[number, arm]
            assert label == str(number)
            assert cell == f"{mean(found):.3f} +- {stdev(found) / 2**0.5:.3f}"
    gaps = [a - b for a, b in zip(values[10, True], values[10, False], strict=True)]
    assert difference.rows[0] == ["10", f"{mean(gaps):.3f} +- {stdev(gaps) / 2**0.5:.3f}"]
    one = curve_tables([record for record in records if record["unlabelled"] and record["seed"] == 0])
    assert [row[1] for row in one[0].rows] == ["0.500", "0.300"]
