"""A preparation that is killed leaves the old output or none, and is completed by the same command."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sklar.clinical.mimic3 import prepare_mimic3, work

COMMAND = """
import sys
from pathlib import Path
from sklar.clinical.mimic3 import prepare_mimic3
prepare_mimic3(Path(sys.argv[1]), Path(sys.argv[2]), threads=1)
"""


def _files(out):
    """Every file's bytes but for those of samples in another order."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def _killed_at(raw, out, line, after=0.0):
    """Kill the command once it has printed ``line`` lines; True unless it was faster."""
    process = subprocess.Popen([sys.executable, "-c", COMMAND, raw, out], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for _ in range(line):
        process.stderr.readline()
    time.sleep(after)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return process.returncode == -signal.SIGKILL


@pytest.fixture(scope="module")
def whole(mimic3_slice, tmp_path_factory):
    return prepare_mimic3(mimic3_slice, tmp_path_factory.mktemp("whole") / "out", threads=1)


@pytest.mark.parametrize(("line", "after"), [(6, 0.02), (19, 0.0), (30, 0.01), (39, 0.0), (42, 0.03), (46, 0.01)])
def test_killed_at_any_step(line, after, whole, mimic3_slice, tmp_path):
    out = tmp_path / "out"
    if _killed_at(mimic3_slice, out, line, after):
        assert not out.exists()
    assert _files(prepare_mimic3(mimic3_slice, out, threads=1)) == _files(whole)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_killed_over_an_old_output(whole, mimic3_slice, tmp_path):
    out = tmp_path / "out"
    prepare_mimic3(mimic3_slice, out, tasks="ihm", threads=1)
    before = _files(out)
    assert _killed_at(mimic3_slice, out, 41)
    assert _files(out) == before
    assert _files(prepare_mimic3(mimic3_slice, out, threads=1)) == _files(whole)


def test_what_was_done_is_not_done_again(mimic3_slice, tmp_path, capfd):
    out = tmp_path / "out"
    assert _killed_at(mimic3_slice, out, 25)
    capfd.readouterr()
    prepare_mimic3(mimic3_slice, out, threads=1)
    lines = capfd.readouterr().err.splitlines()
    assert sum("done before" in line for line in lines) >= 24


def test_other_options_begin_anew(mimic3_slice, tmp_path, capfd):
    out = tmp_path / "out"
    assert _killed_at(mimic3_slice, out, 25)
    capfd.readouterr()
    prepare_mimic3(mimic3_slice, out, mode="clean", threads=1)
    assert "done before" not in capfd.readouterr().err
    assert json.loads((out / "cohort.json").read_text())["settings"]["mode"] == "clean"


@pytest.mark.parametrize("call", [1, 2])
def test_killed_between_the_last_renames(call, whole, mimic3_slice, tmp_path, monkeypatch):
    out = tmp_path / "out"
    prepare_mimic3(mimic3_slice, out, tasks="ihm", threads=1)
    before = _files(out)
    real, calls = os.replace, []

    class Killed(BaseException):
        pass

    def replace(source, target):
        if Path(source).name in ("out", "result"):
            calls.append(source)
            if len(calls) == call:
                raise Killed
        real(source, target)

    monkeypatch.setattr(work.os, "replace", replace)
    with pytest.raises(Killed):
        prepare_mimic3(mimic3_slice, out, threads=1)
    monkeypatch.undo()
    assert not out.exists() or _files(out) == before
    assert _files(prepare_mimic3(mimic3_slice, out, threads=1)) == _files(whole)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_two_at_once(mimic3_slice, tmp_path):
    out = tmp_path / "out"
    with work.open_work(out, {}), pytest.raises(BlockingIOError, match="another process is preparing"):
        prepare_mimic3(mimic3_slice, out, threads=1)


def test_changed_raw_files_begin_anew(mimic3_slice, tmp_path):
    raw, out = shutil.copytree(mimic3_slice, tmp_path / "raw"), tmp_path / "out"
    assert _killed_at(raw, out, 30)
    file = raw / "CHARTEVENTS.csv"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-500]))
    first = prepare_mimic3(raw, out, threads=1)
    second = prepare_mimic3(raw, tmp_path / "again", threads=1)
    assert _files(first) == _files(second)
