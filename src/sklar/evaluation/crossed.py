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


class MeanOfLaws:
    """A law whose quantiles are Student's, averaged over several degrees of freedom (Cochran & Cox 1957, section 4.14).

    The quantile of a sum of variances with few and with many degrees of freedom: it lies between theirs whatever the
    variances turn out to be, while Satterthwaite's degrees of freedom run off to the many where the part with the few
    comes out small by chance, and the interval is then too short (of two seeds, 87% for 95%).

    Args:
        shares: weights, which add up to one.
        freedom: degrees of freedom of each.
    """

    def __init__(self, shares: np.ndarray, freedom: np.ndarray) -> None:
        self.shares, self.freedom = shares, freedom

    def isf(self, p: float) -> float:
        """The point that is exceeded with probability ``p``."""
        from scipy.stats import t

        return float(self.shares @ t.isf(p, self.freedom))

    def ppf(self, q: float) -> float:
        """The quantile."""
        return -self.isf(q)

    def sf(self, x: float) -> float:
        """The probability that ``x``, which is not negative, is exceeded."""
        from scipy.optimize import brentq
        from scipy.stats import t

        each = t.sf(x, self.freedom[self.shares > 0])
        low, high = float(each.min()), float(each.max())
        if high - low <= 1e-12 * high:
            return high
        floor = max(low, 1e-300)  # below, no root is needed
        if self.isf(floor) <= x:
            return floor
        return float(np.exp(brentq(lambda log: self.isf(np.exp(log)) - x, np.log(floor), np.log(high), xtol=1e-13)))


def crossed_difference(
    statistic: Callable[[int, np.ndarray], float],
    groups: Sequence[np.ndarray],
    coverage: float = 0.95,
    replicates: int = 500,
    seed: int = 0,
) -> Difference:
    """Mean over seeds of a statistic of test rows, with an interval for other seeds and other persons.

    Two seeds' values differ for their own sake and for that of the persons whom one of them alone tests, and agree for
    that of the persons whom both test. The variance of their mean has two parts accordingly, which add up to it exactly
    in expectation: the sample variance over the seeds, over their number; and the mean covariance of two seeds' values,
    from replicates in which the same resampled persons stand in every seed's test rows. With the same test rows for all
    seeds that is the variance of a two-way table's mean (persons by seeds); with folds, which share no person, the
    second part is zero and the first one has the persons in it already. The quantiles are those of `MeanOfLaws`.

    Folds share most of their training rows, which no estimate from one partition can account for (Bengio & Grandvalet,
    JMLR 2004): the interval is that of folds trained on rows of their own.

    Args:
        statistic: from the number of a seed and row numbers ``(k,)``, with repeats, to the figure: of a comparison, the
            difference of two models on these rows. Replicates where it is NaN for some seed are left out.
        groups: for each seed, the person of each of its test rows.
        coverage: of the interval.
        replicates: of the persons; none are drawn where no two seeds share a person.
        seed: of the resampling.

    Raises:
        ValueError: fewer than two seeds or persons, a seed without rows, the statistic is NaN on all rows of a seed, or
            in more than half of the replicates.
    """
    if len(groups) < 2 or any(len(each) == 0 for each in groups):
        raise ValueError(f"an interval over seeds needs test rows of two seeds or more, got {len(groups)} seeds")
    everybody = np.unique(np.concatenate(groups))
    if len(everybody) < 2:
        raise ValueError("all test rows are of one person: there is no interval over persons")
    first = [next(j for j, other in enumerate(groups) if np.array_equal(each, other)) for each in groups]
    persons = {k: Persons(groups[k], everybody) for k in set(first)}  # seeds with the same test rows have them once
    values = np.array([statistic(k, np.arange(len(each))) for k, each in enumerate(groups)])
    there = np.array([persons[k].count > 0 for k in first])
    shared = (there[:, None] & there).any(-1) & ~np.eye(len(groups), dtype=bool)
    agreement = 0.0
    if shared.any():
        generator = np.random.default_rng(seed)
        found = np.full((replicates, len(groups)), np.nan)
        for replicate in range(replicates):
            drawn = persons[0].draw(generator)
            rows = {k: each.rows(drawn) for k, each in persons.items()}
            found[replicate] = [statistic(k, rows[j]) if len(rows[j]) else np.nan for k, j in enumerate(first)]
        usable = ~np.isnan(found).any(1)
        defined(found.mean(1))  # refuses where few are
        together = np.cov(found[usable], rowvar=False)
        agreement = max(0.0, float(together[shared].sum()) / (len(groups) * (len(groups) - 1)))
    elif np.isnan(values).any():
        raise ValueError("the statistic is undefined on all rows of a seed")
    parts = np.array([values.var(ddof=1) / len(values), agreement])
    total = parts.sum()
    law = MeanOfLaws(parts / total if total > 0 else np.array([1.0, 0.0]), np.array([len(values), len(everybody)]) - 1)
    return Difference.of(float(values.mean()), float(np.sqrt(total)), law, coverage)
