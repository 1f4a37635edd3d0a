"""Intervals of a difference that is uncertain for two reasons: other seeds, other persons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from sklar.evaluation.bootstrap import Persons, defined


class Difference(NamedTuple):
    """A mean over seeds, and what is known of it.

    Attributes:
        value: the mean.
        low: of its interval.
        high: of its interval.
        error: standard error, of seeds and persons together.
        p: two-sided, against zero.
    """

    value: float
    low: float
    high: float
    error: float
    p: float

    @classmethod
    def of(cls, value: float, error: float, law: Any, coverage: float) -> Difference:
        """The interval ``value +- error`` times a quantile of a symmetric law around zero, one of `scipy.stats`."""
        if error == 0:
            return cls(value, value, value, 0.0, 1.0 if value == 0 else 0.0)
        half = error * float(law.ppf((1 + coverage) / 2))
        return cls(value, value - half, value + half, error, 2 * float(law.sf(abs(value) / error)))


def crossed_difference(
    statistic: Callable[[int, np.ndarray], float],
    groups: Sequence[np.ndarray],
    coverage: float = 0.95,
    replicates: int = 500,
    seed: int = 0,
) -> Difference:
    """Mean over seeds of a statistic of test rows, with an interval for other seeds and other persons.

    The variance has two parts, which add up: that of the mean over seeds (their sample variance over their number), and
    that of the persons, from replicates in which the same resampled persons stand in every seed's test rows. The
    interval is Student's, with the degrees of freedom of Satterthwaite (1946) for such a sum: five seeds know little of
    their own spread, and a percentile interval over them is too short. What differs by seed and person at once is in
    both parts, so that the interval is rather too wide than too narrow.

    Args:
        statistic: from the number of a seed and row numbers ``(k,)``, with repeats, to the figure: of a comparison, the
            difference of two models on these rows. Replicates where it is NaN for some seed are left out.
        groups: for each seed, the person of each of its test rows.
        coverage: of the interval.
        replicates: of the persons.
        seed: of the resampling.

    Raises:
        ValueError: fewer than two seeds or persons, a seed without rows, or the statistic is NaN in more than half of
            the replicates.
    """
    from scipy.stats import t

    if len(groups) < 2 or any(len(each) == 0 for each in groups):
        raise ValueError(f"an interval over seeds needs test rows of two seeds or more, got {len(groups)} seeds")
    everybody = np.unique(np.concatenate(groups))
    if len(everybody) < 2:
        raise ValueError("all test rows are of one person: there is no interval over persons")
    persons = [Persons(each, everybody) for each in groups]
    values = np.array([statistic(k, np.arange(len(each))) for k, each in enumerate(groups)])
    generator = np.random.default_rng(seed)
    found = np.empty(replicates)
    for replicate in range(replicates):
        drawn = persons[0].draw(generator)
        rows = [each.rows(drawn) for each in persons]
        found[replicate] = np.mean([statistic(k, r) if len(r) else np.nan for k, r in enumerate(rows)])
    parts = np.array([values.var(ddof=1) / len(values), defined(found).var(ddof=1)])
    total, freedom = parts.sum(), np.array([len(values) - 1, len(everybody) - 1])
    student = t(total**2 / (parts**2 / freedom).sum() if total > 0 else 1.0)
    return Difference.of(float(values.mean()), float(np.sqrt(total)), student, coverage)
