"""DeLong's test of two correlated areas under the ROC curve."""

from __future__ import annotations

import numpy as np

from sklar.evaluation.bootstrap import auroc
from sklar.evaluation.crossed import Difference


def delong(first: np.ndarray, second: np.ndarray, positive: np.ndarray, coverage: float = 0.95) -> Difference:
    """AUROC of the first score minus that of the second on the same rows, each of another person.

    DeLong, DeLong, Clarke-Pearson, Biometrics 1988, by midranks as in Sun & Xu, IEEE Signal Processing Letters 2014.

    Args:
        first: ``(n,)``.
        second: ``(n,)``.
        positive: bool ``(n,)``, at least two rows of either kind.
        coverage: of the normal interval.

    Raises:
        ValueError: fewer than two rows of either kind.
    """
    from scipy.stats import norm, rankdata

    ones, zeros = int(positive.sum()), int((~positive).sum())
    if min(ones, zeros) < 2:
        raise ValueError(f"DeLong's test needs two positive and two negative rows, got {ones} and {zeros}")
    above, below = [], []  # of each positive row the share of negative ones under it; of each negative row, over it
    for score in (first, second):
        rank = rankdata(score)
        above.append((rank[positive] - rankdata(score[positive])) / zeros)
        below.append(1 - (rank[~positive] - rankdata(score[~positive])) / ones)
    value = auroc(first, positive) - auroc(second, positive)
    variance = np.diff(above, axis=0).var(ddof=1) / ones + np.diff(below, axis=0).var(ddof=1) / zeros
    return Difference.of(value, float(np.sqrt(variance)), norm, coverage)
