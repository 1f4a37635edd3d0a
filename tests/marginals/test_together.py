import pytest
import torch

from sklar.marginals import MARGINALS
from sklar.marginals.together import Marginals

SIZES = (1, 3, 2)


@pytest.mark.parametrize("name", list(MARGINALS))
@torch.no_grad()
def test_the_same_as_each_marginal_alone(name):
    generator = torch.Generator().manual_seed(0)
    each = [MARGINALS[name](d, 2).double() for d in SIZES]
    for parameter in (p for marginal in each for p in marginal.parameters()):
        parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    together = Marginals(each)
    z = [torch.randn(4, d, dtype=torch.float64, generator=generator) for d in SIZES]
    w = [torch.randn(5, 4, d, dtype=torch.float64, generator=generator) for d in SIZES]
    wanted = torch.tensor([[True, False, True], [False, False, False], [True, True, True], [False, True, False]])
    densities, drawn = together.log_prob(z), together.from_scores(w, wanted)
    for m, (marginal, scores) in enumerate(zip(each, together.to_scores(z), strict=True)):
        assert torch.allclose(densities[:, m], marginal.log_prob(z[m]), atol=1e-12)
        assert torch.allclose(scores, marginal.to_scores(z[m]), atol=1e-12)
        rows = wanted[:, m]
        assert torch.allclose(drawn[m][:, rows], marginal.from_scores(w[m][:, rows]), atol=1e-12)
        assert bool((drawn[m][:, ~rows] == 0).all())


@pytest.mark.parametrize("name", ["independent", "mixture"])
def test_samples_have_the_mixture_s_mean_and_variance(name):
    marginal = MARGINALS[name](2, 3).double()
    z = marginal.rsample((40000,), torch.Generator().manual_seed(0))
    share = marginal.logits.softmax(-1)
    mean = (share * marginal.mean).sum(-1)
    variance = (share * (marginal.mean.square() + (2 * marginal.log_scale).exp())).sum(-1) - mean.square()
    assert bool(((z.mean(0) - mean).abs() < 5 * (variance / 40000).sqrt()).all())
    assert torch.allclose(z.var(0), variance, rtol=0.04)
    assert all(torch.isfinite(g).all() for g in torch.autograd.grad(z.sum(), [*marginal.parameters()]))
