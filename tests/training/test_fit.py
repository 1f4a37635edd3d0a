"""Training: resumed after a kill, split over processes, logged."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from sklar.data import Batch, completely_at_random
from sklar.models import make_model
from sklar.training import Hardware, Schedule, load_model, train
from sklar.training.state import STATE

WIDTHS = {"a": 5, "b": 3, "c": 4}
DISTURBED = {"jitter": 0.5, "lend": 1.0}  # switches of the recipe that change the batch


def toy(rows, seed=0, missing=0.4):
    """The class moves one coordinate of each of three noisy views; every fifth row is unlabelled."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(3, (rows,), generator=generator)
    inputs = {
        name: 2 * torch.eye(3, d)[target] + 0.5 * torch.randn(rows, d, generator=generator)
        for name, d in WIDTHS.items()
    }
    target = torch.where(torch.arange(rows) % 5 == 4, -1, target)
    return Batch(inputs, completely_at_random(rows, 3, missing, generator), target)


def fresh(name="variational_copula", **settings):
    torch.manual_seed(0)
    return make_model(name, inputs=WIDTHS, classes=3, dim=4, hidden=16, **settings)


def run(folder, steps=60, hardware=None, **settings):
    """What the killed process runs, too."""
    model = fresh(**{"recipe": DISTURBED, **settings})
    schedule = Schedule(steps=steps, batch_size=32, check_every=1, patience=100, save_every=0.0)
    train(model, toy(150), toy(60, seed=1), schedule, seed=5, progress=False, folder=folder, hardware=hardware)
    return model


SCRIPT = "import sys; sys.path.insert(0, sys.argv[1]); import test_fit; test_fit.run(sys.argv[2], 120)"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    run(folder, 120)
    return folder


def test_killed_at_random_moments_ends_with_the_same_weights_bit_for_bit(undisturbed, tmp_path):
    """The state is written after every step here, so that kills fall into its writing as well."""
    random = torch.Generator().manual_seed(0)
    command = [sys.executable, "-c", SCRIPT, os.path.dirname(__file__), str(tmp_path)]
    kills = 0
    while kills < 3:
        with subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}) as process:
            before = (tmp_path / STATE).stat().st_mtime_ns if (tmp_path / STATE).exists() else 0
            while process.poll() is None and (
                not (tmp_path / STATE).exists() or (tmp_path / STATE).stat().st_mtime_ns == before
            ):
                time.sleep(0.001)  # until it has gone on
            time.sleep(0.4 * float(torch.rand((), generator=random)))
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGKILL)
            kills += 1
    assert kills > 0, "the run ended before it could be killed"
    with safe_open(tmp_path / STATE, framework="pt") as file:
        left = json.loads(file.metadata()["state"])["progress"]
    assert 0 < left["step"] < 120 or left["finished"]
    run(tmp_path, 120)
    first, second = (load_file(folder / "model.safetensors") for folder in (undisturbed, tmp_path))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not list(tmp_path.glob("*.part"))
    logs = [[{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader((f / "metrics.csv").open())]
            for f in (undisturbed, tmp_path)]  # fmt: skip
    assert logs[0] == logs[1]
    assert len(logs[0]) == 24


def test_a_torn_state_file_is_not_used(tmp_path):
    """A process killed while it writes leaves a temporary file beside the last whole state."""
    with pytest.raises(ZeroDivisionError):
        interrupted(tmp_path, at=30)
    whole = (tmp_path / STATE).read_bytes()
    (tmp_path / f"{STATE}.123.part").write_bytes(whole[: len(whole) // 2])
    resumed = run(tmp_path)
    plain = run(None)
    assert all(torch.equal(x, plain.state_dict()[name]) for name, x in resumed.state_dict().items())
    assert not list(tmp_path.glob("*.part"))


def interrupted(folder, at):
    """A run that fails at a step."""
    model, calls = fresh(recipe=DISTURBED), [0]
    loss = model.loss

    def failing(*arguments):
        calls[0] += 1
        return loss(*arguments) if calls[0] <= at else 1 / 0

    model.loss = failing
    schedule = Schedule(steps=60, batch_size=32, check_every=1, patience=100, save_every=0.0)
    train(model, toy(150), toy(60, seed=1), schedule, seed=5, progress=False, folder=folder)


def test_a_run_in_another_precision_is_refused(undisturbed):
    with pytest.raises(ValueError, match="holds a run of another model"):
        run(undisturbed, 120, hardware=Hardware("cpu", precision="bf16-mixed"))


def test_a_finished_run_is_read_back_and_another_one_refused(undisturbed):
    before = (undisturbed / "model.safetensors").stat().st_mtime_ns
    again = run(undisturbed, 120)
    assert (undisturbed / "model.safetensors").stat().st_mtime_ns == before
    assert torch.equal(again.predict(toy(20)), load_model(undisturbed).predict(toy(20)))
    with pytest.raises(ValueError, match="holds a run of another model"):
        run(undisturbed, 210)
    (undisturbed / STATE).write_bytes(b"no state")
    with pytest.raises(ValueError, match=r"state\.safetensors is damaged"):
        run(undisturbed, 120)


@pytest.mark.parametrize("settings", [{"recipe": DISTURBED}, {"objective": "bound"}, {"name": "concat"}], ids=str)
def test_two_processes_compute_what_one_does_with_the_doubled_batch(settings, tmp_path):
    rows, held_out = toy(150), toy(60, seed=1)
    logs, states = [], []
    for place, devices, size in ((tmp_path / "one", 1, 32), (tmp_path / "two", 2, 16)):
        model = fresh(dropout=0.0, **settings)
        schedule = Schedule(steps=20, batch_size=size, check_every=1, patience=100)
        hardware = Hardware("cpu", devices)
        train(model, rows, held_out, schedule, seed=5, progress=False, folder=place, hardware=hardware)
        logs.append([{k: float(v) for k, v in r.items()} for r in csv.DictReader((place / "metrics.csv").open())])
        states.append(load_file(place / "model.safetensors"))
    assert len(logs[0]) == len(logs[1]) == 4
    for one, two in zip(*logs, strict=True):
        for name in set(one) - {"seconds"}:
            assert one[name] == pytest.approx(two[name], abs=1e-5), name
    start = [name for name in states[0] if name.endswith(("scaling.mean", "scaling.scale"))]
    assert start
    assert all(torch.equal(states[0][name], states[1][name]) for name in start)


def test_logs_can_be_read(undisturbed):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    table = list(csv.DictReader((undisturbed / "metrics.csv").open()))
    events = EventAccumulator(str(undisturbed / "tensorboard")).Reload()
    scalars = events.Scalars("validation_loss")
    assert [int(row["step"]) for row in table] == [event.step for event in scalars]
    for row, event in zip(table, scalars, strict=True):
        assert float(row["validation_loss"]) == pytest.approx(event.value, rel=1e-6)
        parts = sum(float(row[name]) for name in row if name in ("head", "second_pass", "consistency", "auxiliary"))
        assert float(row["loss"]) > 0
        assert parts > 0


def test_mixed_precision_trains_and_keeps_densities_in_full(tmp_path):
    model = fresh()
    schedule = Schedule(steps=200, batch_size=32, check_every=5, patience=100)
    train(model, toy(300), toy(60, seed=1), schedule, progress=False, hardware=Hardware("cpu", precision="bf16-mixed"))
    held_out = toy(100, seed=2, missing=0.0)
    known = held_out.target >= 0
    right = model.predict(held_out).argmax(-1)[known] == held_out.target[known]
    assert right.double().mean() > 0.9


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"validation": Batch(toy(10).inputs, toy(10).observed, torch.full((10,), -1))},
            "validation rows need targets",
        ),
        ({"rows": toy(10)[:0]}, "no training rows"),
    ],
)
def test_wrong_rows_are_refused_before_training(change, message):
    arguments = {"rows": toy(30), "validation": toy(10), **change}
    with pytest.raises(ValueError, match=message):
        train(fresh(), **arguments, progress=False)


@pytest.mark.parametrize(
    "change", [{"steps": 0}, {"batch_size": 0}, {"learning_rate": 0.0}, {"learning_rate": 1e3}, {"patience": 0}]
)
def test_a_schedule_that_makes_no_sense_is_refused(change):
    with pytest.raises(ValueError, match=next(iter(change))):
        Schedule(**change)


def test_weights_that_run_away_are_not_called_bad_data():
    schedule = Schedule(steps=60, batch_size=32, learning_rate=10.0, warmup=1, clip=1e9, check_every=100)
    model = fresh(dropout=0.0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1e20)
    with pytest.raises(ValueError, match="lower learning_rate"):
        train(model, toy(150), toy(60, seed=1), schedule, progress=False)


@pytest.mark.parametrize(("mean", "scale"), [(0.0, 1e-3), (7.4, 0.05), (1e3, 1.0), (1e6, 1.0), (3e3, 1e3), (5.0, 0.0)])
def test_a_value_is_predicted_in_any_unit(mean, scale):
    rows, held_out = toy(300, missing=0.0), toy(100, seed=1, missing=0.0)

    def in_units(batch):
        return Batch(batch.inputs, batch.observed, mean + scale * batch.inputs["a"][:, 0].double())

    torch.manual_seed(0)
    model = make_model("variational_copula", inputs=WIDTHS, task="regression", dim=4, hidden=16)
    train(model, in_units(rows), in_units(held_out), Schedule(steps=150, check_every=5), progress=False)
    target = in_units(held_out).target
    error = (model.predict(held_out) - target).square().mean()
    assert error <= (0.2 * target.var() if scale else 1e-4)


def test_long_epochs_are_validated_within(tmp_path):
    schedule = Schedule(steps=60, batch_size=1, check_every=3)
    train(fresh(), toy(150), toy(60, seed=1), schedule, progress=False, folder=tmp_path)
    steps = [int(row["step"]) for row in csv.DictReader((tmp_path / "metrics.csv").open())]
    assert steps == [25, 50, 60]


def test_a_loss_that_explodes_is_named(tmp_path):
    model = fresh()
    with torch.no_grad():
        model.head[-1].bias.fill_(torch.nan)
    with pytest.raises(ValueError, match="the loss is nan at step 0"):
        train(model, toy(30), toy(10, seed=1), Schedule(steps=2), progress=False)
