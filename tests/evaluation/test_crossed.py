"""Intervals over seeds and persons, and DeLong's test."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from sklar.evaluation.crossed import MeanOfLaws, crossed_difference
from sklar.evaluation.delong import delong, delong_of_seeds


def study(rng, seeds, persons, effect, of_seeds, of_persons, of_both=0.3, a_person=1):
    """Differences ``(seeds, rows)`` of two models: an effect, and noise of seeds, of persons, of both."""
    person = np.repeat(np.arange(persons), a_person)
    values = (
        effect
        + of_seeds * rng.normal(size=(seeds, 1))
        + of_persons * rng.normal(size=(1, persons))[:, person]
        + of_both * rng.normal(size=(seeds, len(person)))
    )
    return values, [person] * seeds


@pytest.mark.parametrize(
    ("of_seeds", "of_persons", "a_person"), [(0.3, 1.0, 1), (0.3, 0.1, 1), (0.02, 1.0, 3)],
    ids=["both", "seeds", "persons"],
)  # fmt: skip
def test_intervals_cover_at_their_rate_and_the_null_is_kept(of_seeds, of_persons, a_person):
    """500 simulated studies of five seeds and forty persons; the rate's own standard error is one point."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(500):
        values, groups = study(rng, 5, 40, 0.0, of_seeds, of_persons, a_person=a_person)
        found = crossed_difference(lambda k, rows, v=values: v[k][rows].mean(), groups, replicates=50)
        covered += found.low <= 0 <= found.high
        assert (found.p >= 0.05) == (found.low <= 0 <= found.high)
    assert 0.93 <= covered / 500 <= 0.985


@pytest.mark.parametrize("of_seeds", [0.0, 0.2, 1.0])
def test_with_folds_intervals_cover_at_their_rate(of_seeds):
    """500 studies of five folds with twelve other persons each, some with several rows: no person counts twice."""
    rng = np.random.default_rng(6)
    covered = 0
    for _ in range(500):
        groups = [np.repeat(np.arange(12) + 12 * k, rng.integers(1, 4, size=12)) for k in range(5)]
        effects = rng.normal(size=60)
        values = [of_seeds * rng.normal() + effects[g] + 0.3 * rng.normal(size=len(g)) for g in groups]
        found = crossed_difference(lambda k, rows, v=values: v[k][rows].mean(), groups, replicates=2)
        assert (found.p >= 0.05) == (found.low <= 0 <= found.high)
        low, high = stats.t.interval(0.95, 4, *(f([v.mean() for v in values]) for f in (np.mean, stats.sem)))
        assert found[:3] == pytest.approx((np.mean([v.mean() for v in values]), low, high))
        covered += found.low <= 0 <= found.high
    assert 0.93 <= covered / 500 <= 0.97


def test_few_seeds_that_are_alike_by_chance_do_not_make_it_short():
    """Two seeds, most of the variance theirs: Satterthwaite's degrees of freedom cover 87% of such studies."""
    rng = np.random.default_rng(7)
    covered = []
    for _ in range(500):
        values, groups = study(rng, 2, 40, 0.0, 0.5**0.5, 1.0, of_both=0.0)
        found = crossed_difference(lambda k, rows, v=values: v[k][rows].mean(), groups, replicates=50)
        covered.append(found.low <= 0 <= found.high)
    assert 0.925 <= np.mean(covered) <= 0.985


def test_its_quantiles_lie_between_those_of_its_parts():
    for share in (0.0, 0.01, 0.3, 1.0):
        law = MeanOfLaws(np.array([share, 1 - share]), np.array([2, 60]))
        assert law.ppf(0.975) == pytest.approx(share * stats.t.ppf(0.975, 2) + (1 - share) * stats.t.ppf(0.975, 60))
        for p in (0.4, 0.01, 1e-6, 1e-40):
            assert law.sf(law.isf(p)) == pytest.approx(p)


def test_persons_by_seeds_it_is_the_two_way_tables_error():
    """Rows as persons, columns as seeds: the mean squares of a table without repeats say the variance of its mean."""
    rng = np.random.default_rng(8)
    values, groups = study(rng, 4, 60, 0.0, 0.3, 1.0, of_both=1.5)
    found = crossed_difference(lambda k, rows: values[k][rows].mean(), groups, replicates=6000)
    k, n = values.shape
    of_persons, of_seeds = values.mean(0), values.mean(1)
    rest = values - of_persons - of_seeds[:, None] + values.mean()
    squares = k * of_persons.var(ddof=1) + n * of_seeds.var(ddof=1) - (rest**2).sum() / ((k - 1) * (n - 1))
    assert found.error == pytest.approx((squares / (k * n)) ** 0.5, rel=0.03)


def test_with_much_of_one_kind_it_is_the_t_interval_of_the_other():
    """Rows without persons' noise leave Student's interval over seeds, by scipy."""
    values = np.random.default_rng(1).normal(size=6)
    found = crossed_difference(lambda k, rows: values[k], [np.arange(9)] * 6, replicates=10)
    low, high = stats.t.interval(0.95, 5, values.mean(), stats.sem(values))
    assert found[:3] == pytest.approx((values.mean(), low, high))
    assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_with_alike_seeds_it_is_the_normal_interval_over_persons():
    """Two hundred persons, whose rows every seed scores alike."""
    values = np.random.default_rng(2).normal(size=200)
    found = crossed_difference(lambda k, rows: values[rows].mean(), [np.arange(200)] * 2, replicates=4000)
    assert found.error == pytest.approx(values.std() / 200**0.5, rel=0.05)
    assert found.high - found.low == pytest.approx(2 * stats.t.ppf(0.975, 199) * found.error)


def test_seeds_may_have_test_rows_of_their_own():
    """A person who is in two seeds' test rows comes and goes in both."""
    rng = np.random.default_rng(3)
    groups = [rng.choice(30, 20, replace=False) for _ in range(3)]
    effect = rng.normal(size=30)
    found = crossed_difference(lambda k, rows: effect[groups[k][rows]].mean(), groups, replicates=3000)
    means = []
    for _ in range(3000):  # the same in plain words
        count = np.bincount(rng.integers(30, size=30), minlength=30)
        means.append([np.average(effect[g], weights=count[g]) for g in groups])
    between = np.var([effect[g].mean() for g in groups], ddof=1) / 3
    agree = np.mean([np.cov(np.transpose(means))[i, j] for i, j in ((0, 1), (0, 2), (1, 2))])
    assert found.error == pytest.approx((between + agree) ** 0.5, rel=0.05)


def test_what_has_no_interval_is_refused_or_exact():
    with pytest.raises(ValueError, match="two seeds"):
        crossed_difference(lambda k, rows: 0.0, [np.arange(3)])
    with pytest.raises(ValueError, match="one person"):
        crossed_difference(lambda k, rows: 0.0, [np.zeros(3)] * 2)
    with pytest.raises(ValueError, match="undefined in 20 of 20"):
        crossed_difference(lambda k, rows: float("nan"), [np.arange(3)] * 2, replicates=20)
    same = crossed_difference(lambda k, rows: 0.0, [np.arange(3)] * 2, replicates=20)
    assert same == (0.0, 0.0, 0.0, 0.0, 1.0)


def test_delong_is_its_plain_formula():
    """Placements counted pair by pair, with ties; areas by scikit-learn."""
    rng = np.random.default_rng(4)
    positive = rng.random(90) < 0.4
    first = np.round(positive + rng.normal(size=90), 1)
    second = np.round(positive + rng.normal(size=90), 1)
    parts = []
    for score in (first, second):
        pairs = (score[positive][:, None] > score[~positive]) + 0.5 * (score[positive][:, None] == score[~positive])
        parts.append((pairs.mean(1), pairs.mean(0)))
    covariance = np.cov([p for p, _ in parts]) / positive.sum() + np.cov([q for _, q in parts]) / (~positive).sum()
    found = delong(first, second, positive)
    assert found.value == pytest.approx(roc_auc_score(positive, first) - roc_auc_score(positive, second))
    assert found.error == pytest.approx(np.sqrt([1, -1] @ covariance @ [1, -1]))
    assert found.p == pytest.approx(2 * stats.norm.sf(abs(found.value / found.error)))
    assert delong(first, first, positive).p == 1
    with pytest.raises(ValueError, match="either kind, got 1"):
        delong(first[:3], second[:3], np.array([True, False, False]))


def test_delong_over_seeds_tests_and_rows_of_a_person_keeps_its_level():
    """500 null studies of two seeds and two tests on the rows of 40 persons, two each; and its errors by simulation."""
    rng, found = np.random.default_rng(9), []
    persons = np.repeat(np.arange(40), 2)
    positive = np.repeat(np.arange(40) < 18, 2)
    for _ in range(500):
        own = rng.normal(size=(2, 40))[:, persons]  # what each model makes of a person, alike for both seeds
        pairs = [
            [tuple(positive + own + 0.5 * rng.normal(size=own.shape)) for _ in range(2)] for _ in range(2)
        ]  # fmt: skip
        found.append(delong_of_seeds(pairs, [positive] * 2, [persons] * 2))
    assert np.std([f.value for f in found]) == pytest.approx(np.mean([f.error**2 for f in found]) ** 0.5, rel=0.1)
    assert 0.025 <= np.mean([f.p < 0.05 for f in found]) <= 0.08


def test_delong_of_folds_is_that_of_independent_studies():
    """Of persons whom one fold alone tests the variances add up."""
    rng = np.random.default_rng(10)
    positive = [rng.random(50) < 0.4 for _ in range(3)]
    pairs = [tuple(p + rng.normal(size=(2, 50))) for p in positive]
    each = [delong(*pair, p) for pair, p in zip(pairs, positive, strict=True)]
    found = delong_of_seeds([[pair] for pair in pairs], positive, [np.arange(50) + 50 * k for k in range(3)])
    assert found.value == pytest.approx(np.mean([e.value for e in each]))
    assert found.error == pytest.approx(sum(e.error**2 for e in each) ** 0.5 / 3)


def test_delong_keeps_its_level():
    """500 studies of two scores that are equally good."""
    rng = np.random.default_rng(5)
    rejected = 0
    for _ in range(500):
        positive = np.arange(80) < 35
        common = positive + rng.normal(size=80)
        first, second = (common + 0.5 * rng.normal(size=80) for _ in range(2))
        rejected += delong(first, second, positive).p < 0.05
    assert 0.025 <= rejected / 500 <= 0.075
