import numpy as np
import pytest
from scipy.stats import norm
from sklearn.metrics import roc_auc_score

from sklar.evaluation.bootstrap import auroc, bootstrap


def test_auroc_is_scikit_learns_with_ties():
    rng = np.random.default_rng(0)
    score, positive = rng.integers(0, 9, 300) / 9, rng.random(300) < 0.3
    assert auroc(score, positive) == pytest.approx(roc_auc_score(positive, score), abs=1e-12)
    assert np.isnan(auroc(score, np.ones(300, dtype=bool)))


@pytest.mark.parametrize("size", [1, 4])
def test_intervals_of_a_mean_are_those_of_theory(size):
    """Rows of a person are equal: the standard error is that of the persons' mean, whatever the rows a person."""
    rng = np.random.default_rng(1)
    persons = rng.normal(size=400)
    values, groups = np.repeat(persons, size), np.repeat(np.arange(400), size)
    shuffled = rng.permutation(len(values))
    values, groups = values[shuffled], groups[shuffled]
    found = bootstrap(lambda rows: float(values[rows].mean()), groups, replicates=4000)
    half = norm.ppf(0.975) * persons.std() / 20
    assert found.value == pytest.approx(persons.mean(), abs=1e-12)
    assert found.low == pytest.approx(persons.mean() - half, abs=0.06 * half)
    assert found.high == pytest.approx(persons.mean() + half, abs=0.06 * half)


def test_coverage_of_a_paired_difference():
    """Two scores that share most of their noise: the interval of the difference covers zero at its nominal rate."""
    rng = np.random.default_rng(2)
    covered = 0
    for study in range(200):
        common, values = rng.normal(size=60), rng.normal(size=(2, 60)) * 0.1
        first, second = common + values[0], common + values[1]
        found = bootstrap(lambda r, a=first, b=second: float((a[r] - b[r]).mean()), np.arange(60), replicates=300,
                          seed=study)  # fmt: skip
        covered += found.low <= 0 <= found.high
    assert 0.89 <= covered / 200 <= 0.98


def test_what_cannot_be_resampled_is_refused():
    with pytest.raises(ValueError, match="no rows"):
        bootstrap(lambda rows: 0.0, np.array([]))
    with pytest.raises(ValueError, match="undefined in 50 of 50"):
        bootstrap(lambda rows: float("nan"), np.arange(3), replicates=50)
