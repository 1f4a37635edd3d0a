import json
import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from sklar.benchmark.demo import UNFINISHED, Demo, run_seed
from sklar.cli import _commands, build, main
from sklar.data import Vector, write_dataset
from sklar.data.digits import Digits, load_digits

SCORES = {"accuracy", "log_loss", "brier", "ece", "energy_score"}
COMMAND = [sys.executable, "-m", "sklar.cli"]


def run(*arguments):
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A demo of one seed, killed when that was done and started again."""
    folder = tmp_path_factory.mktemp("demo")
    arguments = ["demo", "--steps", "24", "--out", str(folder), "--processes", "1", "--seeds"]
    with subprocess.Popen(
        [*COMMAND, *arguments, "2"], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as demo:
        assert any("seed 0 done (1 of 2)" in line for line in demo.stdout)
        os.killpg(demo.pid, signal.SIGKILL)
    assert not (folder / "results.json").exists()
    (kept,) = (folder / UNFINISHED).glob("seed-0-*.json")
    (folder / "kept.json").write_bytes(kept.read_bytes())
    resumed = run(*arguments, "1")
    assert resumed.returncode == 0, resumed.stderr
    assert "1 done already" in resumed.stdout
    return folder


def test_the_demo_writes_its_records_and_a_self_contained_page(finished):
    records = json.loads((finished / "results.json").read_text())
    assert len(records) == 7 * (7 + 4)
    assert all(set(r) == SCORES | {"setting", "model", "pattern", "seed"} for r in records)
    for r in records:
        drawn = r["setting"] == "end_to_end" and r["model"] != "concat" and r["pattern"] != "upper+lower+profile"
        assert (r["energy_score"] is not None) == drawn
    page = (finished / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert "http" not in page


def test_a_demo_killed_between_two_seeds_goes_on_with_the_records_of_the_first(finished):
    kept = json.loads((finished / "kept.json").read_text())["records"]
    assert json.loads((finished / "results.json").read_text()) == kept
    assert len(kept) > 0


@pytest.mark.parametrize("copula", ["vine", "independence"])
def test_the_demo_with_another_copula(copula, tmp_path, monkeypatch):
    """On few rows; with independence the model is the arm of that name."""
    whole = load_digits(0)
    few = Digits(whole.train[:200], whole.validation[:60], whole.test[:20])
    monkeypatch.setattr("sklar.benchmark.demo.load_digits", lambda seed: few)
    monkeypatch.setattr("sklar.benchmark.demo._frozen", lambda digits, seed, steps: [])
    run_seed(0, Demo(1, tmp_path, steps=4, copula=copula))
    (file,) = (tmp_path / UNFINISHED).iterdir()
    records = json.loads(file.read_text())["records"]
    ours, independent = (
        [{k: v for k, v in r.items() if k != "model"} for r in records if r["model"] == name]
        for name in ("variational_copula", "independence")
    )
    assert len(ours) == 7
    assert all(r["log_loss"] > 0 for r in ours)
    assert (ours == independent) == (copula == "independence")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("--seeds", "0"), "at least one of seeds"), (("--copula", "cube"), "unknown copula 'cube'; choose one of")],
)
def test_a_wrong_setting_is_explained(arguments, message):
    result = run("demo", *arguments)
    assert result.returncode != 0
    assert message in result.stderr
    assert "Traceback" not in result.stderr


# The command line in this process: an import of torch costs two seconds.


def cli(*arguments):
    """What ``sys.exit`` was given."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("digits")
    assert cli("prepare", "digits", folder / "data", "--train", 60, "--validation", 40) is None
    given = [
        "--data",
        folder / "data",
        "--out",
        folder / "run",
        "--schedule.steps",
        3,
        "--settings",
        "{dim: 2, hidden: 4}",
    ]
    assert cli("train", *given) is None
    return folder


def every_parser(parser, name=()):
    """All commands' parsers, those of groups included."""
    yield name, parser
    for action in parser._actions:
        if isinstance(action.choices, dict):
            for key in action.choices:
                yield from every_parser(action.choices[key], (*name, key))


def test_every_option_of_every_command_is_documented():
    parser = build(_commands())
    found = dict(every_parser(parser))
    assert {("train",), ("curve",), ("evaluate",), ("predict",), ("impute",), ("data", "check"), ("data", "show"),
            ("prepare", "mfeat"), ("prepare", "digits")} < set(found)  # fmt: skip
    count = 0
    for name, inner in found.items():
        for action in inner._actions:
            if action.option_strings and not isinstance(action.choices, dict):
                count += 1
                assert (action.help or "").strip(), (name, action.option_strings)
        if name:
            assert (inner.description or "").strip(), name
    assert count > 100


@pytest.mark.parametrize(
    "arguments", [[], ["train"], ["curve"], ["evaluate"], ["data", "check"], ["prepare", "digits"]], ids=str
)
def test_help_is_printed(capsys, arguments):
    assert cli(*arguments, "--help") == 0
    said = capsys.readouterr().out
    assert "usage: sklar" in said
    if arguments == ["train"]:
        keys = ["data", "out", "model", "settings", "encoders", "modalities", "labelled", "unlabelled", "validation",
                "missing.mechanism", "missing.rate", "schedule.steps", "hardware.precision", "seed"]  # fmt: skip
        assert all(f"--{key} " in said for key in keys)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "expected \"subcommand\""), (["trian"], "invalid choice: 'trian'"), (["train"], "train.data, train.out"),
        (["train", "none.yaml"], "none.yaml"), (["train", "--modle", "x"], "--modle"), (["evaluate"], "evaluate.run"),
        (["predict", "{run}"], "predict.data"),
        (["predict", "{run}", "{data}", "--num_samples", "some"], "num_samples"),
        (["predict", "{run}", "{data}", "--num_samples", "0"], "at least 1"),
        (["evaluate", "none"], "none is not a run"),
        (["predict", "{run}", "none"], "no dataset folder none"), (["evaluate", "{run}", "--split", "west"], "'west'"),
        (["evaluate", "{run}", "--missing.mechanism", "cube"], "unknown mechanism 'cube'"),
        (["evaluate", "{run}", "--missing", "{{mechanism: mcar, rate: {{ecg: 0.5}}}}"], "'ecg'"),
        (["impute", "{run}", "{data}"], "nothing to impute"), (["data", "check", "none"], "no dataset folder none"),
        (["prepare", "mimic"], "invalid choice: 'mimic'"), (["prepare", "mfeat", "none", "out"], "none"),
        (["evaluate", "{run}", "{run}"], "dataset.json"), (["curve", "--run.data", "x"], "curve.run.out"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_a_status(digits, capsys, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    places = {"run": digits / "run", "data": digits / "data"}
    status = cli(*(argument.format(**places) for argument in arguments))
    assert isinstance(status, str)  # printed by sys.exit, whose status is 1 then
    assert status.startswith("sklar: ")
    assert message in status
    assert "\n" not in status or "dataset.json" in message
    assert "Traceback" not in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_evaluate_takes_the_data_by_place_or_by_name(digits, tmp_path, capsys):
    for place, given in (("one", ()), ("two", (digits / "data",)), ("three", ("--data", digits / "data"))):
        assert cli("evaluate", digits / "run", *given, "--out", tmp_path / place) is None
    scores = [(tmp_path / place).read_text() for place in ("one", "two", "three")]
    assert scores[0] == scores[1] == scores[2]
    record = json.loads(scores[0])[0]
    assert f"{record['log_loss']:.3f}" in capsys.readouterr().out


def test_scores_that_are_undefined_are_null(digits, tmp_path):
    """JSON has no NaN."""
    one = ["zero"] * 3
    rng = np.random.default_rng(0)
    views = {
        name: Vector(rng.normal(size=(3, width))) for name, width in (("upper", 32), ("lower", 32), ("profile", 16))
    }
    write_dataset(
        tmp_path / "data", name="x", task="multiclass", labels=["digit"], classes=[str(k) for k in range(10)],
        samples={"sample_id": range(3), "digit": [0] * len(one)}, modalities=views,
    )  # fmt: skip
    assert cli("evaluate", digits / "run", tmp_path / "data", "--split", "all", "--out", tmp_path / "s.json") is None
    record = json.loads((tmp_path / "s.json").read_text(), parse_constant=lambda name: pytest.fail(name))[0]
    assert record["auroc"] is None
    assert record["log_loss"] > 0


@pytest.mark.filterwarnings("default:::sklar")
def test_a_warning_is_one_line_and_said_once(digits, tmp_path, capsys):
    rng = np.random.default_rng(0)
    views = {name: Vector(rng.normal(size=(3, width))) for name, width in (("upper", 32), ("odd", 4))}
    samples = {"sample_id": range(3), "digit": [0, 1, 2]}
    write_dataset(tmp_path / "data", name="x", task="multiclass", labels=["digit"], classes=list("abc"),
                  samples=samples,                   modalities=views)  # fmt: skip
    for _ in range(2):
        assert cli("predict", digits / "run", tmp_path / "data", "--out", tmp_path / "p.parquet") is None
        assert capsys.readouterr().err.splitlines() == [
            "sklar: warning: x: modalities ['odd'] are not the run's and left out",
            "sklar: warning: x has no ['lower', 'profile']: missing in all rows",
        ]


def test_a_failing_process_among_several_says_why(digits, monkeypatch):
    from torch.multiprocessing.spawn import ProcessRaisedException

    def fails(*_, **__):
        raise ProcessRaisedException(
            "\n\n-- Process 0 terminated:\nTraceback\n  x\nValueError: the loss is nan\n", 0, 1
        )

    monkeypatch.setattr("sklar.training.apply.evaluate_run", fails)
    assert cli("evaluate", digits / "run") == "sklar: ValueError: the loss is nan"
