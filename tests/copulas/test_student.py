import numpy as np
import pytest
import torch
from scipy import stats

from sklar.copulas import GaussianCopula, StudentCopula, pair_copula
from sklar.copulas.patterns import all_patterns, random_subpattern
from sklar.joint import Joint
from sklar.numerics import student as student_module

SHAPES = [(4, ()), (4, (2,))]


def random_copula(dim, batch, seed=0, degrees=None):
    generator = torch.Generator().manual_seed(seed)
    copula = StudentCopula(dim, batch, degrees=degrees or 5.0).double()
    with torch.no_grad():
        copula.lower.copy_(0.8 * torch.randn(copula.lower.shape, generator=generator))
        if degrees is None:
            copula.raw_degrees.copy_(torch.randn(batch, generator=generator) - 2)
    return copula


def rows(dim, batch, seed=1):
    patterns = all_patterns(dim)
    generator = torch.Generator().manual_seed(seed)
    return 1.5 * torch.randn(len(patterns), *batch, dim, dtype=torch.float64, generator=generator), patterns


def each(copula, scores):
    """A correlation matrix, its degrees of freedom and the t variables that belong to them, as numpy arrays."""
    matrix = copula.correlation().detach().reshape(-1, copula.dim, copula.dim).numpy()
    columns = scores.detach().reshape(-1, len(matrix), copula.dim).unbind(1)
    for r, nu, w in zip(matrix, copula.degrees().detach().reshape(-1).tolist(), columns, strict=True):
        yield r, nu, stats.t.ppf(stats.norm.cdf(w.numpy()), nu)


@pytest.mark.parametrize(("dim", "batch"), SHAPES)
def test_log_prob_of_every_pattern_is_a_ratio_of_t_densities(dim, batch):
    copula = random_copula(dim, batch)
    scores, observed = rows(dim, batch)
    found = copula.log_prob(scores, observed).reshape(len(scores), -1)
    for k, (r, nu, x) in enumerate(each(copula, scores)):
        for row, mask in enumerate(observed.numpy()):
            joint = stats.multivariate_t.logpdf(x[row, mask], shape=r[mask][:, mask], df=nu)
            expected = joint - stats.t.logpdf(x[row, mask], nu).sum()
            assert found[row, k].item() == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(("dim", "batch"), SHAPES)
@torch.no_grad()
def test_draws_are_uniform_in_their_closed_form_conditional(dim, batch):
    copula = random_copula(dim, batch)
    scores, observed = rows(dim, batch)
    draws = 4000
    noise = torch.randn(draws, *scores.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    result = copula.impute(scores, observed, noise=noise)
    shown = observed.reshape(len(observed), *[1] * len(batch), dim).expand(scores.shape)
    assert torch.equal(result[:, shown], scores[shown].expand(draws, -1))
    levels = []
    for r, nu, x in each(copula, result):
        x = x.reshape(draws, len(scores), dim)
        for row, mask in enumerate(observed.numpy()):
            # Every missing variable given the observed and the missing ones before it: Ding 2016, in one formula.
            given = list(np.flatnonzero(mask))
            for j in np.flatnonzero(~mask):
                gain = np.linalg.solve(r[np.ix_(given, given)], r[given, j])
                y = x[:, row, given]
                square = (y * np.linalg.solve(r[np.ix_(given, given)], y.T).T).sum(-1)
                width = np.sqrt((nu + square) / (nu + len(given)) * (1 - r[j, given] @ gain))
                level = stats.t.cdf((x[:, row, j] - y @ gain) / width, nu + len(given))
                levels.append(level)
                given.append(j)
    p = [stats.kstest(level, "uniform").pvalue for level in levels]
    assert min(p) > 0.01 / len(p)
    assert stats.kstest(p, "uniform").pvalue > 1e-3


@pytest.mark.parametrize("batch", [(), (2,)])
def test_gradients(batch):
    copula = random_copula(3, batch)
    scores, observed = (value[1::3] for value in rows(3, batch))  # one observed, two observed
    noise = torch.randn(2, *scores.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))

    def function(w, lower, raw):
        parameters = {"c.lower": lower, "c.raw_degrees": raw}
        wrap = torch.nn.ModuleDict({"c": copula})
        wrap.forward = lambda x: (copula.log_prob(x, observed), copula.impute(x, observed, noise=noise))
        return torch.func.functional_call(wrap, parameters, (w,))

    inputs = (scores, copula.lower.detach(), copula.raw_degrees.detach())
    assert torch.autograd.gradcheck(function, tuple(value.clone().requires_grad_() for value in inputs))


def test_many_rows_are_looked_up_in_tables_and_few_are_not(monkeypatch):
    copula = random_copula(3, (2,))
    scores, observed = (value.repeat(60, *[1] * (value.ndim - 1)) for value in rows(3, (2,)))
    noise = torch.randn(scores.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    found = []
    for limit in (student_module.TABLE_FROM, 10**9):
        monkeypatch.setattr(student_module, "TABLE_FROM", limit)
        w = scores.clone().requires_grad_()
        results = copula.log_prob(w, observed), copula.impute(w, observed, noise=noise)
        grads = torch.autograd.grad(sum(r.sum() for r in results), [w, *copula.parameters()])
        found.append([*results, *grads])
    for fast, exact in zip(*found, strict=True):
        assert torch.allclose(fast, exact, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("batch", [(), (2,)])
@pytest.mark.parametrize("shared", [(), (0,), (1,), (0, 1), (-1,), (0, -1), (1, -1)])
def test_mixed_masks_of_any_shape_agree_with_row_by_row(batch, shared):
    copula = random_copula(3, batch)
    generator = torch.Generator().manual_seed(0)
    shape = [4, 2, *batch, 3]
    scores = torch.randn(shape, dtype=torch.float64, generator=generator)
    noise = torch.randn(6, *shape, dtype=torch.float64, generator=generator)
    kept = [1 if axis in {a % len(shape) for a in shared} else length for axis, length in enumerate(shape)]
    mask = torch.rand(kept, generator=generator) < 0.6
    density, completed = copula.log_prob(scores, mask), copula.impute(scores, mask, noise=noise)
    full = mask.expand(shape)
    for i in range(4):
        for j in range(2):
            w, o = scores[i, j], full[i, j]
            assert torch.allclose(copula.log_prob(w, o), density[i, j], atol=1e-10)
            assert torch.allclose(copula.impute(w, o, noise=noise[:, i, j]), completed[:, i, j], atol=1e-10)
    few = noise[:, :1, :1]  # the same draws for every row
    assert torch.allclose(
        copula.impute(scores, mask, noise=few), copula.impute(scores, full, noise=few.expand_as(noise))
    )


@pytest.mark.parametrize("absurd", [1e6, -40.0, 1e38])
def test_one_absurd_row_leaves_the_others_and_the_parameters(absurd):
    copula = random_copula(3, (2,))
    scores, observed = rows(3, (2,))
    noise = torch.randn(scores.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    plain = copula.log_prob(scores, observed), copula.impute(scores, observed, noise=noise)
    scores[-2:] = absurd
    w = scores.requires_grad_()
    found = copula.log_prob(w, observed), copula.impute(w, observed, noise=noise)
    for one, other in zip(plain, found, strict=True):
        assert torch.allclose(one[:-2], other[:-2], atol=1e-10)
        assert torch.isfinite(other).all()
    grads = torch.autograd.grad(sum(value.sum() for value in found), [w, *copula.parameters()])
    assert all(torch.isfinite(grad).all() for grad in grads)


@pytest.mark.parametrize("degrees", [2.001, 8.0, 50.0])
@pytest.mark.parametrize("count", [50, 500])
def test_float32_is_finite_for_scores_up_to_eight(degrees, count):
    copula = StudentCopula(3, (4,), correlation=0.99, degrees=degrees)
    generator = torch.Generator().manual_seed(0)
    w = torch.randint(-8, 9, (count, 4, 3), generator=generator).float().requires_grad_()
    observed = all_patterns(3)[torch.arange(count) % 7]
    noise = torch.randint(-8, 9, (count, 4, 3), generator=generator).float()
    values = copula.log_prob(w, observed), copula.impute(w, observed, noise=noise)
    sum(value.sum() for value in values).backward()
    for tensor in (*values, w.grad, copula.lower.grad, copula.raw_degrees.grad):
        assert torch.isfinite(tensor).all()
    assert {value.dtype for value in values} == {torch.float32}


@pytest.mark.parametrize(("dim", "batch"), [(4, ()), (3, (2,)), (30, ())])
@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_fit_recovers_the_truth_and_beats_the_gaussian_fit(dim, batch, missing):
    truth = random_copula(dim, batch, degrees=4.0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        truth.lower *= min(1.0, 10 / dim)
        scores, unseen = truth.rsample((4000,), generator), truth.rsample((4000,), generator)
    groups = random_subpattern(torch.ones(4000, 3, dtype=torch.bool), missing, generator)
    observed = groups.repeat_interleave(-(-dim // 3), dim=1)[:, :dim]
    poisoned = torch.where(observed.reshape(4000, *[1] * len(batch), dim), scores, torch.nan)
    fitted = StudentCopula(dim, batch).double()
    assert fitted.fit(poisoned, observed) is fitted
    assert (fitted.correlation() - truth.correlation()).abs().max() < (0.07 if missing == 0 else 0.1)
    assert (fitted.degrees() - 4).abs().max() < 0.8
    rival = GaussianCopula(dim, batch).double().fit(scores, observed)
    for w, mask in ((scores, observed), (unseen, None)):
        mine, its, best = (c.log_prob(w, mask).mean(0) for c in (fitted, rival, truth))
        assert bool((mine > its + 0.02).all())
        assert bool((mine > best - 0.2 * (best - its)).all())


@pytest.mark.parametrize(("dim", "batch"), [(5, ()), (3, (4,))])
def test_fit_to_normal_scores_goes_to_the_upper_bound(dim, batch):
    generator = torch.Generator().manual_seed(0)
    truth = GaussianCopula(dim, batch, correlation=0.6).double()
    fitted = StudentCopula(dim, batch).double().fit(truth.rsample((8000,), generator).detach())
    assert bool((fitted.degrees() > 35).all())
    assert (fitted.correlation() - 0.6 - 0.4 * torch.eye(dim)).abs().max() < 0.03


@pytest.mark.parametrize("n", [2, 20])
def test_fit_survives_few_strongly_dependent_incomplete_rows(n):
    generator = torch.Generator().manual_seed(1)
    scores = torch.randn(n, 2, generator=generator) @ torch.randn(2, 48, generator=generator)
    observed = (torch.rand(n, 3, generator=generator) < 0.6).repeat_interleave(16, dim=1)
    copula = StudentCopula(48).fit(scores, observed)
    assert torch.linalg.eigvalsh(copula.correlation()).min() > 0
    assert 2 < copula.degrees() < 50


@torch.no_grad()
def test_two_variables_are_the_pair_copula():
    copula = StudentCopula(2, correlation=-0.4, degrees=3.7).double()
    w = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    pair = pair_copula("student", (-0.4, 3.7))
    assert torch.allclose(copula.log_prob(w), pair.log_prob(w[:, 0], w[:, 1]), atol=1e-6)
    drawn = copula.impute(w, torch.tensor([True, False]), noise=w)
    assert torch.allclose(drawn[:, 1], pair.hinv1(w[:, 0], w[:, 1]), atol=1e-6)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: StudentCopula(4, blocks=(1, 3)), r"blocks \(1, 3\).*marginal=\"independent\".*coupling=\"paired\""),
        (lambda: StudentCopula(3, degrees=2.0), r"degrees must be in \(2, 50\], got 2"),
        (lambda: StudentCopula(3, degrees=51.0), "degrees must be in"),
        (lambda: StudentCopula(3, correlation=-0.9), "not positive definite"),
        (lambda: StudentCopula(3).fit(torch.zeros(1, 3)), r"fitting needs \(n, \(3,\)\) scores, got \(1, 3\)"),
        (lambda: Joint({"a": 2, "b": 2}, "mixture", "student", "full"), "uncorrelated t variables are dependent"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("coupling", ["full", "paired"])
def test_in_a_joint(coupling):
    generator = torch.Generator().manual_seed(0)
    scale = (4 / torch.distributions.Chi2(4.0).sample((3000, 1))).sqrt()
    root = torch.randn(3000, 2, generator=generator)
    z = {name: scale * (root + torch.randn(3000, 2, generator=generator)) for name in ("a", "b", "c")}
    observed = random_subpattern(torch.ones(3000, 3, dtype=torch.bool), 0.3, generator)
    score = {}
    for copula in ("student", "gaussian"):
        joint = Joint.fit(z, observed, copula=copula, coupling=coupling)
        score[copula] = joint.log_prob(z).mean()
        drawn = joint.impute(z, observed, num_samples=3, generator=generator)
        assert all(torch.isfinite(value).all() for value in drawn.values())
    assert score["student"] > score["gaussian"] + 0.1
