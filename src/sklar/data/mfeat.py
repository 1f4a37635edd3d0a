"""UCI Multiple Features: handwritten digits in six views."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sklar.data.batch import Batch

VIEWS = ("fou", "fac", "kar", "pix", "zer", "mor")


@dataclass(frozen=True)
class Mfeat:
    """Complete rows.

    Attributes:
        train: 1,000 rows.
        validation: 200 rows.
        test: the remaining 800 rows.
    """

    train: Batch
    validation: Batch
    test: Batch


def read_mfeat(path: str | Path) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The six views and the digits of ``mfeat.npz``, as they are; see `load_mfeat`."""
    file = Path(path)
    file = file / "mfeat.npz" if file.is_dir() else file
    if not file.is_file():
        raise FileNotFoundError(
            f"no mfeat.npz at {file}: it holds the six views {list(VIEWS)} and the digits y of the UCI Multiple "
            "Features data (doi:10.24432/C5HC70), one array each"
        )
    with np.load(file, allow_pickle=False) as arrays:
        lacking = [name for name in (*VIEWS, "y") if name not in arrays]
        if lacking:
            raise KeyError(f"{file} lacks the array {lacking[0]!r}; it has {sorted(arrays)}")
        return {name: arrays[name] for name in VIEWS}, arrays["y"]


def load_mfeat(path: str | Path, seed: int, train: int = 1000, validation: int = 200) -> Mfeat:
    """2,000 handwritten digits (Duin, UCI 1998, doi:10.24432/C5HC70), shuffled by ``seed`` and stratified by class.

    Args:
        path: ``mfeat.npz`` with one array a view, ``fou (2000, 76)``, ``fac`` (216), ``kar`` (64), ``pix`` (240),
            ``zer`` (47), ``mor`` (6), and the digits ``y (2000,)``; or the folder that holds it.
        seed: of the split.
        train: number of training rows.
        validation: number of validation rows.

    Raises:
        FileNotFoundError: there is no such file. KeyError: it lacks an array.
    """
    from sklearn.model_selection import train_test_split

    arrays, digit = read_mfeat(path)
    views = {name: torch.as_tensor(array, dtype=torch.float32) for name, array in arrays.items()}
    target = torch.as_tensor(digit, dtype=torch.long)
    rest, test_rows = train_test_split(
        range(len(target)), train_size=train + validation, stratify=target, random_state=seed
    )
    train_rows, validation_rows = train_test_split(rest, train_size=train, stratify=target[rest], random_state=seed)
    whole = Batch(views, torch.ones(len(target), len(VIEWS), dtype=torch.bool), target)
    return Mfeat(*(whole[torch.tensor(rows)] for rows in (train_rows, validation_rows, test_rows)))
