import math

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from sklar.copulas import FactorCopula, pair_copula

TAUS = (0.05, 0.5, 0.9)
FAMILIES = ["gaussian", "frank", "clayton", ("gumbel", 180), ("joe", 0), ["gaussian", "clayton", ("clayton", 180)]]
MASKS = ((torch.arange(16).unsqueeze(-1) >> torch.arange(4)) & 1).bool()


def factor(families, taus, batch=()):
    """One pair copula a variable at its Kendall's tau, in float64."""
    copula = FactorCopula(len(taus), batch, families=families).double()
    with torch.no_grad():
        for m, tau in enumerate(taus):
            pair = copula.pair(m)
            for part in pair.parts() if hasattr(pair, "parts") else [pair]:
                part.set_tau(tau)
            copula.set_pair(m, pair)
    return copula


@torch.no_grad()
def on_a_grid(copula, w, count=40001, reach=20.0):
    """Logs of the observed densities and the root's normal density on an even grid: ``(grid,)`` and ``(grid, M)``."""
    v = torch.linspace(-reach, reach, count, dtype=torch.float64)
    each = torch.stack([copula.pair(m).log_prob(w[m].expand_as(v), v) for m in range(copula.dim)], -1)
    return v, each, -0.5 * v.square() - 0.5 * math.log(2 * math.pi)


@pytest.mark.parametrize("families", FAMILIES, ids=str)
@pytest.mark.parametrize("tau", TAUS)
@torch.no_grad()
def test_every_pattern_is_the_integral_over_the_root(families, tau):
    copula = factor(families, [tau, tau, 0.8 * tau, 0.5 * tau])
    rows = torch.tensor(
        [[0.3, -0.5, 1.2, 0.1], [5, 5, 5, 5], [5, -5, 5, -5], [-5, -5, -5, -5], [-5, 4, 0, 0]], dtype=torch.float64
    )
    for w in rows:
        v, each, root = on_a_grid(copula, w)
        found = copula.log_prob(w.expand(16, 4), MASKS)
        for mask, value in zip(MASKS, found, strict=True):
            if mask.sum() < 2:
                assert value == 0
                continue
            expected = torch.logsumexp(each[:, mask].sum(-1) + root, 0) + torch.log(v[1] - v[0])
            assert value.item() == pytest.approx(expected.item(), abs=1e-6)


@torch.no_grad()
def test_adaptive_quadrature_agrees():
    copula = factor("frank", [0.3, 0.5, 0.7])
    w = torch.tensor([1.0, -0.4, 0.8], dtype=torch.float64)

    def density(v):
        each = [copula.pair(m).log_prob(w[m], torch.tensor(v, dtype=torch.float64)) for m in range(3)]
        return math.exp(sum(each)) * stats.norm.pdf(v)

    expected = integrate.quad(density, -9, 9, epsabs=1e-12, epsrel=1e-12)[0]
    assert copula.log_prob(w).item() == pytest.approx(math.log(expected), abs=1e-9)


@torch.no_grad()
def test_normal_pairs_make_the_normal_one_factor_model():
    copula = factor("gaussian", [0.2, 0.4, 0.6, 0.8])
    loadings = np.sin(np.pi / 2 * np.array([0.2, 0.4, 0.6, 0.8]))
    matrix = np.outer(loadings, loadings)
    np.fill_diagonal(matrix, 1)
    assert np.allclose(copula.correlation().numpy(), matrix, atol=1e-12)
    w = torch.randn(9, 4, dtype=torch.float64)
    expected = stats.multivariate_normal.logpdf(w, cov=matrix) - stats.norm.logpdf(w).sum(-1)
    assert copula.log_prob(w).numpy() == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("families", FAMILIES[1:4], ids=str)
@pytest.mark.parametrize("mask", [[1, 0, 0], [1, 1, 0], [0, 1, 0]])
@torch.no_grad()
def test_draws_are_uniform_in_their_numeric_conditional(families, mask):
    copula = factor(families, [0.3, 0.7, 0.5])
    mask = torch.tensor(mask).bool()
    row = torch.tensor([1.5, -1.0, 0.5], dtype=torch.float64)
    drawn = copula.impute(row, mask, noise=torch.randn(1000, 3, dtype=torch.float64))
    assert torch.equal(drawn[:, mask], row[mask].expand(1000, -1))
    known = mask.clone()
    for m in (~mask).nonzero().flatten().tolist():
        # P(U_m <= u | known): the average of the h-function over the root given what is known.
        v = torch.linspace(-9, 9, 1201, dtype=torch.float64).unsqueeze(-1)
        logs = -0.5 * v.square()
        for k in known.nonzero().flatten().tolist():
            logs = logs + copula.pair(k).log_prob(drawn[:, k], v)
        h = torch.special.ndtr(copula.pair(m).hfunc2(drawn[:, m], v))
        level = (torch.softmax(logs.expand(-1, 1000), 0) * h).sum(0)
        assert stats.kstest(level.numpy(), "uniform").pvalue > 1e-3
        known[m] = True


@pytest.mark.parametrize("way", ["impute", "rsample"])
@torch.no_grad()
def test_draws_of_all_have_normal_marginals_and_the_model_s_dependence(way):
    copula = factor("gaussian", [0.4, 0.6, 0.8])
    noise = torch.randn(4000, 3, dtype=torch.float64)
    empty = torch.zeros_like(noise)
    w = copula.impute(empty, empty.bool(), noise=noise) if way == "impute" else copula.rsample((4000,))
    matrix = copula.correlation()
    for m in range(3):
        assert stats.kstest(w[:, m].numpy(), "norm").pvalue > 1e-3
    for i, j in torch.combinations(torch.arange(3)):
        expected = 2 / math.pi * math.asin(matrix[i, j])
        assert stats.kendalltau(w[:, i], w[:, j]).statistic == pytest.approx(expected, abs=0.04)


@pytest.mark.parametrize(("families", "taus"), [("clayton", [0.3, 0.7, 0.5]), (("joe", 0), [0.9, 0.5, 0.9])])
@torch.no_grad()
def test_draws_where_nothing_is_observed_invert_the_conditionals(families, taus):
    copula = factor(families, taus)
    noise = torch.randn(100, 3, dtype=torch.float64)
    drawn = copula.impute(torch.zeros_like(noise), torch.zeros(3).bool(), noise=noise)
    v = torch.linspace(-12, 12, 8001, dtype=torch.float64).unsqueeze(-1)
    logs = (-0.5 * v.square()).expand(-1, 100)
    for m in range(3):
        level = (torch.softmax(logs, 0) * torch.special.ndtr(copula.pair(m).hfunc2(drawn[:, m], v))).sum(0)
        assert torch.allclose(level, torch.special.ndtr(noise[:, m]), atol=1e-6)
        logs = logs + copula.pair(m).log_prob(drawn[:, m], v)


@torch.no_grad()
def test_batches_masks_and_missing_content():
    taus = [[0.3, 0.7, 0.5], [0.2, 0.4, 0.6]]
    singles = [factor("clayton", each) for each in taus]
    whole = factor("clayton", taus[0], (2,))
    for k, single in enumerate(singles):
        for m in range(3):
            whole.set_pair(m, single.pair(m), k)
    w, noise = (torch.randn(16, 2, 3, dtype=torch.float64) for _ in range(2))
    own = torch.rand(16, 2, 3) < 0.6
    for mask in (None, own):
        shown = torch.ones_like(own) if mask is None else mask
        spoiled = torch.where(shown, w, torch.nan)
        found, drawn = whole.log_prob(spoiled, mask), whole.impute(spoiled, shown, noise=noise)
        for k, single in enumerate(singles):
            assert torch.allclose(found[:, k], single.log_prob(w[:, k], shown[:, k]), atol=1e-9)
            for row in range(16):
                alone = single.impute(w[row, k], shown[row, k], noise=noise[row, k])
                assert torch.allclose(drawn[row, k], alone, atol=1e-6)


@pytest.mark.parametrize("absurd", [1e30, math.inf, math.nan])
def test_an_absurd_row_leaves_the_others_alone(absurd):
    copula = factor("frank", [0.3, 0.5, 0.7])
    w, noise = (torch.randn(5, 3, dtype=torch.float64) for _ in range(2))
    spoiled = w.clone()
    spoiled[2, 0] = absurd
    mask, others = torch.tensor([True, True, False]), torch.arange(5) != 2
    for call in (copula.log_prob, lambda x: copula.impute(x, mask, noise=noise).sum(-1)):
        found = []
        for rows in (w, spoiled):
            x = rows.clone().requires_grad_()
            value = call(x)
            value.sum().backward()
            found.append(torch.cat([value.detach()[others].unsqueeze(-1), x.grad[others]], -1))
        assert torch.allclose(*found, rtol=1e-7, atol=1e-9)


class _Calls(torch.nn.Module):
    def __init__(self, copula):
        super().__init__()
        self.copula = copula

    def forward(self, w, noise, mask):
        generator = torch.Generator().manual_seed(0)
        drawn = self.copula.impute(w, mask, noise=noise)
        return self.copula.log_prob(w, mask), drawn, self.copula.rsample((1,), generator)


@pytest.mark.parametrize("families", ["frank", ["gaussian", ("clayton", 180)]], ids=str)
@pytest.mark.parametrize("mask", [[1, 1, 0, 1], [0, 1, 0, 0], [0, 0, 0, 0]])
def test_gradients(families, mask):
    copula = factor(families, [0.3, 0.5, 0.6, 0.4])
    names = [name for name, _ in copula.named_parameters()]
    start = [p.detach().clone().requires_grad_() for _, p in copula.named_parameters()]
    w, noise = (torch.randn(1, 4, dtype=torch.float64).requires_grad_() for _ in range(2))

    def function(w, noise, *parameters):
        chosen = dict(zip([f"copula.{name}" for name in names], parameters, strict=True))
        return torch.func.functional_call(_Calls(copula), chosen, (w, noise, torch.tensor(mask).bool()))

    assert torch.autograd.gradcheck(function, (w, noise, *start), atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("families", [FAMILIES[-1], "frank", ("gumbel", 180)], ids=str)
@pytest.mark.parametrize("mask", [[1, 1, 1, 1], [1, 0, 1, 1], [1, 0, 0, 0]])
def test_float32_is_finite_for_scores_up_to_eight(families, mask):
    copula = factor(families, [0.7, 0.5, 0.3, 0.8]).float()
    w = torch.cartesian_prod(*[torch.tensor([-8.0, 0.5, 8.0])] * 4).requires_grad_()
    mask = torch.tensor(mask).bool()
    for call in (copula.log_prob, copula.impute):
        w.grad = None
        copula.zero_grad()
        value = call(w, mask)
        assert value.dtype == torch.float32
        (value.sum() + 0 * w.sum()).backward()
        for tensor in (value, w.grad, *(p.grad for p in copula.parameters())):
            assert tensor is None or torch.isfinite(tensor).all()


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_fit_is_at_least_as_likely_as_the_truth(missing):
    truth = factor("clayton", [0.3, 0.5, 0.6])
    generator = torch.Generator().manual_seed(0)
    w = truth.rsample((800,), generator).detach()
    observed = torch.rand(w.shape, generator=generator) >= missing
    fitted = FactorCopula(3, families="clayton").double().fit(torch.where(observed, w, torch.nan), observed)
    with torch.no_grad():
        assert fitted.log_prob(w, observed).sum() >= truth.log_prob(w, observed).sum()
    for m in range(3):
        assert fitted.pair(m).tau().item() == pytest.approx(truth.pair(m).tau().item(), abs=0.1)


def test_what_is_no_factor_copula():
    with pytest.raises(ValueError, match="cannot be independent within"):
        FactorCopula(3, (), (1, 2))
    for correlation in (-0.1, 1.0, float("nan")):
        with pytest.raises(ValueError, match="one factor makes correlations from 0 to below 1"):
            FactorCopula(3, correlation=correlation)
    with pytest.raises(ValueError, match="fitting needs"):
        FactorCopula(3).fit(torch.zeros(3))
    assert pair_copula("frank").family.name == FactorCopula(3, families="frank").pair(1).family.name
