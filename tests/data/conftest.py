"""A dataset folder with every kind of modality, series that several samples share, and prediction times."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sklar.data import Column, Events, Image, Series, Table, Text, Vector, write_dataset

ROWS = 12


def example_content() -> dict[str, Any]:
    """Arguments of `write_dataset`; rows 2k and 2k + 1 are the same person's, at hours 10 and 20 of one series."""
    rng = np.random.default_rng(0)
    vec = rng.normal(size=(ROWS, 4)).astype(np.float32)
    vec[3] = np.nan
    labs = rng.normal(size=(ROWS, 5)).astype(np.float32)
    labs[:, 0] = rng.integers(0, 3, ROWS)
    labs[1, 2] = labs[5, 0] = labs[7] = np.nan
    vitals = rng.normal(size=(ROWS, 6, 3)).astype(np.float32)
    vitals[:, 1, 2] = vitals[2, 4:] = vitals[4] = np.nan
    scan = rng.random((ROWS, 1, 4, 4)).astype(np.float32)
    scan[5] = np.nan
    xray = rng.integers(1, 256, (ROWS, 3, 5, 4)).astype(np.uint8)
    xray[6] = 0
    series = [f"s{row // 2}" for row in range(ROWS)]
    return {
        "name": "example",
        "task": "binary",
        "labels": ["died"],
        "classes": ["survived", "died"],
        "samples": {
            "sample_id": np.arange(100, 100 + ROWS),
            "group_id": [f"p{row // 2}" for row in range(ROWS)],
            "split": ["train"] * 6 + ["validation"] * 2 + ["test"] * 4,
            "died": [0, 1, None, 1, 0, 0, 1, 0, 0, 1, 1, 0],
            "series_id": series,
            "until": [10.0, 20.0] * (ROWS // 2),
            "has_xray": [row != 6 for row in range(ROWS)],
            "score": rng.random(ROWS),
        },
        "modalities": {
            "vec": Vector(vec),
            "labs": Table(
                labs, [Column("sex", None, ("f", "m", "x")), *(Column(f"lab{i}", "mmol/L") for i in range(4))]
            ),
            "vitals": Series(vitals, [Column("hr", "1/min"), Column("map", "mmHg"), Column("spo2", "%")], step=2.0),
            "xray": Image(xray),
            "scan": Image(scan),
            "note": Text(
                ["s0", "s0", "s2", "s3", "s0"], [15.0, 3.0, 1.0, 12.0, 2.5], ["late", "early", "a", "b", "ß €"]
            ),
            "ev": Events(
                ["s1", "s0", "s1", "s4", "s5", "s5"],
                [10.0, 5.0, 10.5, 2.0, 4.0, 1.0],
                ["x", "y", "x", "z", "x", "y"],
                [1.5, None, -2.0, np.nan, 0.25, 8.0],
                [Column("x", "mg"), Column("y"), Column("z")],
            ),
        },
        "source": "made up",
        "licence": "CC0-1.0",
        "notes": {"cohort": {"rows": ROWS}},
    }


@pytest.fixture
def content() -> dict[str, Any]:
    return example_content()


@pytest.fixture
def write(tmp_path) -> Callable[..., Path]:
    """Writes the example with some arguments replaced."""

    def write_example(**changes: Any) -> Path:
        return write_dataset(tmp_path / "example", **(example_content() | changes))

    return write_example


@pytest.fixture(scope="session")
def example(tmp_path_factory) -> Path:
    """The example's folder; do not change it."""
    return write_dataset(tmp_path_factory.mktemp("folders") / "example", **example_content())
