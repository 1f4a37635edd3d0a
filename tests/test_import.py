import doctest
import importlib
import subprocess
import sys

HEAVY = ("lightning", "transformers", "duckdb", "matplotlib", "sklearn", "scipy", "pandas", "pyarrow", "jsonargparse")


def test_import_needs_torch_alone():
    code = f"import sys, sklar; print([name for name in {HEAVY} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_example_of_marginalize_runs():
    result = doctest.testmod(importlib.import_module("sklar.joint.marginalize"))
    assert result.attempted > 5
    assert result.failed == 0
