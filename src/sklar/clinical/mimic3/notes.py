"""Which stays may have notes: CM2's random third, by part."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sklar.clinical.mimic3.engine import rows_of
from sklar.clinical.mimic3.pipeline import Pipeline
from sklar.clinical.mimic3.tasks import PARTS

SEED = 42


def third(names: list[str]) -> set[str]:
    """The third of a part that CM2 draws: the first of a permutation of the names sorted as text.

    Args:
        names: of the stays' series.
    """
    ordered = sorted(names)
    order = np.random.RandomState(SEED).permutation(len(ordered))  # the published draw
    return {ordered[place] for place in order[: round(len(ordered) / 3)]}


def write_note_sample(pipeline: Pipeline, target: Path) -> None:
    """Write ``ICUSTAY_ID, in_note_sample`` of the stays of in-hospital mortality.

    Args:
        pipeline: with the list ``ihm``.
        target: the Parquet file.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = rows_of(pipeline.connection, "SELECT split, ICUSTAY_ID, stay FROM ihm ORDER BY ICUSTAY_ID")
    drawn: set[str] = set()
    for part in PARTS:
        drawn |= third([stay for split, _, stay in rows if split == part])
    columns = {
        "ICUSTAY_ID": pa.array([stay for _, stay, _ in rows], pa.int32()),
        "in_note_sample": pa.array([int(name in drawn) for _, _, name in rows], pa.int64()),
    }
    pq.write_table(pa.table(columns), target)
