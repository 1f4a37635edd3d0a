"""Several comparisons at once: corrected p-values, and ranks over several sets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


def holm(p: np.ndarray) -> np.ndarray:
    """Corrected p-values: rejecting those below a level errs in any of them with at most that probability.

    Whatever the dependence of the tests. Holm, "A simple sequentially rejective multiple test procedure", 1979.

    Args:
        p: ``(k,)``, each in [0, 1].

    Raises:
        ValueError: a value outside, or NaN.
    """
    p = np.asarray(p, dtype=float)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError(f"p-values must be one list of values in [0, 1], got {p}")
    order = np.argsort(p, kind="stable")
    stepwise = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1.0)
    corrected = np.empty_like(p)
    corrected[order] = stepwise
    return corrected


class Ranks(NamedTuple):
    """How methods rank over sets.

    Attributes:
        mean: mean rank of each method, 1 for the best, ``(k,)``.
        critical: two mean ranks further apart than this differ (Nemenyi).
        p: of the hypothesis that all methods are alike (Friedman).
    """

    mean: np.ndarray
    critical: float
    p: float


def ranks(scores: np.ndarray, less_is_better: bool, level: float = 0.05) -> Ranks:
    """Mean ranks, Friedman's test and Nemenyi's critical difference.

    Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 2006.

    Args:
        scores: ``(sets, methods)``, of at least two sets and three methods; ties share their mean rank.
        less_is_better: whether a small score is a good one.
        level: probability of finding a difference among methods that are alike.

    Raises:
        ValueError: fewer sets or methods, or NaN.
    """
    from scipy.stats import friedmanchisquare, rankdata, studentized_range

    scores = np.asarray(scores, dtype=float)
    if scores.ndim != 2 or scores.shape[0] < 2 or scores.shape[1] < 3 or np.isnan(scores).any():
        raise ValueError(
            f"ranks need scores of two sets or more and three methods or more, none of them NaN; got {scores.shape}"
        )
    sets, methods = scores.shape
    place = rankdata(scores if less_is_better else -scores, axis=1)
    alike = bool((place == place[:, :1]).all())
    p = 1.0 if alike else float(friedmanchisquare(*place.T).pvalue)
    spread = float(studentized_range.ppf(1 - level, methods, np.inf)) / np.sqrt(2)
    return Ranks(place.mean(0), spread * float(np.sqrt(methods * (methods + 1) / (6 * sets))), p)
