"""Targets as scikit-learn's users give them, and which rows have one."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.validation import column_or_1d

from sklar.estimators.frames import is_missing


def class_labels(y: Any) -> tuple[np.ndarray, np.ndarray]:
    """Class labels ``(n,)``, and which are there, bool ``(n,)``: -1, None and NaN are not.

    Raises:
        ValueError: none, or not one a row.
    """
    y = _target(y)
    if y.dtype.kind != "O":
        known = ~np.isnan(y) if y.dtype.kind == "f" else np.ones(len(y), bool)
        return y, known & (y != -1) if y.dtype.kind in "fi" else known
    known = np.array([not is_missing(label) and label != -1 for label in y], bool)
    kept = np.array(y[known].tolist())
    if kept.dtype.kind not in "iufb":
        return y, known
    labels = np.zeros(len(y), kept.dtype)
    labels[known] = kept
    return labels, known


def values_of(y: Any) -> np.ndarray:
    """A regression target as float64 ``(n,)``, NaN where there is none.

    Raises:
        ValueError: none, not one a row, or no numbers.
    """
    y = _target(y)
    if y.dtype.kind == "O":
        y = np.array([np.nan if is_missing(value) else value for value in y], object)
    try:
        return y.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError("y holds values that are no numbers; NaN marks rows without a label") from error


def _target(y: Any) -> np.ndarray:
    if y is None:
        raise ValueError("fitting requires y to be passed, but the target y is None")
    target: np.ndarray = column_or_1d(np.asarray(y.to_numpy() if hasattr(y, "to_numpy") else y), warn=True)
    return target
