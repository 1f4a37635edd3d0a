"""Configurations: typed, documented, read back as they were written."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from tiny import QUICK, sklar

from sklar.benchmark.curve import CurveConfig
from sklar.data.mfeat import VIEWS
from sklar.data.missingness import Missingness
from sklar.models import MODELS
from sklar.training import Hardware, RunConfig, Schedule
from sklar.training.inputs import model_settings
from sklar.training.run import to_yaml

EXAMPLES = Path(__file__).parents[2] / "configs"
FULL = RunConfig(
    Path("data"), Path("out"), "cm2_published", {"dim": 8, "recipe": {"drop": 0.1}, "options": None},
    {"ehr": {"kind": "lstm", "channels": ["a", "ü"]}}, ["ehr", "note"], True, 20, False,
    Missingness("mar", {"ehr": 0.25}, 2.0, 4),
    0.3, Schedule(steps=7, learning_rate=1e-4), Hardware("cpu", 2, "bf16-mixed"), 9,
)  # fmt: skip


def printed(capsys, *arguments):
    status = sklar(*arguments)
    assert not status, status
    return yaml.safe_load(capsys.readouterr().out)


@pytest.mark.parametrize("config", [FULL, RunConfig(Path("a"), Path("b"))], ids=["full", "defaults"])
def test_yaml_says_the_same_as_the_configuration(tmp_path, capsys, config):
    (tmp_path / "c.yaml").write_text(to_yaml(config), encoding="utf-8")
    assert printed(capsys, "train", tmp_path / "c.yaml", "--print_config") == yaml.safe_load(to_yaml(config))
    assert yaml.safe_load(to_yaml(config))["missing"]["mechanism"] == config.missing.mechanism


def test_the_command_line_overrides_the_file(tmp_path, capsys):
    (tmp_path / "c.yaml").write_text(to_yaml(FULL), encoding="utf-8")
    given = ["--schedule.steps", 99, "--missing.rate", 0.125, "--modalities", "[note]", "--labelled", "null"]
    found = printed(capsys, "train", tmp_path / "c.yaml", *given, "--print_config")
    missing = replace(FULL.missing, rate=0.125)
    changed = replace(
        FULL, schedule=replace(FULL.schedule, steps=99), modalities=["note"], labelled=None, missing=missing
    )
    assert found == yaml.safe_load(to_yaml(changed))


def test_what_yaml_cannot_hold_is_refused():
    with pytest.raises(ValueError, match="hold numbers, texts, lists and mappings only"):
        to_yaml(replace(FULL, settings={"dim": object()}))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modle: concat", "modle"), ("schedule: {stepz: 3}", "schedule.stepz"),
        ("schedule: {steps: many}", "schedule.steps"),
        ("labelled: half", "labelled"), ("unlabelled: 3", "unlabelled"), ("encoders: {vec: 3}", "encoders"),
        ("modalities: {a: 1}", "modalities"), ("missing: {mechanism: cube}", "unknown mechanism 'cube'"),
        ("missing: {rate: 1.5}", "must be in [0, 1), got 1.5"),
        ("hardware: {precision: '16'}", "unknown precision '16'"),
        ("schedule: {steps: 0}", "at least one of steps"), ("seed: [", "parsing"), ("just words", "config"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_file_is_one_line(tmp_path, capsys, text, message):
    (tmp_path / "c.yaml").write_text(f"data: {tmp_path / 'data'}\nout: {tmp_path / 'run'}\n{text}\n")
    status = sklar("train", tmp_path / "c.yaml")
    assert isinstance(status, str)
    assert message in status
    assert "\n" not in status
    assert capsys.readouterr().err == ""
    assert list(tmp_path.iterdir()) == [tmp_path / "c.yaml"]


@pytest.mark.parametrize("name", MODELS)
def test_the_settings_of_a_model_are_those_that_it_takes(name):
    known = model_settings(name)
    assert {"dim", "hidden", "dropout", "recipe"} <= set(known)
    assert ("copula" in known) == (name in ("variational_copula", "cm2_published"))
    assert not {"self", "inputs", "task", "classes", "settings"} & set(known)
    MODELS[name](inputs={"a": 2}, classes=2, **dict.fromkeys(["dim", "hidden"], 4))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """What the examples read; the six views of mfeat are drawn here."""
    import numpy as np

    from sklar.data import Vector, write_dataset
    from sklar.data.digits_folder import prepare_digits

    folder = tmp_path_factory.mktemp("examples")
    prepare_digits(folder / "digits")
    rng = np.random.default_rng(0)
    samples = {"sample_id": range(200), "split": ["train"] * 100 + ["validation"] * 50 + ["test"] * 50,
               "digit": rng.integers(0, 10, 200)}  # fmt: skip
    views = {name: Vector(rng.normal(size=(200, 5))) for name in VIEWS}
    write_dataset(folder / "mfeat", name="mfeat", task="multiclass", labels=["digit"], samples=samples,
                  modalities=views,
                  classes=[str(k) for k in range(10)])  # fmt: skip
    return folder


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*.yaml")))
def test_the_examples_run(prepared, tmp_path, name):
    content = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text())
    curve = name.endswith("-curve")
    prefix = "run." if curve else ""
    data = (content["run"] if curve else content)["data"]
    given = [f"--{prefix}data", prepared / Path(data).name, f"--{prefix}out", tmp_path / "run"]
    given += [
        f"--{prefix}schedule.steps",
        2,
        f"--{prefix}settings",
        {**content.get("settings", {}), **QUICK["settings"]},
    ]
    if curve:
        given += ["--labelled", "[20]", "--seeds", 1]
    assert sklar("curve" if curve else "train", EXAMPLES / f"{name}.yaml", *given) is None
    if not curve:
        assert sklar("evaluate", tmp_path / "run") is None


def test_a_curve_refuses_what_makes_no_curve():
    run = RunConfig(Path("data"), Path("out"))
    for changes, message in (
        ({"labelled": []}, "at least one seed"), ({"labelled": [0]}, "from 1 on"), ({"seeds": 0}, "at least one seed"),
        ({"unlabelled": []}, "one arm"), ({"labelled": [5, 5]}, "twice"), ({"unlabelled": [True, True]}, "twice"),
        ({"split": "train"}, "unknown split"), ({"run": replace(run, labelled=5)}, "what a curve varies"),
        ({"run": replace(run, unlabelled=False)}, "what a curve varies"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            CurveConfig(**{"run": run, **changes})
