"""Splits of clinical cohorts: a stratified validation part, and folds that keep a patient together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np


def stratified_part(label: np.ndarray, size: int, seed: int) -> np.ndarray:
    """Choose rows so that each class has its share of them, to the nearest row.

    Args:
        label: class of each row, ``(n,)``.
        size: number of rows to choose, at least 0 and below n.
        seed: of the choice.

    Returns:
        Bool ``(n,)``, ``size`` of them true.

    Raises:
        ValueError: the size is negative or leaves no row.
    """
    if not 0 <= size < len(label):
        raise ValueError(f"validation={size} of {len(label)} rows: give a number from 0 to {len(label) - 1}")
    generator = np.random.default_rng(seed)
    classes, members = np.unique(label, return_counts=True)
    share = members * size / len(label)
    quota = np.floor(share).astype(int)
    quota[np.argsort(quota - share, kind="stable")[: size - quota.sum()]] += 1  # the largest remainders
    chosen = np.zeros(len(label), dtype=bool)
    for each, number in zip(classes, quota, strict=True):
        chosen[generator.permutation(np.flatnonzero(label == each))[:number]] = True
    return chosen


def patient_folds(patients: Sequence[str], folds: int) -> np.ndarray:
    """Fold of each patient, from the identifier alone: rows of one patient share it, whatever else is in the cohort.

    Args:
        patients: identifiers, one a row.
        folds: number of folds.

    Returns:
        Int ``(n,)``: the first 8 hexadecimal digits of the identifier's SHA-256, modulo ``folds``.
    """
    digests = (hashlib.sha256(patient.encode()).hexdigest() for patient in patients)
    return np.array([int(digest[:8], 16) % folds for digest in digests], dtype=np.int64)


def rotate(fold: np.ndarray, test_fold: int, folds: int) -> np.ndarray:
    """Name each row's part: ``test_fold`` is the test, the next fold (cyclically) the validation, the rest train.

    Raises:
        ValueError: there is no such fold.
    """
    if not 0 <= test_fold < folds:
        raise ValueError(f"test_fold={test_fold}: folds are numbered 0 to {folds - 1}")
    following = (test_fold + 1) % folds
    return np.where(fold == test_fold, "test", np.where(fold == following, "validation", "train"))
