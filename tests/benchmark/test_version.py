"""What the version of a trial's code is made of."""

import subprocess
import sys

from sklar.benchmark import version
from sklar.benchmark.version import code_version, imported


def test_what_a_trial_cannot_import_is_no_part_of_it_and_all_that_it_does_import_is():
    found = set(imported(version.TRIAL))
    assert not {name for name in found if name.startswith(("sklar.clinical", "sklar.estimators", "sklar.cli"))}
    assert not found & {"sklar.benchmark.compare", "sklar.benchmark.summary", "sklar.benchmark.significance"}
    assert found >= {"sklar", "sklar.models.variational", "sklar.copulas.vine.plan", "sklar.encoders.text"}
    say = f"import sys, {version.TRIAL}; print(*[name for name in sys.modules if name.split('.')[0] == 'sklar'])"
    said = subprocess.run([sys.executable, "-c", say], capture_output=True, text=True, check=True).stdout.split()
    assert set(said) <= found
    assert "sklar.benchmark.frozen" in imported("sklar.benchmark.demo")


def test_it_changes_with_a_source_file_and_by_nothing_else(monkeypatch, tmp_path):
    before = code_version()
    code_version.cache_clear()
    assert code_version() == before
    (tmp_path / "code.py").write_text("x = 1")
    real = imported(version.TRIAL)
    monkeypatch.setattr(version, "imported", lambda module: {**real, "sklar.models.mvae": tmp_path / "code.py"})
    code_version.cache_clear()
    assert code_version() != before
    monkeypatch.undo()
    code_version.cache_clear()
