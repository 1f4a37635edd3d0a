"""What a trained model said of every row scored: a file a trial, from which statistics over persons are made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sklar.training.files import renamed


class Said(NamedTuple):
    """Predictions of rows under one test.

    Attributes:
        setting: ``"tests"`` or ``"patterns"``.
        pattern: the test's label, or the pattern's name.
        rows: places of the rows among those scored, ``(n,)``.
        mean: see `sklar.models.base.Prediction`, ``(n, C)``, ``(n, L)`` or ``(n,)``.
    """

    setting: str
    pattern: str
    rows: Tensor
    mean: Tensor


def write_predictions(path: Path, said: Sequence[Said]) -> None:
    """A Parquet file, written to a temporary name: ``setting``, ``pattern``, ``row``, and ``p0`` and so on."""
    import pyarrow as pa
    from pyarrow import parquet

    def repeated(values: list[str]) -> pa.Array:
        count = np.array([len(each.rows) for each in said])
        places = np.repeat(np.arange(len(said), dtype=np.int32), count)
        return pa.DictionaryArray.from_arrays(places, pa.array(values))

    mean = torch.cat([each.mean.reshape(len(each.rows), -1) for each in said]).numpy()
    columns = {
        "setting": repeated([each.setting for each in said]),
        "pattern": repeated([each.pattern for each in said]),
        "row": torch.cat([each.rows for each in said]).numpy().astype(np.int32),
    } | {f"p{k}": mean[:, k] for k in range(mean.shape[1])}
    with renamed(path) as part:
        parquet.write_table(pa.table(columns), part, compression="zstd")


def read_predictions(path: Path, setting: str) -> dict[str, Said]:
    """What was said in a setting, by the test's label.

    Raises:
        FileNotFoundError: there is no such file.
    """
    from pyarrow import parquet

    table = parquet.read_table(path, filters=[("setting", "==", setting)])
    mean = np.stack([table[name].to_numpy() for name in table.column_names[3:]], 1)  # p0 and so on
    labels, rows = np.asarray(table["pattern"].to_pylist(), dtype=object), table["row"].to_numpy()
    found = {}
    for label in dict.fromkeys(labels):
        own = labels == label
        found[label] = Said(setting, label, torch.from_numpy(rows[own]).long(), torch.from_numpy(mean[own]))
    return found
