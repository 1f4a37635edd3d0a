import mpmath
import numpy as np
import pytest
import torch
from scipy import special

from sklar.marginals.univariate import mixture_log_prob, mixture_quantile, mixture_score

WEIGHTS, MEAN, SCALE = np.array([0.2, 0.5, 0.3]), np.array([-3.0, 0.0, 4.0]), np.array([0.5, 2.0, 1.0])
PARAMETERS = tuple(torch.from_numpy(x) for x in (np.log(WEIGHTS), MEAN, np.log(SCALE)))


def reference_score(z: float) -> float:
    """Normal quantile of the smaller tail, in fifty digits."""
    with mpmath.workdps(50):
        below = mpmath.fsum(p * mpmath.ncdf((z - m) / s) for p, m, s in zip(WEIGHTS, MEAN, SCALE, strict=True))
        above = mpmath.fsum(p * mpmath.ncdf((m - z) / s) for p, m, s in zip(WEIGHTS, MEAN, SCALE, strict=True))
        w = special.ndtri_exp(float(mpmath.log(min(below, above))))
        return w if below < above else -w


@pytest.mark.parametrize("z", [-60.0, -20.0, -6.0, -1.0, 0.0, 0.7, 3.0, 9.0, 20.0, 70.0])
def test_score_agrees_with_many_digits_far_into_both_tails(z):
    found = mixture_score(torch.tensor(z, dtype=torch.float64), *PARAMETERS).item()
    assert found == pytest.approx(reference_score(z), rel=1e-11, abs=1e-12)


def test_tails_agree_with_the_log_formula_of_scipy():
    z = np.concatenate([np.linspace(-300, -8, 300), np.linspace(10, 300, 300)])
    side = np.where(z < 0, 1.0, -1.0)
    t = side[:, None] * (z[:, None] - MEAN) / SCALE
    expected = side * special.ndtri_exp(special.logsumexp(np.log(WEIGHTS) + special.log_ndtr(t), axis=1))
    found = mixture_score(torch.from_numpy(z), *PARAMETERS)
    assert np.allclose(found.numpy(), expected, rtol=1e-12, atol=0)


def test_slope_of_the_score_is_a_ratio_of_densities():
    z = torch.linspace(-40, 40, 161, dtype=torch.float64, requires_grad=True)
    w = mixture_score(z, *PARAMETERS)
    (slope,) = torch.autograd.grad(w.sum(), z)
    normal = torch.distributions.Normal(0.0, 1.0).log_prob(w)
    assert torch.allclose(slope.log(), mixture_log_prob(z, *PARAMETERS) - normal, atol=1e-9)


def test_quantile_is_increasing_and_finite_where_components_are_far_apart():
    far = (torch.log(torch.tensor([0.5, 0.5])), torch.tensor([-100.0, 100.0]), torch.log(torch.tensor([1e-2, 1e-2])))
    w = torch.linspace(-8, 8, 401, requires_grad=True)
    z = mixture_quantile(w, *far)
    (slope,) = torch.autograd.grad(z.sum(), w)
    assert bool((z.diff() >= 0).all())
    assert bool(torch.isfinite(z).all())
    assert bool(torch.isfinite(slope).all())
    assert bool((slope >= 0).all())
