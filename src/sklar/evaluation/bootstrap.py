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
    persons = Persons(groups)
    generator = np.random.default_rng(seed)
    found = np.array([statistic(persons.rows(persons.draw(generator))) for _ in range(replicates)])
    low, high = np.quantile(defined(found), [(1 - coverage) / 2, (1 + coverage) / 2])
    return Interval(float(statistic(np.arange(len(groups)))), float(low), float(high))


def defined(replicates: np.ndarray) -> np.ndarray:
    """The replicates that are not NaN.

    Raises:
        ValueError: they are fewer than half.
    """
    usable = replicates[~np.isnan(replicates)]
    if len(usable) < len(replicates) / 2:
        lacking = len(replicates) - len(usable)
        raise ValueError(f"the statistic is undefined in {lacking} of {len(replicates)} replicates")
    return usable


class Persons:
    """Persons to be resampled, and the rows of each.

    Args:
        groups: the person of each row, ``(n,)``.
        among: all persons there are, sorted; default those of the rows.
    """

    def __init__(self, groups: np.ndarray, among: np.ndarray | None = None) -> None:
        self.among = np.unique(groups) if among is None else among
        member = np.searchsorted(self.among, groups)
        self.order = np.argsort(member, kind="stable")
        self.count = np.bincount(member, minlength=len(self.among))
        self.start = np.cumsum(self.count) - self.count

    def draw(self, generator: np.random.Generator) -> np.ndarray:
        """As many persons as there are, with repeats, by their places."""
        return generator.integers(len(self.among), size=len(self.among))

    def rows(self, drawn: np.ndarray) -> np.ndarray:
        """Row numbers of the persons drawn, repeated as they are."""
        count = self.count[drawn]
        ends = np.cumsum(count)
        places: np.ndarray = self.order[np.repeat(self.start[drawn] - (ends - count), count) + np.arange(ends[-1])]
        return places


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
