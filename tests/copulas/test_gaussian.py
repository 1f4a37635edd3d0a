import pytest
import torch
from torch.distributions import MultivariateNormal

from sklar.copulas import COPULAS, GaussianCopula
from sklar.copulas.patterns import all_patterns, random_subpattern

SHAPES = [(3, (2,), None), (5, (), None), (5, (), (2, 3))]


def random_copula(dim, batch, blocks, seed=0):
    copula = GaussianCopula(dim, batch, blocks).double()
    with torch.no_grad():
        copula.lower.copy_(0.8 * torch.randn(copula.lower.shape, generator=torch.Generator().manual_seed(seed)))
    return copula


def rows(dim, batch, seed=1):
    patterns = all_patterns(dim)
    scores = torch.randn(len(patterns), *batch, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return scores, patterns


def each(copula, scores):
    """Pairs of a correlation matrix and the scores that belong to it."""
    matrix = copula.correlation().reshape(-1, copula.dim, copula.dim)
    return zip(matrix, scores.reshape(len(scores), -1, copula.dim).unbind(1), strict=True)


@pytest.mark.parametrize(("dim", "batch", "blocks"), SHAPES)
def test_log_prob_of_every_pattern_is_a_ratio_of_normal_densities(dim, batch, blocks):
    copula = random_copula(dim, batch, blocks)
    scores, observed = rows(dim, batch)
    found = copula.log_prob(scores, observed).reshape(len(scores), -1)
    for k, (matrix, w) in enumerate(each(copula, scores)):
        for row, mask in enumerate(observed):
            x, r = w[row, mask], matrix[mask][:, mask]
            expected = MultivariateNormal(torch.zeros(len(x)).double(), r).log_prob(x)
            expected = expected - torch.distributions.Normal(0.0, 1.0).log_prob(x).sum()
            assert found[row, k].item() == pytest.approx(expected.item(), abs=1e-10)
            if mask.sum() == 1:
                assert found[row, k].item() == 0.0


@pytest.mark.parametrize(("dim", "batch", "blocks"), SHAPES)
@torch.no_grad()
def test_imputed_draws_have_the_closed_form_conditional(dim, batch, blocks):
    copula = random_copula(dim, batch, blocks)
    scores, observed = rows(dim, batch)
    draws = 40000
    noise = torch.randn(draws, *scores.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    result = copula.impute(scores, observed, noise=noise)
    shown = observed.reshape(len(observed), *[1] * len(batch), dim).expand(scores.shape)
    assert torch.equal(result[:, shown], scores[shown].expand(draws, -1))
    flat = result.reshape(draws, len(scores), -1, dim)
    for k, (matrix, w) in enumerate(each(copula, scores)):
        for row, mask in enumerate(observed[:-1]):
            gain = matrix[~mask][:, mask] @ torch.linalg.inv(matrix[mask][:, mask])
            mean = gain @ w[row, mask]
            covariance = matrix[~mask][:, ~mask] - gain @ matrix[mask][:, ~mask]
            sample = flat[:, row, k][:, ~mask]
            error = covariance.diagonal().sqrt() / draws**0.5
            assert bool(((sample.mean(0) - mean).abs() < 5 * error).all())
            assert torch.allclose(sample.T.cov().reshape(covariance.shape), covariance, atol=0.04)


@pytest.mark.parametrize("name", list(COPULAS))
@pytest.mark.parametrize("poison", [torch.nan, torch.inf, 1e30])
def test_what_stands_in_a_missing_score_never_matters(name, poison):
    copula = COPULAS[name](3, (2,)).double()
    if hasattr(copula, "set_correlation"):
        copula.set_correlation(torch.full((3, 3), 0.4) + 0.6 * torch.eye(3))
    scores, observed = rows(3, (2,))
    noise = torch.randn(scores.shape, dtype=torch.float64)
    results = []
    for value in (0.0, poison):
        w = torch.where(observed[:, None], scores, value).requires_grad_()
        total = copula.log_prob(w, observed).sum() + copula.impute(w, observed, noise=noise).sum()
        grads = torch.autograd.grad(total, [w, *copula.parameters()], allow_unused=True)
        results.append([total.detach(), *(g for g in grads if g is not None)])
    for plain, poisoned in zip(*results, strict=True):
        assert torch.equal(plain, poisoned)


@pytest.mark.parametrize(("dim", "batch", "blocks"), SHAPES)
def test_gradients(dim, batch, blocks):
    copula = random_copula(dim, batch, blocks)
    scores, observed = rows(dim, batch)
    noise = torch.randn(scores.shape, dtype=torch.float64)

    def function(w, lower):
        inner = {"c.lower": lower}
        wrap = torch.nn.ModuleDict({"c": copula})
        wrap.forward = lambda x: (copula.log_prob(x, observed), copula.impute(x, observed, noise=noise))
        return torch.func.functional_call(wrap, inner, (w,))

    assert torch.autograd.gradcheck(function, (scores.requires_grad_(), copula.lower.detach().requires_grad_()))


@pytest.mark.parametrize(("dim", "batch", "blocks"), SHAPES)
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_fit_recovers_the_correlation(dim, batch, blocks, missing):
    truth = random_copula(dim, batch, blocks)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        noise = torch.randn(20000, *batch, dim, dtype=torch.float64, generator=generator)
        scores = truth.impute(torch.zeros_like(noise), torch.zeros(noise.shape, dtype=torch.bool), noise=noise)
    observed = random_subpattern(torch.ones(20000, dim, dtype=torch.bool), missing, generator)
    fitted = GaussianCopula(dim, batch, blocks).double().fit(scores, observed)
    assert (fitted.correlation() - truth.correlation()).abs().max() < (0.03 if missing == 0 else 0.06)
    again = GaussianCopula(dim, batch, blocks).double()
    again.set_correlation(truth.correlation())
    assert torch.allclose(again.correlation(), truth.correlation(), atol=1e-12)


def test_float32_is_finite_for_scores_up_to_eight():
    copula = GaussianCopula(3, (4,))
    copula.set_correlation(torch.full((3, 3), 0.99) + 0.01 * torch.eye(3))
    w = (torch.randint(-8, 9, (200, 4, 3), generator=torch.Generator().manual_seed(0))).float().requires_grad_()
    observed = all_patterns(3)[torch.arange(200) % 7]
    value = copula.log_prob(w, observed)
    value.sum().backward()
    assert torch.isfinite(value).all()
    assert torch.isfinite(w.grad).all()
    assert torch.isfinite(copula.lower.grad).all()


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda c: c.log_prob(torch.zeros(4, 3)), ValueError, "must end in"),
        (lambda c: c.log_prob(torch.zeros(4, 2, 3), torch.ones(4, 2, dtype=torch.bool)), ValueError, "must end in"),
        (lambda c: c.log_prob(torch.zeros(4, 2, 3), torch.ones(4, 3)), TypeError, "bool"),
        (lambda c: c.log_prob(torch.zeros(5, 4, 2, 3), torch.ones(4, 3, dtype=torch.bool)), ValueError, "must end in"),
    ],
)
@pytest.mark.parametrize("kind", list(COPULAS.values()))
def test_errors(kind, call, error, message):
    with pytest.raises(error, match=message):
        call(kind(3, (2,)))


def test_a_mask_is_read_by_its_axes_when_rows_are_as_many_as_copulas():
    copula = random_copula(3, (2,), None)
    scores, mask = torch.randn(2, 2, 3, dtype=torch.float64), torch.tensor([[True, True, False], [True, True, True]])
    expected = torch.stack([copula.log_prob(scores[i : i + 1], mask[i : i + 1])[0] for i in range(2)])
    assert torch.allclose(copula.log_prob(scores, mask), expected)


def test_random_subpatterns_stay_within_and_are_never_empty():
    observed = all_patterns(4).repeat(200, 1)
    kept = random_subpattern(observed, 0.9, torch.Generator().manual_seed(0))
    assert bool((kept <= observed).all())
    assert bool(kept.any(-1).all())
    lone = random_subpattern(torch.ones(4000, 4, dtype=torch.bool), 0.999, torch.Generator().manual_seed(0))
    assert (lone.double().mean(0) - 0.25).abs().max() < 0.03


def test_fit_does_not_invent_dependence_from_few_incomplete_rows():
    generator = torch.Generator().manual_seed(0)
    scores = torch.randn(60, 30, generator=generator)
    observed = (torch.rand(60, 3, generator=generator) < 0.5).repeat_interleave(10, dim=1)
    copula = GaussianCopula(30, blocks=(10, 10, 10)).fit(scores, observed)
    unseen = torch.randn(2000, 30, generator=generator)
    # Independent scores have a log copula density of zero: whatever is fitted can only lose.
    assert copula.log_prob(unseen).mean() > -0.2


@pytest.mark.parametrize("rows", [2, 20])
def test_fit_survives_few_strongly_dependent_incomplete_rows(rows):
    generator = torch.Generator().manual_seed(1)
    scores = torch.randn(rows, 2, generator=generator) @ torch.randn(2, 48, generator=generator)
    observed = (torch.rand(rows, 3, generator=generator) < 0.6).repeat_interleave(16, dim=1)
    copula = GaussianCopula(48, blocks=(16, 16, 16)).fit(scores, observed)
    assert torch.linalg.eigvalsh(copula.correlation()).min() > 0
