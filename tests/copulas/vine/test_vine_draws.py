import itertools
import math

import numpy as np
import pytest
import torch
from plain import all_masks, gaussian_vine, mixed_vine, random_structure
from scipy import stats

from sklar.copulas import VineStructure

AXIS = torch.linspace(-10, 10, 241, dtype=torch.float64)


def draw(copula, row, mask, count, seed=0):
    noise = torch.randn(count, copula.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    drawn = copula.impute(row, mask, noise=noise)
    assert torch.equal(drawn[:, mask], row[mask].expand(count, -1))
    return drawn


def levels_on_a_grid(copula, drawn, missing):
    """Conditional distribution functions at draws ``(n, M)`` of one or two missing variables, on a dense grid."""

    def cumulative(logs):  # (grid, n) -> by the trapezoidal rule, normalised
        density = torch.exp(logs - logs.amax(0))
        steps = torch.cumulative_trapezoid(density, dim=0)
        return torch.cat([torch.zeros_like(steps[:1]), steps]) / steps[-1]

    def at(table, x):
        found = [np.interp(value, AXIS, column) for value, column in zip(x.tolist(), table.T.numpy(), strict=True)]
        return np.array(found)

    last = drawn.expand(len(AXIS), -1, -1).clone()
    last[..., missing[-1]] = AXIS[:, None]
    levels = [at(cumulative(copula.log_prob(last) - 0.5 * AXIS.square()[:, None]), drawn[:, missing[-1]])]
    if len(missing) == 2:
        both = drawn[0].expand(len(AXIS), len(AXIS), -1).clone()
        both[..., missing[0]], both[..., missing[1]] = AXIS[:, None], AXIS
        logs = torch.logsumexp(copula.log_prob(both) - 0.5 * AXIS.square(), 1) - 0.5 * AXIS.square()
        levels.append(at(cumulative(logs[:, None]).expand(-1, len(drawn)), drawn[:, missing[0]]))
    return levels


# Each pattern with one or two missing variables; of the second vine the pattern with two hidden ones alone.
@pytest.mark.parametrize(("dim", "seed", "hidden"), [(3, 1, (0, 1)), (4, 5, (2,))])
@pytest.mark.parametrize("where", [0.7, 2.5])
@torch.no_grad()
def test_draws_of_a_mixed_vine_are_uniform_in_their_conditional_on_a_grid(dim, seed, hidden, where):
    choices = [("clayton", 90), ("gumbel", 0), ("frank", 0), ("bb1", 180), ("student", 0)]
    vine = mixed_vine(random_structure(dim, seed), seed, choices)
    row = where * torch.tensor([1.0, -1.0, 0.5, 1.0], dtype=torch.float64)[:dim]
    p = []
    for mask in all_masks(dim):
        missing = (~mask).nonzero().flatten().tolist()
        plan = vine.planner.pattern(frozenset(mask.nonzero().flatten().tolist()))
        if len(missing) <= 2 and max(map(len, plan.hidden), default=0) in hidden:
            drawn = draw(vine, row, mask, 1000)
            p += [stats.kstest(level, "uniform").pvalue for level in levels_on_a_grid(vine, drawn, missing)]
    assert p
    assert min(p) > 1e-3


@pytest.mark.parametrize("structure", [random_structure(5, 2), VineStructure.dvine((2, 0, 1, 4, 3))], ids=str)
@torch.no_grad()
def test_draws_of_a_gaussian_vine_are_the_normal_conditional_s(structure):
    vine = gaussian_vine(structure, 1)
    matrix = vine.correlation().numpy()
    row = torch.tensor([0.5, -1.0, 1.5, 2.0, -0.5], dtype=torch.float64)
    count, found = 2000, {0: [], 1: [], 2: [], 3: []}
    for mask in all_masks(5):
        plan = vine.planner.pattern(frozenset(mask.nonzero().flatten().tolist()))
        drawn = draw(vine, row, mask, count).numpy()
        given, missing = np.flatnonzero(mask), np.flatnonzero(~mask)
        gain = np.linalg.solve(matrix[np.ix_(given, given)], matrix[np.ix_(given, missing)]).T
        mean = gain @ row.numpy()[given]
        factor = np.linalg.cholesky(matrix[np.ix_(missing, missing)] - gain @ matrix[np.ix_(given, missing)])
        # Whitened draws are independent standard normals.
        white = np.linalg.solve(factor, (drawn[:, missing] - mean).T)
        hidden = max(map(len, plan.hidden), default=0)
        if hidden <= 2:
            found[hidden] += [stats.kstest(z, "norm").pvalue for z in white]
            found[hidden] += [stats.pearsonr(*pair).pvalue for pair in itertools.pairwise(white)]
        else:  # resampled importance samples, fewer effective ones than draws
            found[3] += [stats.kstest(z[:: count // 500], "norm").pvalue for z in white]
            assert np.abs(white.mean(1)).max() <= 5 / math.sqrt(count / 2)
            assert np.abs(np.cov(white) - np.eye(len(white))).max() <= 8 / math.sqrt(count / 2)
    assert min(map(len, found.values())) > 0
    assert min(p for values in found.values() for p in values) > 1e-4  # of a hundred


@pytest.mark.parametrize("dim", [3, 4])
@torch.no_grad()
def test_the_chain_rule(dim):
    """The density of all is that of the observed times the missing ones' conditional, one after another."""
    vine = mixed_vine(random_structure(dim, 7), 8)
    w = torch.randn(5, dim, dtype=torch.float64)
    order = torch.randperm(dim)
    total = torch.zeros(5, dtype=torch.float64)
    for k in range(2, dim + 1):
        known, new = order[: k - 1], order[k - 1]
        mask = torch.zeros(dim, dtype=torch.bool)
        mask[known] = True
        both = mask.clone()
        both[new] = True
        # A conditional density, normalised on a grid without the density of what is known.
        grid = w.expand(len(AXIS), -1, -1).clone()
        grid[..., new] = AXIS[:, None]
        logs = vine.log_prob(grid, both.expand(len(AXIS), 5, dim)) - 0.5 * AXIS.square()[:, None]
        mass = torch.logsumexp(logs, 0) + math.log(AXIS[1] - AXIS[0]) - 0.5 * math.log(2 * math.pi)
        assert torch.allclose(mass, vine.log_prob(w, mask), atol=1e-6)
        total += vine.log_prob(w, both) - mass
    assert torch.allclose(total, vine.log_prob(w), atol=1e-5)


@torch.no_grad()
def test_draws_of_all_are_a_vine():
    vine = mixed_vine(random_structure(4, 3), 2)
    w = vine.rsample((3000,), torch.Generator().manual_seed(0))
    white = vine.rosenblatt(w)
    for z in (*w.T, *white.T):
        assert stats.kstest(z.numpy(), "norm").pvalue > 1e-3
    for i, j in torch.combinations(torch.arange(4)):
        assert stats.kendalltau(white[:, i], white[:, j]).pvalue > 1e-3
