import numpy as np
import pytest

from sklar.copulas import pair_copula
from sklar.report.copulas import contour


def test_independence_is_a_set_of_circles():
    axes = contour(pair_copula("indep"))
    levels = 0
    for collection in axes.collections:
        for path in collection.get_paths():
            if len(path.vertices) > 10:
                radius = np.hypot(*path.vertices.T)
                assert np.ptp(radius) < 5e-3
                # A circle of radius r lies at the height exp(-r^2 / 2) / (2 pi), which is one of the levels.
                height = np.exp(-(radius.mean() ** 2) / 2) / (2 * np.pi)
                assert min(abs(height - level) for level in (0.01, 0.025, 0.05, 0.1, 0.15)) < 1e-3
                levels += 1
    assert levels == 5


def test_a_batch_cannot_be_drawn():
    with pytest.raises(ValueError, match="one pair, not a batch"):
        contour(pair_copula("gumbel", batch_shape=(2,)))
