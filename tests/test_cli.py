import json
import os
import signal
import subprocess
import sys

import pytest

SCORES = {"accuracy", "log_loss", "brier", "ece", "energy_score"}
COMMAND = [sys.executable, "-m", "sklar.cli"]


def run(*arguments):
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    result = run("demo", "--seeds", "1", "--steps", "24", "--out", str(folder))
    assert result.returncode == 0, result.stderr
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


def test_a_demo_killed_between_two_seeds_goes_on_with_the_same_records(finished, tmp_path):
    arguments = ["demo", "--steps", "24", "--out", str(tmp_path), "--processes", "1", "--seeds"]
    with subprocess.Popen(
        [*COMMAND, *arguments, "2"], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as demo:
        assert any("seed 0 done (1 of 2)" in line for line in demo.stdout)
        os.killpg(demo.pid, signal.SIGKILL)
    assert not (tmp_path / "results.json").exists()
    resumed = run(*arguments, "1")
    assert resumed.returncode == 0, resumed.stderr
    assert "1 done already" in resumed.stdout
    assert (tmp_path / "results.json").read_bytes() == (finished / "results.json").read_bytes()


def test_the_demo_with_a_vine(tmp_path):
    result = run("demo", "--seeds", "1", "--steps", "4", "--copula", "vine", "--out", str(tmp_path))
    assert result.returncode == 0, result.stderr
    records = json.loads((tmp_path / "results.json").read_text())
    assert all(r["log_loss"] > 0 for r in records if r["model"] == "variational_copula")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(("--seeds", "0"), "at least one of seeds"), (("--copula", "cube"), "unknown copula 'cube'; choose one of")],
)
def test_a_wrong_setting_is_explained(arguments, message):
    result = run("demo", *arguments)
    assert result.returncode != 0
    assert message in result.stderr
    assert "Traceback" not in result.stderr
