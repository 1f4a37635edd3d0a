import math

import pytest
import torch
from scipy import stats

from sklar.copulas import COPULAS, FactorCopula, GaussianCopula, IndependenceCopula, StudentCopula, VineCopula

SHAPES = [(3, (2,), None), (4, (), None), (4, (), (1, 3))]
ALL = pytest.mark.parametrize("kind", list(COPULAS.values()))


def make(kind, dim, batch, blocks, dtype=torch.float64):
    if kind in (StudentCopula, VineCopula, FactorCopula) and blocks is not None:
        with pytest.raises(ValueError, match="cannot be independent"):
            kind(dim, batch, blocks)
        pytest.skip("it ties all its variables")
    copula = kind(dim, batch, blocks).to(dtype)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in copula.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return copula


@ALL
@pytest.mark.parametrize(("dim", "batch", "blocks"), SHAPES)
def test_zero_where_none_or_one_is_observed(kind, dim, batch, blocks):
    copula = make(kind, dim, batch, blocks)
    scores = 3 * torch.randn(dim + 1, *batch, dim, dtype=torch.float64)
    observed = torch.cat([torch.zeros(1, dim, dtype=torch.bool), torch.eye(dim, dtype=torch.bool)])
    assert torch.equal(copula.log_prob(scores, observed), torch.zeros(dim + 1, *batch, dtype=torch.float64))


@ALL
@pytest.mark.parametrize(("dim", "batch", "blocks"), SHAPES)
def test_no_mask_is_a_mask_of_ones_and_a_shared_mask_the_full_one(kind, dim, batch, blocks):
    copula = make(kind, dim, batch, blocks)
    scores = torch.randn(9, *batch, dim, dtype=torch.float64)
    ones = torch.ones(9, dim, dtype=torch.bool)
    assert torch.allclose(copula.log_prob(scores), copula.log_prob(scores, ones), atol=1e-12)
    mask = torch.rand(9, dim, generator=torch.Generator().manual_seed(1)) < 0.6
    full = mask.reshape(9, *[1] * len(batch), dim).expand_as(scores)
    assert torch.equal(copula.log_prob(scores, mask), copula.log_prob(scores, full))
    noise = torch.randn(5, *scores.shape, dtype=torch.float64)
    assert torch.equal(copula.impute(scores, mask, noise=noise), copula.impute(scores, full, noise=noise))


@ALL
def test_a_mask_of_its_own_for_every_coordinate(kind):
    copula = make(kind, 3, (2,), None)
    scores = torch.randn(6, 2, 3, dtype=torch.float64)
    mask = torch.rand(6, 2, 3, generator=torch.Generator().manual_seed(0)) < 0.6
    found = copula.log_prob(scores, mask)
    for row in range(6):
        for j in range(2):
            alone = copula.log_prob(scores[row : row + 1], mask[row : row + 1, j].unsqueeze(-2))[0, j]
            assert found[row, j].item() == pytest.approx(alone.item(), abs=1e-12)


@ALL
@pytest.mark.parametrize(("dim", "batch", "blocks"), SHAPES)
@torch.no_grad()
def test_samples_are_standard_normal_with_the_copula_s_correlation(kind, dim, batch, blocks):
    copula = make(kind, dim, batch, blocks)
    n = 20000
    w = copula.rsample((n,), torch.Generator().manual_seed(0))
    assert w.shape == (n, *batch, dim)
    eye = torch.eye(dim, dtype=torch.float64)
    expected = eye.expand(*batch, -1, -1) if kind is IndependenceCopula else copula.correlation()
    for x, r in zip(w.reshape(n, -1, dim).unbind(1), expected.reshape(-1, dim, dim), strict=True):
        assert min(stats.kstest(column.numpy(), "norm").pvalue for column in x.T) > 1e-3
        if kind in (VineCopula, FactorCopula):  # their taus are the pairs', tested with them
            continue
        # Of an elliptical copula the sine of pi / 2 times Kendall's tau is the correlation, whatever its tails.
        for i, j in torch.combinations(torch.arange(dim)):
            tau = stats.kendalltau(x[:, i], x[:, j]).statistic
            assert math.sin(math.pi / 2 * tau) == pytest.approx(r[i, j].item(), abs=5 / n**0.5)


@pytest.mark.parametrize(("dim", "batch", "blocks"), SHAPES)
def test_any_parameters_give_a_correlation_matrix(dim, batch, blocks):
    correlation = make(GaussianCopula, dim, batch, blocks).correlation().detach()
    assert torch.allclose(correlation.diagonal(dim1=-2, dim2=-1), torch.ones(()).double())
    assert float(torch.linalg.eigvalsh(correlation).min()) > 0
    begin = 0
    for size in blocks or ():
        inside = correlation[..., begin : begin + size, begin : begin + size]
        assert torch.equal(inside, torch.eye(size, dtype=torch.float64))
        begin += size


def test_a_matrix_that_is_no_correlation():
    with pytest.raises(ValueError, match="not positive definite"):
        GaussianCopula(3).set_correlation(torch.full((3, 3), -0.9) + 1.9 * torch.eye(3))
    with pytest.raises(ValueError, match=r"blocks \(2, 2\) must sum"):
        GaussianCopula(3, (), (2, 2))


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("shared", [(0,), (1,), (0, 1), (-1,), (0, -1), (1, -1)])
def test_a_mask_may_have_any_axis_of_length_one(batch, shared):
    generator = torch.Generator().manual_seed(0)
    copula = GaussianCopula(3, batch, correlation=0.5)
    shape = [5, 4, *batch, 3]
    scores = torch.randn(shape, generator=generator)
    kept = [1 if axis in {a % len(shape) for a in shared} else length for axis, length in enumerate(shape)]
    mask = torch.rand(kept, generator=generator) < 0.5
    full = mask.expand(shape)
    assert torch.equal(copula.log_prob(scores, mask), copula.log_prob(scores, full))
    noise = torch.randn(shape, generator=generator)
    assert torch.allclose(copula.impute(scores, mask, noise=noise), copula.impute(scores, full, noise=noise), atol=1e-6)
