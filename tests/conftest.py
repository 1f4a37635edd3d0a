"""Where the shared data are, and what to do where they are not."""

import os
from pathlib import Path

import pytest
import torch

torch.set_num_threads(1)  # a test process a core


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real data: SKLAR_SHARED, else ``shared`` beside the repository."""
    folder = Path(os.environ.get("SKLAR_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "data").is_dir():
        reason = f"no shared data at {folder}; set SKLAR_SHARED to the folder that holds data/ and golden/"
        if os.environ.get("SKLAR_REQUIRE_SHARED") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@pytest.fixture(autouse=True)
def _fixed_seed() -> None:
    """Every test draws the same numbers, alone or with others."""
    torch.manual_seed(0)
