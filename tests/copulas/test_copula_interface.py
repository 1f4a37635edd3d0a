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
    expected = copula.correlation().to(eye)
    if kind is IndependenceCopula:
        assert torch.equal(expected, eye.expand(*batch, -1, -1))
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


@ALL
@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("lead", [(0,), (0, 4), (4, 0)])
def test_no_rows(kind, batch, lead):
    copula = kind(3, batch)
    scores = torch.randn(*lead, *batch, 3)
    shared = torch.tensor([True, False, True]).expand(*[1] * len(lead), 3)
    for mask in (None, shared, torch.zeros(*lead, 3, dtype=torch.bool), torch.zeros(scores.shape, dtype=torch.bool)):
        assert copula.log_prob(scores, mask).shape == (*lead, *batch)
        if mask is not None:
            assert copula.impute(scores, mask).shape == scores.shape
            noise = torch.randn(5, *scores.shape)
            assert copula.impute(scores, mask, noise=noise).shape == noise.shape
    assert copula.rsample(lead).shape == scores.shape


@ALL
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0,), "dim must be at least 1, got 0"),
        ((3, (0,)), r"batch_shape \(0,\) holds no copula"),
        ((3, (2, 0)), r"batch_shape \(2, 0\) holds no copula"),
    ],
)
def test_no_variables_or_no_copulas(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        kind(*arguments)


@pytest.mark.parametrize("kind", [kind for kind in COPULAS.values() if kind is not IndependenceCopula])
@pytest.mark.parametrize("blocks", [(1, 1), (1, 1, 1, 1)])
def test_blocks_must_sum_to_the_variables(kind, blocks):
    with pytest.raises(ValueError, match="must sum to dim=3"):
        kind(3, (), blocks)


@pytest.mark.parametrize(
    "copula",
    [
        lambda: VineCopula(3, families="indep"),
        lambda: VineCopula(3, trees=0),
        lambda: FactorCopula(3, families="indep"),
        lambda: VineCopula(1),
        lambda: FactorCopula(1),
    ],
)
def test_fit_where_there_is_nothing_to_fit(copula):
    copula = copula()
    scores = torch.randn(20, copula.dim, generator=torch.Generator().manual_seed(0))
    assert copula.fit(scores) is copula
    assert torch.allclose(copula.log_prob(scores), torch.zeros(20), atol=1e-6)


@pytest.mark.parametrize("kind", [GaussianCopula, StudentCopula])
@pytest.mark.parametrize("seed", range(5))
def test_fit_to_two_rows_keeps_correlations_off_one(kind, seed):
    scores = torch.randn(2, 3, generator=torch.Generator().manual_seed(seed))
    for rows in (scores, scores[:1] * torch.tensor([[1.0], [-1.0]])):  # and rows that lie on a line
        copula = kind(3).fit(rows)
        off = copula.correlation()[~torch.eye(3, dtype=torch.bool)]
        assert off.abs().max() < 1 - 1e-6
        assert torch.isfinite(copula.log_prob(scores)).all()


@pytest.mark.parametrize("absurd", [1e30, float("inf"), -float("inf"), float("nan")])
@ALL
def test_an_absurd_row_leaves_values_and_gradients_of_others_alone(kind, absurd):
    copula = make(kind, 3, (2,), None)
    generator = torch.Generator().manual_seed(0)
    scores, noise = torch.randn(2, 6, 2, 3, generator=generator, dtype=torch.float64)
    mask = torch.tensor([[1, 1, 1], [1, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 0, 1]]).bool()
    spoiled = scores.clone()
    spoiled[1, 0, 0] = absurd
    good = [0, 2, 3, 4, 5]
    found = []
    for w in (scores, spoiled.requires_grad_()):
        value, drawn = copula.log_prob(w, mask), copula.impute(w, mask, noise=noise)
        found.append((value[good], drawn[good]))
    assert all(torch.allclose(a, b, atol=1e-9) for a, b in zip(*found, strict=True))
    assert bool(value[1, 0].isnan()) == (math.isnan(absurd) and kind is not IndependenceCopula)
    total = value[good].sum() + drawn[good].sum()
    parameters = [p for p in copula.parameters() if p.numel()]
    slopes = torch.autograd.grad(total, [spoiled, *parameters], allow_unused=True)
    assert all(torch.isfinite(slope).all() for slope in slopes if slope is not None)
