"""Which labelled rows are held out for early stopping and calibration."""

from __future__ import annotations

from typing import Any

import numpy as np


def held_out(target: np.ndarray, share: float, rng: np.random.RandomState, groups: Any | None = None) -> np.ndarray:
    """A stratified random choice of rows: bool ``(n,)``.

    Rows are put in the order of their target, at random among equals, and taken at even distances from a random start:
    each class, and each part of a value's range, is held out in proportion.

    Args:
        target: class index or value ``(n,)``, NaN where unlabelled.
        share: of the labelled rows to hold out.
        rng: source of the randomness.
        groups: of each row, ``(n,)``; those of a group stay together, ordered by their mean target.

    Raises:
        ValueError: groups of another length, or too few of them.
    """
    labelled = ~np.isnan(target)
    if groups is None:
        return _spread(target, labelled, share, rng)
    groups = np.asarray(groups)
    if groups.shape != target.shape:
        raise ValueError(f"groups have the shape {groups.shape}, y has {len(target)} rows")
    names, place = np.unique(groups, return_inverse=True)
    number = np.bincount(place, labelled, len(names))
    if (number > 0).sum() < 2:
        raise ValueError("labelled rows are of one group alone: none can be held out; leave groups out")
    mean = np.bincount(place, np.where(labelled, target, 0.0), len(names)) / np.maximum(number, 1)
    return _spread(mean, number > 0, share, rng)[place]


def _spread(target: np.ndarray, eligible: np.ndarray, share: float, rng: np.random.RandomState) -> np.ndarray:
    rows = np.flatnonzero(eligible)
    order = rows[np.lexsort([rng.random_sample(len(rows)), target[rows]])]
    count = min(max(1, round(share * len(rows))), len(rows) - 1)
    positions = (np.arange(count) + rng.random_sample()) * len(rows) / count
    chosen = np.zeros(len(target), bool)
    chosen[order[positions.astype(int)]] = True
    return chosen
