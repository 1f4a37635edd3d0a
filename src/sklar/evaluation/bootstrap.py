"""Intervals by the bootstrap over persons: rows of one person come and go together."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """A figure and the interval that its bootstrap replicates spread over."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def bootstrap(
    statistic: Callable[[np.ndarray], float],
    groups: np.ndarray,
    coverage: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
) -> Interval:
    """Percentile interval of a statistic over resampled groups (Efron & Tibshirani 1993, section 13.3).

    A difference of two models' scores on the same rows is one statistic: both are computed from the same replicate,
    which pairs them.

    Args:
        statistic: from row numbers ``(k,)``, with repeats, to the figure; replicates where it is NaN (one class only)
            are left out.
        groups: the person of each row, ``(n,)``.
        coverage: of the interval.
        replicates: number of them.
        seed: of the resampling.

    Raises:
        ValueError: no rows, or the statistic is NaN in more than half of the replicates.
    """
    if len(groups) == 0:
        raise ValueError("there are no rows to resample")
    _, member = np.unique(groups, return_inverse=True)
    order = np.argsort(member, kind="stable")
    count = np.bincount(member)
    start = np.cumsum(count) - count
    generator = np.random.default_rng(seed)
    found = np.empty(replicates)
    for k in range(replicates):
        drawn = generator.integers(len(count), size=len(count))
        ends = np.cumsum(count[drawn])
        places = np.repeat(start[drawn] - (ends - count[drawn]), count[drawn]) + np.arange(ends[-1])
        found[k] = statistic(order[places])
    usable = found[~np.isnan(found)]
    if len(usable) < replicates / 2:
        raise ValueError(f"the statistic is undefined in {replicates - len(usable)} of {replicates} replicates")
    low, high = np.quantile(usable, [(1 - coverage) / 2, (1 + coverage) / 2])
    return Interval(float(statistic(np.arange(len(groups)))), float(low), float(high))


def auroc(score: np.ndarray, positive: np.ndarray) -> float:
    """Area under the ROC curve by ranks (Mann & Whitney 1947), ties at one half; NaN with one class only.

    Args:
        score: ``(n,)``.
        positive: bool ``(n,)``.
    """
    ones = int(positive.sum())
    zeros = len(positive) - ones
    if ones == 0 or zeros == 0:
        return float("nan")
    _, place, count = np.unique(score, return_inverse=True, return_counts=True)
    rank = np.cumsum(count) - (count - 1) / 2  # mean rank of each distinct value, from one
    return float((rank[place][positive].sum() - ones * (ones + 1) / 2) / (ones * zeros))
