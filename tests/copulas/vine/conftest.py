"""Pair copulas' references are shared with the tests of pairs."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("pyvinecopulib", reason="the peer is missing: pip install 'sklar[vine]'")
sys.path.append(str(Path(__file__).parents[1] / "pair"))
