"""DeLong's test of two correlated areas under the ROC curve, and of their mean over several pairs of scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sklar.evaluation.bootstrap import auroc
from sklar.evaluation.crossed import Difference

Pair = tuple[np.ndarray, np.ndarray]  # two scores of the same rows, (n,) each


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
    return delong_of_seeds([[(first, second)]], [positive], [np.arange(len(positive))], coverage)


def delong_of_seeds(
    pairs: Sequence[Sequence[Pair]],
    positive: Sequence[np.ndarray],
    groups: Sequence[np.ndarray],
    coverage: float = 0.95,
) -> Difference:
    """The mean difference of AUROCs over seeds and tests, uncertain for other persons alone, with models as they are.

    What each row adds to its seed's difference is averaged over the tests, which have the same rows; a person's rows
    are added up over all seeds, whether every seed tests the person or one (Obuchowski, Biometrics 1997, for persons
    with several rows). With one seed, one test and one row a person it is DeLong's test.

    Args:
        pairs: of each seed, two scores of its rows under each test.
        positive: of each seed, bool ``(n,)``.
        groups: of each seed, the person of each row, ``(n,)``.
        coverage: of the normal interval.

    Raises:
        ValueError: a seed with fewer than two persons with positive rows, or with negative ones.
    """
    from scipy.stats import norm

    everybody = np.unique(np.concatenate(groups))
    added = np.zeros(len(everybody))
    values = []
    for tests, truth, persons in zip(pairs, positive, groups, strict=True):
        value = np.mean([auroc(a, truth) - auroc(b, truth) for a, b in tests])
        part = np.mean([_placements(a, truth) - _placements(b, truth) for a, b in tests], axis=0) - value
        for kind in (truth, ~truth):
            several = len(np.unique(persons[kind]))
            if several < 2:
                raise ValueError(f"DeLong's test needs two persons with rows of either kind, got {several}")
            part[kind] *= (several / (several - 1)) ** 0.5 / kind.sum()
        np.add.at(added, np.searchsorted(everybody, persons), part / len(pairs))
        values.append(value)
    return Difference.of(float(np.mean(values)), float(np.sqrt((added**2).sum())), norm, coverage)


def _placements(score: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """Of each positive row the share of negative ones under it; of each negative row, of positive ones over it."""
    from scipy.stats import rankdata

    found, rank = np.empty(len(score)), rankdata(score)
    for kind in (positive, ~positive):
        found[kind] = (rank[kind] - rankdata(score[kind])) / (~kind).sum()
    found[~positive] = 1 - found[~positive]
    return found
