import pytest
import torch
from torch import distributions as D

from sklar.marginals import Normal


def make(dtype=torch.float64):
    marginal = Normal(3).to(dtype)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in marginal.parameters():
            parameter.copy_(0.5 * torch.randn(3, generator=generator))
    return marginal, D.Normal(marginal.mean, marginal.log_scale.exp())


def test_density_scores_and_quantiles_are_the_normal_distribution_s():
    torch.manual_seed(0)
    marginal, normal = make()
    z = normal.sample((20,))
    assert torch.allclose(marginal.log_prob(z), normal.log_prob(z).sum(-1), atol=1e-12)
    assert torch.allclose(marginal.to_scores(z), D.Normal(0.0, 1.0).icdf(normal.cdf(z)), atol=1e-8)
    w = torch.linspace(-3, 3, 7, dtype=torch.float64)[:, None].expand(-1, 3)
    assert torch.allclose(marginal.from_scores(w), normal.icdf(D.Normal(0.0, 1.0).cdf(w)), atol=1e-9)


def test_scores_and_back_are_exact_far_out():
    marginal, _ = make(torch.float32)
    w = torch.linspace(-30, 30, 61)[:, None].expand(-1, 3)
    assert (marginal.to_scores(marginal.from_scores(w)) - w).abs().max() < 1e-4


def test_fit_is_maximum_likelihood():
    z = 3 + 2 * torch.randn(500, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    marginal = Normal(3).double().fit(z)
    for gradient in torch.autograd.grad(marginal.log_prob(z).mean(), [*marginal.parameters()]):
        assert gradient.abs().max() < 1e-10


def test_samples_have_its_moments():
    marginal, normal = make()
    z = marginal.rsample((40000,), torch.Generator().manual_seed(0))
    assert bool(((z.mean(0) - normal.mean).abs() < 5 * normal.stddev / 200).all())
    assert torch.allclose(z.std(0), normal.stddev, rtol=0.02)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.log_prob(torch.zeros(4, 5)), "3 coordinates"),
        (lambda m: m.fit(torch.full((5, 3), torch.nan)), "NaN"),
        (lambda m: m.fit(torch.zeros(1, 3)), "n >= 2"),
    ],
)
def test_errors_of_a_normal(call, message):
    with pytest.raises(ValueError, match=message):
        call(Normal(3))
