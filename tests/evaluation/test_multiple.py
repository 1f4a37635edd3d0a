"""Corrections for several comparisons, and ranks."""

import numpy as np
import pytest
from scipy import stats

from sklar.evaluation.multiple import holm, ranks


def test_holm_is_its_plain_procedure():
    """At every level, what has a corrected value below it is what the stepwise procedure rejects."""
    rng = np.random.default_rng(0)
    for _ in range(50):
        p = rng.random(6) ** 3
        corrected = holm(p)
        for level in (0.01, 0.05, 0.2, 0.6):
            rejected = np.zeros(6, dtype=bool)
            for step, place in enumerate(np.argsort(p)):
                if p[place] > level / (6 - step):
                    break
                rejected[place] = True
            assert (rejected == (corrected <= level)).all()
    for wrong in ([0.5, 1.2], [np.nan], [[0.1]]):
        with pytest.raises(ValueError, match="p-values"):
            holm(np.array(wrong))


def test_holm_keeps_its_level_under_dependence():
    """2,000 studies of eight alike tests, normal and correlated .5."""
    rng = np.random.default_rng(1)
    z = np.sqrt(0.5) * (rng.normal(size=(2000, 1)) + rng.normal(size=(2000, 8)))
    p = 2 * stats.norm.sf(np.abs(z))
    false = np.mean([holm(row).min() <= 0.05 for row in p])
    assert false <= 0.05 + 2 * (0.05 * 0.95 / 2000) ** 0.5


@pytest.mark.parametrize(("methods", "q"), [(3, 2.343), (4, 2.569), (5, 2.728), (10, 3.164)])
def test_the_critical_difference_is_demsars(methods, q):
    """Table 5(a) of Demsar 2006, at the level of .05."""
    scores = np.random.default_rng(2).random((12, methods))
    found = ranks(scores, less_is_better=True)
    assert found.critical == pytest.approx(q * (methods * (methods + 1) / 72) ** 0.5, rel=1e-3)
    assert found.p == pytest.approx(stats.friedmanchisquare(*scores.T).pvalue)
    assert found.mean == pytest.approx(stats.rankdata(scores, axis=1).mean(0))
    assert ranks(-scores, less_is_better=False).mean == pytest.approx(found.mean)


def test_ties_and_what_cannot_be_ranked():
    scores = np.array([[1.0, 1.0, 2.0], [1.0, 1.0, 0.5]])
    assert ranks(scores, less_is_better=True).mean.tolist() == [2.0, 2.0, 2.0]
    assert ranks(np.ones((4, 3)), less_is_better=True).p == 1
    for wrong in (np.ones((1, 3)), np.ones((3, 2)), np.full((3, 3), np.nan)):
        with pytest.raises(ValueError, match="ranks need"):
            ranks(wrong, less_is_better=True)


def test_friedman_and_nemenyi_keep_their_level():
    """300 studies of ten sets and four alike methods: any pair beyond the critical difference is an error."""
    rng = np.random.default_rng(3)
    found = [ranks(rng.random((10, 4)), less_is_better=True) for _ in range(300)]
    assert np.mean([r.p < 0.05 for r in found]) <= 0.075
    assert np.mean([np.ptp(r.mean) > r.critical for r in found]) <= 0.075
