"""Deviations by what a row shows, against those that the errors were drawn with."""

import numpy as np
import pytest
import torch

from sklar.estimators import CopulaFusionRegressor
from sklar.estimators.spread import Spread, likeliest_spread, pattern_features

PATTERNS = torch.tensor([[i & 1, i & 2, i & 4] for i in range(1, 8)]) > 0


def errors(deviation: torch.Tensor, each: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Normal errors with the given deviation under each of `PATTERNS`, so many a pattern, and their masks."""
    normal = torch.randn(len(PATTERNS), each, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (normal * deviation[:, None]).flatten(), PATTERNS.repeat_interleave(each, 0)


def test_features_are_absences_and_the_log_of_how_few_there_are():
    features = pattern_features(torch.tensor([[True, True, True], [False, True, False]]))
    assert features.numpy() == pytest.approx(np.array([[0, 0, 0, 0], [1, 0, 1, np.log(3)]]))
    spread = Spread(2.0, 3.0, (0.1, 0.2, 0.3, 0.5))
    found = spread.deviation(torch.tensor([0.0, 4.0]), torch.tensor([[True, True, True], [False, True, False]]))
    assert found.tolist() == pytest.approx([3.0, np.hypot(8, 3 * np.exp(0.4) * np.sqrt(3))])


@pytest.mark.parametrize(
    "deviation",
    [
        0.7 * PATTERNS.double().sum(-1).rsqrt(),  # three equally noisy measurements of one thing
        0.2 * torch.tensor([3.0, 1.0, 1.5]).double().pow((~PATTERNS).double()).prod(-1),  # factors of absence
        torch.full((7,), 5.0).double(),
    ],
)
def test_deviations_of_all_patterns_are_found(deviation):
    gap, masks = errors(deviation, 2000)
    found = likeliest_spread(gap, torch.zeros_like(gap), masks, len(gap)).deviation(torch.zeros(7), PATTERNS)
    assert (found / deviation).numpy() == pytest.approx(np.ones(7), abs=0.06)  # 1 / sqrt(2 * 2000) = 0.016


def test_the_share_of_the_spread_over_draws_is_found():
    generator = torch.Generator().manual_seed(0)
    spread = torch.rand(20_000, generator=generator, dtype=torch.float64)
    deviation = torch.hypot(1.5 * spread, torch.tensor(0.3, dtype=torch.float64))
    gap = deviation * torch.randn(20_000, generator=generator, dtype=torch.float64)
    found = likeliest_spread(gap, spread, torch.ones(20_000, 2, dtype=torch.bool), 20_000)
    assert (found.scale, found.noise) == pytest.approx((1.5, 0.3), rel=0.1)
    assert found.growth == pytest.approx((0, 0, 0), abs=1e-6)


def test_a_handful_of_rows_says_little_of_patterns():
    gap, masks = errors(torch.tensor([1.0, 1, 1, 9, 1, 1, 1]).double(), 1)
    found = likeliest_spread(gap, torch.zeros(7).double(), masks, len(gap)).deviation(torch.zeros(7), PATTERNS)
    raw = gap.abs()
    assert found.max() / found.min() < 3 < raw.max() / raw.min()


def sums(rows: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray, dict[str, np.ndarray]]:
    """``y = 1000 + 100 (2 a + b + noise)`` of standard normals, a third of either lacking, and which rows do."""
    generator = np.random.default_rng(seed)
    a, b, noise = generator.normal(size=(3, rows))
    lacks = generator.integers(0, 3, rows)
    X = {"a": np.where(lacks == 1, np.nan, a)[:, None], "b": np.where(lacks == 2, np.nan, b)[:, None]}
    return X, 1000 + 100 * (2 * a + b + noise), {"both": lacks == 0, "a": lacks == 2, "b": lacks == 1}


def test_deviations_of_predictions_hold_pattern_by_pattern():
    X, y, _ = sums(900, 0)
    regressor = CopulaFusionRegressor(dim=4, hidden=16, max_steps=200, learning_rate=1e-2).fit(X, y)
    X, y, rows = sums(6000, 1)
    mean, deviation = regressor.predict(X, return_std=True)
    gap = np.abs(y - mean)
    for pattern, exact in (("both", 100.0), ("a", 100 * np.sqrt(2)), ("b", 100 * np.sqrt(5))):
        chosen = rows[pattern]
        assert 0.72 < (gap < 1.2816 * deviation)[chosen].mean() < 0.88, pattern
        assert 0.85 * exact < deviation[chosen].mean(), pattern  # nobody can know more
    assert np.median(deviation[rows["a"]]) * 1.3 < np.median(deviation[rows["b"]])
    part = {"b": X["b"][rows["both"]]}  # the same rows, shown in part
    assert (regressor.predict(part, return_std=True)[1] > deviation[rows["both"]]).mean() > 0.99
