import mpmath as mp
import numpy as np
import pytest
import torch
from scipy import special

from sklar.numerics import (
    find_root,
    inverse_mills,
    log_ndtr,
    log_ndtr_tails,
    log_ndtri,
    minus_log_ndtr,
    quasi_normal,
    shrinkage_intensity,
)


def test_log_ndtri_agrees_with_scipy_and_inverts():
    w = torch.linspace(-37, 5, 5001, dtype=torch.float64)
    log_p = torch.from_numpy(special.log_ndtr(w.numpy()))
    assert torch.allclose(log_ndtri(log_p), torch.from_numpy(special.ndtri_exp(log_p.numpy())), rtol=0, atol=1e-13)
    far = -torch.logspace(0, 290, 500, dtype=torch.float64)
    assert torch.allclose(log_ndtri(far), torch.from_numpy(special.ndtri_exp(far.numpy())), rtol=1e-12, atol=0)


@pytest.mark.parametrize("x", [-1000.0, -30.0, -1.0, 0.0, 3.0])
def test_gradient_of_log_ndtr_in_float32_is_the_inverse_mills_ratio(x):
    t = torch.tensor(x, requires_grad=True)
    log_ndtr(t).backward()
    expected = np.sqrt(2 / np.pi) / special.erfcx(-x / np.sqrt(2))
    assert t.grad.item() == pytest.approx(expected, rel=1e-5)


POINTS = (-1000, -100, -38, -36, -13, -11.9, -8, -3, -0.1, 0, 0.1, 3, 8, 11.9, 13, 36, 38, 100)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_both_tails_their_logs_and_slopes_agree_with_mpmath(dtype):
    """A rounding of x moves a small tail by x^2 roundings; near zero of a type, only the absolute error counts."""
    x = torch.tensor(POINTS, dtype=dtype, requires_grad=True)
    lower, upper = log_ndtr_tails(x)
    minus, log_minus = minus_log_ndtr(x)
    slopes = [torch.autograd.grad(y.sum(), x, retain_graph=True)[0] for y in (lower, upper, minus, log_minus)]
    tiny = 4 * torch.finfo(dtype).tiny
    with mp.workdps(60):
        for i, point in enumerate(mp.mpf(v) for v in x.tolist()):
            left, right = mp.erfc(-point / mp.sqrt(2)) / 2, mp.erfc(point / mp.sqrt(2)) / 2
            log_u = mp.log(left) if point < 5 else mp.log1p(-right)
            log_rest = mp.log(right) if point > -5 else mp.log1p(-left)
            density = mp.npdf(point)
            bound = 2 * torch.finfo(dtype).eps * (10 + min(float(point) ** 2, 1400.0))
            expected = (log_u, log_rest, -log_u, mp.log(-log_u))
            gradients = (density / left, -density / right, -density / left, density / left / log_u)
            for value, wanted in zip((lower, upper, minus, log_minus), expected, strict=True):
                assert value[i].item() == pytest.approx(float(wanted), rel=bound, abs=tiny)
            for slope, wanted in zip(slopes, gradients, strict=True):
                assert slope[i].item() == pytest.approx(float(wanted), rel=bound, abs=tiny)


@pytest.mark.parametrize("absurd", [float("nan"), float("inf"), -float("inf"), 1e30, -1e30])
@pytest.mark.parametrize("function", [log_ndtr, lambda x: log_ndtr_tails(x)[1], lambda x: minus_log_ndtr(x)[1]])
def test_an_absurd_number_changes_no_other(function, absurd):
    plain = torch.linspace(-8, 8, 16, dtype=torch.float64)
    mixed = plain.clone()
    mixed[3] = absurd
    results = []
    for x in (plain, mixed):
        x.requires_grad_()
        value = function(x)
        results.append((value.detach(), *torch.autograd.grad(value.sum(), x)))
    others = torch.arange(16) != 3
    assert all(torch.equal(a[others], b[others]) for a, b in zip(*results, strict=True))


@pytest.mark.parametrize("function", [log_ndtr, log_ndtr_tails, minus_log_ndtr, inverse_mills])
def test_gradients_twice(function):
    x = torch.linspace(-20, 6, 27, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(function, x)
    assert torch.autograd.gradgradcheck(function, x)


def test_gradient_of_log_ndtri():
    log_p = log_ndtr(torch.linspace(-40, 4, 45, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradcheck(log_ndtri, log_p)
    assert torch.autograd.gradgradcheck(log_ndtri, log_p)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log_ndtri_undoes_log_ndtr(dtype):
    w = torch.linspace(-1000, 3, 2007, dtype=dtype)
    slack = 8 * torch.finfo(dtype).eps * (1 + w.abs()) * (1 + 1 / inverse_mills(w) * log_ndtr(w).abs())
    assert bool(((log_ndtri(log_ndtr(w)) - w).abs() <= slack).all())
    assert log_ndtri(torch.tensor(-torch.inf)).item() == -torch.inf


@pytest.mark.parametrize("x", [-1e5, -1000.0, -37.5, -5.0, 0.0, 8.0, 40.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_inverse_mills_agrees_with_scipy(x, dtype):
    expected = np.exp(-0.5 * x * x - 0.5 * np.log(2 * np.pi) - special.log_ndtr(x)) if x > -100 else -x - 1 / x
    found = inverse_mills(torch.tensor(x, dtype=dtype)).item()
    assert found == pytest.approx(expected, rel=1e-5 if dtype == torch.float32 else 1e-10, abs=1e-30)


@pytest.mark.parametrize(
    ("function", "root"),
    [
        (lambda x: (x**3, 3 * x**2), 0.0),
        (lambda x: (torch.atan(50 * (x - 0.3)), 50 / (1 + (50 * (x - 0.3)) ** 2)), 0.3),
        (lambda x: (torch.tanh(40 * (x + 0.9)), 40 / torch.cosh(40 * (x + 0.9)) ** 2), -0.9),
    ],
)
def test_find_root_where_newton_alone_fails(function, root):
    one = torch.ones(3, dtype=torch.float64)
    found = find_root(function, -one, 2 * one, 1.9 * one, 1e-15 * one)
    assert torch.allclose(found, root * one, atol=1e-5 if root == 0.0 else 1e-13)


def test_find_root_elementwise_in_brackets_of_its_own():
    """A step, a kink and a very steep line, where the derivative says little; one of them starts at its root."""
    root = torch.tensor([0.123, -2.0, 1e-8, 1e6], dtype=torch.float64)

    def function(x):
        gap = x - root
        kink = torch.where(gap > 0, 1e4 * gap, 1e-4 * gap)
        value = torch.stack([torch.sign(gap)[0] + gap[0], kink[1], 1e12 * gap[2], gap[3] ** 3])
        return value, torch.tensor([1.0, 1e-4, 1e12, 1e-3], dtype=torch.float64)

    lower, upper = root - torch.tensor([1.0, 100.0, 1.0, 1e6]), root + torch.tensor([9.0, 1.0, 0.0, 1e6])
    found = find_root(function, lower, upper, upper, torch.zeros(4, dtype=torch.float64))
    assert torch.allclose(found[:3], root[:3], rtol=1e-14, atol=1e-15)
    assert float((found[3] - root[3]).abs()) < 1e-3


def test_shrinkage_intensity_is_the_plain_formula():
    x = np.random.default_rng(0).normal(size=(40, 4)) @ np.triu(np.ones((4, 4)))
    x = (x - x.mean(0)) / x.std(0)
    top = bottom = 0.0
    for i in range(4):
        for j in range(4):
            if i != j:
                product = x[:, i] * x[:, j]
                top += product.var() / (len(x) - 1)
                bottom += product.mean() ** 2
    assert float(shrinkage_intensity(torch.from_numpy(x))) == pytest.approx(min(1, top / bottom), rel=1e-10)


def test_quasi_normal_points_are_even_and_repeatable():
    points = quasi_normal(1024, (3, 2), seed=1, dtype=torch.float64)
    assert torch.equal(points, quasi_normal(1024, (3, 2), seed=1, dtype=torch.float64))
    assert points.mean(0).abs().max() < 0.01
    assert (points.std(0) - 1).abs().max() < 0.02
