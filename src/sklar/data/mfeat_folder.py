"""UCI Multiple Features as a dataset folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from sklar.data.mfeat import read_mfeat
from sklar.data.values import Vector
from sklar.data.write import write_dataset

SOURCE = "Duin R. Multiple Features. UCI Machine Learning Repository, 1998. doi:10.24432/C5HC70."
LICENCE = "CC BY 4.0"


def prepare_mfeat(raw: Path, out: Path, *, seed: int = 0, train: int = 1000, validation: int = 200) -> Path:
    """Turn ``mfeat.npz`` into a dataset folder: six vectors a digit, complete, as they are (not standardised).

    The split is that of `load_mfeat` with the same seed.

    Args:
        raw: ``mfeat.npz``, or the folder that holds it.
        out: the dataset folder to write.
        seed: of the shuffled split, stratified by class.
        train: number of training rows.
        validation: number of validation rows (0: none); the rest is the test part.

    Returns:
        The dataset folder.

    Raises:
        FileNotFoundError: there is no such file. KeyError: it lacks an array.
        ValueError: its rows do not match, or the parts leave no test row.
    """
    views, digit = read_mfeat(raw)
    for name, view in views.items():
        if view.ndim != 2 or len(view) != len(digit):
            raise ValueError(f"{raw}, array {name!r}: shape {view.shape}, but y has {len(digit)} rows")
    return write_digits(
        out, "mfeat", views, digit, seed=seed, train=train, validation=validation, source=SOURCE, licence=LICENCE
    )


def write_digits(
    out: Path,
    name: str,
    views: Mapping[str, np.ndarray],
    digit: np.ndarray,
    *,
    seed: int,
    train: int,
    validation: int,
    source: str,
    licence: str,
) -> Path:
    """Views of digits 0 to 9 as a dataset folder of vectors, split by `stratified_split`; returns the folder.

    Args:
        out: the dataset folder to write.
        name: of the data set.
        views: ``(n, F)`` each.
        digit: ``(n,)``.
        seed: see `stratified_split`.
        train: see `stratified_split`.
        validation: see `stratified_split`.
        source: see `write_dataset`.
        licence: see `write_dataset`.
    """
    return write_dataset(
        Path(out),
        name=name,
        task="multiclass",
        labels=["digit"],
        classes=[str(label) for label in range(10)],
        samples={
            "sample_id": np.arange(len(digit)),
            "split": stratified_split(digit, seed=seed, train=train, validation=validation),
            "digit": digit,
        },
        modalities={name: Vector(view) for name, view in views.items()},
        source=source,
        licence=licence,
        notes={"seed": seed, "rows": len(digit), "rows_a_class": np.bincount(digit).tolist()},
    )


def stratified_split(label: np.ndarray, *, seed: int, train: int, validation: int) -> np.ndarray:
    """Name each row's part, shuffled by ``seed`` and stratified by class.

    Args:
        label: class of each row, ``(n,)``.
        seed: of the shuffle.
        train: number of training rows, at least 1.
        validation: number of validation rows (0: none).

    Returns:
        "train", "validation" or "test", ``(n,)``.

    Raises:
        ValueError: a number is negative, or no row is left for the test.
    """
    from sklearn.model_selection import train_test_split

    if train < 1 or validation < 0 or train + validation >= len(label):
        raise ValueError(f"train={train} and validation={validation} of {len(label)} rows leave none for the test")
    part = np.full(len(label), "test", dtype="<U10")
    rows = np.arange(len(label))
    rest, _ = train_test_split(rows, train_size=train + validation, stratify=label, random_state=seed)
    part[rest] = "validation"
    if validation:
        rest, _ = train_test_split(rest, train_size=train, stratify=label[rest], random_state=seed)
    part[rest] = "train"
    return part
