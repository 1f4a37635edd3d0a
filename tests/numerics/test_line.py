import math

import pytest
import torch
from scipy import integrate, stats

from sklar.numerics.line import LineIntegral


def normal(mean, width):
    return lambda x: -0.5 * ((x - mean) / width) ** 2 - math.log(width) - 0.5 * math.log(2 * math.pi)


def mixture(*parts):
    """``(weight, mean, width)`` each."""

    def log_f(x):
        return torch.logsumexp(torch.stack([math.log(w) + normal(m, s)(x) for w, m, s in parts]), 0)

    return log_f


SHAPES = {
    "standard": [(1.0, 0.0, 1.0)],
    "far": [(1.0, 7.0, 1.0)],
    "beyond the first look": [(1.0, -25.0, 0.5)],
    "narrow": [(1.0, 0.3, 0.2)],
    "needle": [(1.0, 6.1234, 0.01)],
    "needle far left": [(1.0, -8.2, 0.01)],
    "two peaks": [(0.5, -5.0, 0.15), (0.5, 5.0, 0.15)],
    "unequal peaks": [(0.99, -5.0, 0.15), (0.01, 5.0, 0.15)],
    "unequal widths": [(0.3, -2.0, 0.1), (0.7, 1.0, 1.5)],
    "three peaks": [(0.2, -6.0, 0.3), (0.5, 0.5, 0.4), (0.3, 6.0, 0.3)],
}
EVERY = pytest.mark.parametrize("shape", SHAPES)


def line(log_f, points=32, centre=0.0, scale=1.0, dtype=torch.float64, shape=()):
    return LineIntegral(log_f, torch.full(shape, centre, dtype=dtype), torch.full(shape, scale, dtype=dtype), points)


@EVERY
@pytest.mark.parametrize("centre", [0.0, 3.0])
def test_integrals_are_one(shape, centre):
    found = line(mixture(*SHAPES[shape]), centre=centre)
    assert found.log_value.item() == pytest.approx(0, abs=1e-9)
    assert found.error <= 1e-9
    single = line(mixture(*SHAPES[shape]), centre=centre, dtype=torch.float32)
    assert single.log_value.dtype == torch.float32
    assert single.log_value.item() == pytest.approx(0, abs=1e-4)


def test_a_heavy_valley_between_peaks_and_far_from_normal_shapes():
    """Against adaptive quadrature: a valley that is not empty, a shoulder, logistic tails."""
    shapes = [
        lambda x: torch.log(
            torch.exp(-0.5 * (x**2 - 16) ** 2 / 16) + 0.3 * torch.exp(-0.02 * x**2) + 1e-6 / (1 + x**8)
        ),
        lambda x: -0.5 * x**2 - torch.nn.functional.softplus(8 * (x - 1)),
        lambda x: -x - 2 * torch.nn.functional.softplus(-x),
        lambda x: -0.25 * x**4 + 4 * x,
    ]
    for log_f in shapes:
        expected = integrate.quad(lambda x, f=log_f: math.exp(f(torch.tensor(x, dtype=torch.float64))), -40, 40,
                                  points=(-4, -2, 0, 2, 4), limit=500, epsabs=1e-12)[0]  # fmt: skip
        assert line(log_f).log_value.item() == pytest.approx(math.log(expected), abs=1e-6)


@EVERY
def test_quantiles(shape):
    parts = SHAPES[shape]
    scores = torch.linspace(-4, 4, 33, dtype=torch.float64)
    x = line(mixture(*parts), points=64).quantile(scores)
    level = sum(w * stats.norm.cdf((x.numpy() - m) / s) for w, m, s in parts)
    density = sum(w * stats.norm.pdf((x.numpy() - m) / s) / s for w, m, s in parts)
    gap = abs(level - stats.norm.cdf(scores.numpy()))
    # The error in x, but in an empty valley, where any x is right.
    smallest = min(s for _, _, s in parts)
    assert ((gap <= 1e-6 * density) | (gap <= 1e-10 * smallest)).all() or (gap <= 1e-12).all()


def test_many_at_once_are_each_alone_and_nan_stays_in_its_row():
    means = torch.tensor([0.0, 3.0, math.nan, -6.0], dtype=torch.float64)
    widths = torch.tensor([1.0, 0.02, 1.0, 0.5], dtype=torch.float64).requires_grad_()

    def run(means, widths):
        mean, width = means, widths
        found = LineIntegral(
            lambda x: -0.5 * ((x - mean) / width) ** 2, torch.zeros_like(means), torch.ones_like(means), 64
        )
        return found.log_value, found.quantile(torch.full((2, len(means)), 0.7, dtype=torch.float64))

    value, quantile = run(means, widths)
    assert value[2].isnan()
    fine = torch.tensor([0, 1, 3])
    expected = widths[fine].log() + 0.5 * math.log(2 * math.pi)
    assert torch.allclose(value[fine], expected, atol=1e-9)
    assert torch.allclose(quantile[:, fine], (means + 0.7 * widths)[fine].expand(2, -1), atol=1e-7)
    (value[fine].sum() + quantile[0, fine].sum()).backward()
    assert torch.allclose(widths.grad[fine], 1 / widths[fine] + 0.7, rtol=1e-5)


def test_gradients_in_what_the_function_depends_on_and_in_the_score():
    mean, width, weight = (torch.tensor(v, dtype=torch.float64).requires_grad_() for v in ([0.5, -1.0], 0.7, 0.4))
    score = torch.tensor([[-1.5, 0.3], [0.0, 2.0]], dtype=torch.float64).requires_grad_()

    def function(mean, width, weight, score):
        def log_f(x):
            first, second = -0.5 * ((x - mean) / width) ** 2, -0.5 * ((x + 1) / 1.3) ** 2
            return torch.logaddexp(first, second + torch.log(weight))

        found = LineIntegral(log_f, torch.zeros(2, dtype=torch.float64), torch.ones(2, dtype=torch.float64), 64)
        return found.log_value, found.quantile(score)

    assert torch.autograd.gradcheck(function, (mean, width, weight, score), atol=1e-6)


def test_the_stated_error_covers_what_too_few_nodes_miss():
    zero, one = torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64)
    for most in (32, 64, 128):
        found = LineIntegral(mixture(*SHAPES["two peaks"]), zero, one, 32, most)
        assert len(found.values) <= most
        assert abs(math.expm1(found.log_value)) <= max(found.error.item(), 1e-9)
