import pytest
import torch
from scipy import stats
from torch import distributions as D

from sklar.marginals import GaussianMixture, IndependentMixtures
from sklar.marginals.univariate import mixture_log_prob, mixture_quantile
from sklar.numerics import log_normal

BOTH = pytest.mark.parametrize("kind", [GaussianMixture, IndependentMixtures])


def make(kind, dtype=torch.float64, separation=2.0, dim=3, components=3, seed=0):
    marginal = kind(dim, components).to(dtype)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        marginal.mean.mul_(separation)
        marginal.log_scale.copy_(0.4 * torch.randn(dim, components, generator=generator))
        marginal.logits.copy_(torch.randn(marginal.logits.shape, generator=generator))
    return marginal


def conditional(marginal, z):
    """Log weights of the one-dimensional conditionals, by the plain product formula, coordinate by coordinate."""
    if isinstance(marginal, IndependentMixtures):
        return torch.log_softmax(marginal.logits, -1).expand(*z.shape, -1)
    rows = []
    for j in range(z.shape[-1]):
        weight = torch.log_softmax(marginal.logits[0], -1).expand(*z.shape[:-1], -1)
        for i in range(j):
            weight = weight + D.Normal(marginal.mean[i], marginal.log_scale[i].exp()).log_prob(z[..., i, None])
        rows.append(torch.log_softmax(weight, -1))
    return torch.stack(rows, -2)


@BOTH
def test_log_prob_is_that_of_torch_distributions(kind):
    marginal = make(kind)
    z = torch.randn(50, 3, dtype=torch.float64) * 3
    if kind is GaussianMixture:
        components = D.Independent(D.Normal(marginal.mean.T, marginal.log_scale.T.exp()), 1)
        expected = D.MixtureSameFamily(D.Categorical(logits=marginal.logits[0]), components).log_prob(z)
    else:
        components = D.Normal(marginal.mean, marginal.log_scale.exp())
        expected = D.MixtureSameFamily(D.Categorical(logits=marginal.logits), components).log_prob(z).sum(-1)
    assert torch.allclose(marginal.log_prob(z), expected)


@BOTH
def test_scores_are_the_quantiles_of_the_conditional_distribution_function(kind):
    marginal = make(kind)
    z = torch.randn(50, 3, dtype=torch.float64) * 2
    t = (z.unsqueeze(-1) - marginal.mean) / marginal.log_scale.exp()
    u = (conditional(marginal, z).exp() * D.Normal(0.0, 1.0).cdf(t)).sum(-1)
    assert torch.allclose(marginal.to_scores(z), D.Normal(0.0, 1.0).icdf(u), atol=1e-9)


@BOTH
def test_scores_of_samples_are_independent_standard_normals(kind):
    marginal = make(kind, separation=4.0)
    generator = torch.Generator().manual_seed(3)
    n = 20000
    if kind is GaussianMixture:
        component = torch.multinomial(marginal.logits[0].softmax(-1), n, True, generator=generator)
        component = component[:, None].expand(n, 3)
    else:
        draws = [torch.multinomial(p, n, True, generator=generator) for p in marginal.logits.softmax(-1)]
        component = torch.stack(draws, 1)
    column = torch.arange(3)
    noise = torch.randn(n, 3, dtype=torch.float64, generator=generator)
    z = marginal.mean[column, component] + marginal.log_scale[column, component].exp() * noise
    w = marginal.to_scores(z.detach()).detach()
    for j in range(3):
        assert stats.kstest(w[:, j].numpy(), "norm").pvalue > 0.01
    assert (torch.corrcoef(w.T) - torch.eye(3)).abs().max() < 4 / n**0.5
    assert (torch.corrcoef(w.T.square()) - torch.eye(3)).abs().max() < 5 / n**0.5


@BOTH
@pytest.mark.parametrize("separation", [1.0, 5.0, 12.0])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
@torch.no_grad()
def test_round_trips(kind, separation, dtype, tolerance):
    marginal = make(kind, dtype, separation)
    generator = torch.Generator().manual_seed(1)
    w = torch.randn(500, 3, dtype=dtype, generator=generator)
    w = torch.cat([w, torch.linspace(-6, 6, 25, dtype=dtype)[:, None].expand(-1, 3)])
    z = marginal.from_scores(w)
    assert (marginal.to_scores(z) - w).abs().max() <= tolerance
    edges = [marginal.mean.T + k * marginal.log_scale.T.exp() for k in (-6, 6)]
    between = marginal.mean.mean(1).expand(1, -1)
    z = torch.cat([z, *edges, between, separation * torch.randn(200, 3, dtype=dtype, generator=generator)])
    scores, weights = marginal.to_scores(z), conditional(marginal, z)
    back = mixture_quantile(scores, weights, marginal.mean, marginal.log_scale)
    log_density = mixture_log_prob(z, weights, marginal.mean, marginal.log_scale)
    cost = 100 * torch.finfo(dtype).eps * (1 + scores.abs()) * torch.exp(log_normal(scores) - log_density)
    assert bool(((back - z).abs() <= tolerance + cost).all())


@BOTH
@pytest.mark.parametrize("method", ["log_prob", "to_scores", "from_scores"])
def test_gradients(kind, method):
    marginal = make(kind, dim=2, components=2)
    names = [name for name, _ in marginal.named_parameters()]
    values = [p.detach().clone().requires_grad_() for p in marginal.parameters()]
    x = torch.randn(6, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(2)).requires_grad_()

    def function(x, *values):
        class Call(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.inner = marginal

            def forward(self, x):
                return getattr(self.inner, method)(x)

        parameters = {f"inner.{name}": value for name, value in zip(names, values, strict=True)}
        return torch.func.functional_call(Call(), parameters, (x,))

    assert torch.autograd.gradcheck(function, (x, *values))


@BOTH
def test_float32_is_finite_for_scores_up_to_eight(kind):
    marginal = make(kind, torch.float32, 6.0)
    w = torch.linspace(-8, 8, 65)[:, None].expand(-1, 3).clone().requires_grad_()
    z = marginal.from_scores(w)
    (z.sum() + marginal.to_scores(z.detach()).sum() + marginal.log_prob(z.detach()).sum()).backward()
    assert torch.isfinite(z).all()
    assert all(torch.isfinite(p.grad).all() for p in [w, *marginal.parameters()])


@BOTH
def test_fit_recovers_separated_components(kind):
    generator = torch.Generator().manual_seed(0)
    first = torch.randn(600, 2, generator=generator, dtype=torch.float64) - 4
    second = 0.5 * torch.randn(400, 2, generator=generator, dtype=torch.float64) + 4
    marginal = kind(2, 2).double().fit(torch.cat([first, second]), generator)
    order = marginal.mean[0].argsort()
    assert torch.allclose(marginal.logits.softmax(-1)[..., order], torch.tensor([0.6, 0.4]).double(), atol=1e-6)
    expected = torch.stack([first.mean(0), second.mean(0)], -1)
    assert torch.allclose(marginal.mean[:, order], expected, atol=1e-6)


@BOTH
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.log_prob(torch.zeros(4, 5)), "3 coordinates"),
        (lambda m: m.fit(torch.full((5, 3), torch.nan)), "NaN"),
        (lambda m: m.fit(torch.zeros(1, 3)), "n >= 2"),
    ],
)
def test_errors(kind, call, message):
    with pytest.raises(ValueError, match=message):
        call(kind(3))
