import shutil

import mpmath as mp
import numpy as np
import pytest
import torch
from scipy import special, stats

from sklar.numerics import (
    betainc,
    gauss_hermite,
    gauss_legendre,
    log1mexp,
    log_minus_log1mexp,
    log_phi,
    log_softplus,
    softplus,
    student_score,
    student_value,
    tanh_sinh,
)
from sklar.numerics import student as student_module

PLAIN = {
    log_phi: lambda x: mp.log(-mp.expm1(-x) / x),
    log_softplus: lambda x: mp.log(mp.log1p(mp.exp(x))),
    softplus: lambda x: mp.log1p(mp.exp(x)),
    log1mexp: lambda x: mp.log(-mp.expm1(-x)),
    log_minus_log1mexp: lambda x: mp.log(-mp.log1p(-mp.exp(-x)) if x > 1 else -mp.log(-mp.expm1(-x))),
}
ANYWHERE = (log_softplus, softplus)
EACH = pytest.mark.parametrize("function", list(PLAIN), ids=lambda f: f.__name__)
TYPES = pytest.mark.parametrize(("dtype", "bound"), [(torch.float32, 2e-6), (torch.float64, 2e-14)])


@EACH
@TYPES
def test_elementary_functions_and_their_slopes(function, dtype, bound):
    points = [1e-12, 1e-5, 0.1, 0.29, 0.31, 0.69, 0.7, 2.0, 16.0, 18.0, 80.0]
    points += [500.0, *(-x for x in points)] if function in ANYWHERE else []
    x = torch.tensor(points, dtype=dtype, requires_grad=True)
    value = function(x)
    value.sum().backward()
    with mp.workdps(50):
        for i, point in enumerate(x.detach().double().tolist()):
            expected = float(PLAIN[function](mp.mpf(point)))
            slope = float(mp.diff(PLAIN[function], mp.mpf(point), h=mp.mpf(point) * mp.mpf(10) ** -12))
            assert value[i].item() == pytest.approx(expected, rel=bound, abs=bound)
            # log1mexp's slope 1 / (e^x - 1) passes through a rounding of x
            assert float(x.grad[i]) == pytest.approx(slope, rel=20 * bound, abs=bound)


def test_log_phi_at_zero():
    x = torch.zeros((), dtype=torch.float64, requires_grad=True)
    value = log_phi(x)
    value.backward()
    assert (value.item(), x.grad.item()) == (0.0, -0.5)


def test_incomplete_beta_and_its_gradients_in_everything():
    sizes = torch.tensor([0.5, 1.0, 2.5, 25.0, 60.0], dtype=torch.float64)
    x = torch.tensor([1e-12, 1e-3, 0.2, 0.5, 0.9, 0.999], dtype=torch.float64)
    a, b, x = torch.meshgrid(sizes, sizes, x, indexing="ij")
    expected = special.betainc(a.numpy(), b.numpy(), x.numpy())
    found = betainc(a, b, x).numpy()
    normal = expected > 1e-300
    assert np.allclose(found[normal], expected[normal], rtol=1e-11, atol=0)
    assert (found[~normal] <= 2e-300).all()
    inner = [t[:, ::2, 1:5].clone().requires_grad_() for t in (a, b, x)]
    assert torch.autograd.gradcheck(betainc, inner)


@pytest.mark.parametrize("nu", [1.0, 2.0, 4.5, 30.0, 51.0])
def test_student_scores_and_values(nu):
    w = torch.tensor([-37.0, -8.0, -2.0, -0.3, 0.4, 1.0, 5.0, 8.0, 30.0], dtype=torch.float64)
    degrees = torch.tensor(nu, dtype=torch.float64)
    x = student_value(w, degrees)
    assert torch.allclose(student_score(x, degrees), w, rtol=1e-13, atol=1e-13)
    with mp.workdps(40):
        for value, score in zip(x.tolist(), w.tolist(), strict=True):
            t, half = mp.mpf(nu), mp.mpf(1) / 2
            tail = mp.betainc(t / 2, half, 0, t / (t + mp.mpf(value) ** 2), regularized=True) / 2
            # An error in x is one of nu times as much in the log of the tail.
            assert abs(float(mp.log(tail / mp.ncdf(-abs(mp.mpf(score)))))) < 1e-13 * (nu + score * score)
    inner = w[2:7].clone().requires_grad_()
    free = degrees.clone().requires_grad_()
    assert torch.autograd.gradcheck(student_value, (inner, free))
    assert torch.autograd.gradcheck(student_score, (x[2:7].detach().requires_grad_(), free))


@pytest.mark.parametrize("nu", [2.0, 5.0, 51.0, [[2.0], [5.0], [51.0]]])
@pytest.mark.parametrize("function", [student_value, student_score])
def test_many_points_are_interpolated_to_the_last_digits(nu, function, monkeypatch):
    points = torch.linspace(-8, 8, 4002, dtype=torch.float64).reshape(2, 1, 2001)
    nu = torch.tensor(nu, dtype=torch.float64)
    found = []
    for limit in (10**9, 1):
        monkeypatch.setattr(student_module, "TABLE_FROM", limit)
        x, degrees = points.clone().requires_grad_(), nu.clone().requires_grad_()
        value = function(x, degrees)
        value.backward(torch.where(points > 0, 1.0, 0.3) / (1 + value.detach().abs()))
        found.append((value.detach(), x.grad, degrees.grad))
    (exact, slope, by_nu), (fast, fast_slope, fast_by_nu) = found
    assert torch.allclose(fast, exact, rtol=1e-12, atol=1e-13)
    assert torch.allclose(fast_slope, slope, rtol=1e-11, atol=1e-13)
    assert torch.allclose(fast_by_nu, by_nu, rtol=1e-6)
    if function is student_score:  # against a library, where it has digits
        inner = points.abs().expand(fast.shape).numpy() < 5
        expected = stats.norm.ppf(stats.t.cdf(points.numpy(), nu.numpy()))
        assert np.allclose(fast.numpy()[inner], expected[inner], atol=1e-9)


@pytest.mark.parametrize("function", [student_value, student_score])
@pytest.mark.parametrize("own", [False, True])
def test_tables_under_vmap(function, own, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(3, 400, 2, dtype=torch.float64, generator=generator)
    nu = 2 + 5 * torch.rand(*([3] if own else []), 2, dtype=torch.float64, generator=generator)
    mapped = torch.func.vmap(function, in_dims=(0, 0 if own else None))(points, nu)
    monkeypatch.setattr(student_module, "TABLE_FROM", 10**9)
    assert torch.allclose(mapped, function(points, nu.unsqueeze(1) if own else nu), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("function", [student_value, student_score])
def test_a_value_beyond_all_reach_leaves_the_others_gradients(function):
    x = torch.linspace(-3, 3, 600, dtype=torch.float64).reshape(300, 2)
    x[0, 0] = 1e300
    nu = torch.tensor([2.5, 9.0], dtype=torch.float64, requires_grad=True)
    function(x.requires_grad_(), nu)[1:].sum().backward()
    assert torch.isfinite(nu.grad).all()
    assert torch.isfinite(x.grad).all()


def test_quadrature_rules_are_exact_for_polynomials():
    x, weight = gauss_legendre(6, -1.0, 3.0)
    for k in range(12):
        assert float((weight * x**k).sum()) == pytest.approx((3 ** (k + 1) - (-1) ** (k + 1)) / (k + 1), rel=1e-12)
    x, weight = gauss_hermite(6)
    for k in range(12):
        assert float((weight * x**k).sum()) == pytest.approx(stats.norm.moment(k), abs=1e-9 * 10395)
    t, rest, weight = tanh_sinh()
    assert float((weight * t**-0.5).sum()) == pytest.approx(2, abs=1e-7)
    assert float((weight * torch.log(rest)).sum()) == pytest.approx(-1, abs=1e-12)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_functions_keep_their_digits():
    small = 10.0 ** torch.arange(-18, 1.5, 0.25, dtype=torch.float64)

    def every(x):
        return torch.stack([log_phi(x), log1mexp(x), log_minus_log1mexp(x), softplus(-x), log_softplus(-x)])

    torch.compiler.reset()
    assert torch.allclose(torch.compile(every)(small), every(small), rtol=1e-13, atol=1e-15)
