import json
import os
import signal
import subprocess
import sys

SCORES = {"accuracy", "log_loss", "brier", "ece", "energy_score"}


def run(*arguments):
    return subprocess.run([sys.executable, "-m", "sklar.cli", *arguments], capture_output=True, text=True)


def test_the_demo_writes_its_records_and_a_self_contained_page(tmp_path):
    result = run("demo", "--seeds", "1", "--steps", "24", "--out", str(tmp_path))
    assert result.returncode == 0, result.stderr
    records = json.loads((tmp_path / "results.json").read_text())
    assert len(records) == 7 * (6 + 4)
    assert all(set(r) == SCORES | {"setting", "model", "pattern", "seed"} for r in records)
    for r in records:
        drawn = r["setting"] == "end_to_end" and r["model"] != "concat" and r["pattern"] != "upper+lower+profile"
        assert (r["energy_score"] is not None) == drawn
    page = (tmp_path / "report.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert "http" not in page


def test_a_demo_killed_after_its_first_seed_goes_on_and_ends_with_the_same_records(tmp_path):
    arguments = ["demo", "--seeds", "2", "--steps", "8", "--out"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run(*arguments, str(whole)).returncode == 0
    command = [sys.executable, "-m", "sklar.cli", *arguments, str(killed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert any("done (1 of 2)" in line for line in process.stdout)
        os.killpg(process.pid, signal.SIGKILL)
    assert not (killed / "results.json").exists()
    resumed = run(*arguments, str(killed))
    assert resumed.returncode == 0, resumed.stderr
    assert "done already: 1" in resumed.stdout
    assert (killed / "results.json").read_bytes() == (whole / "results.json").read_bytes()


def test_a_wrong_setting_is_explained():
    result = run("demo", "--seeds", "0")
    assert result.returncode != 0
    assert "at least one seed" in result.stderr
    assert "Traceback" not in result.stderr
