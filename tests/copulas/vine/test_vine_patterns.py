import itertools

import numpy as np
import pytest
import torch
from plain import (
    TURNED,
    all_masks,
    gaussian_vine,
    log_density,
    mixed_vine,
    normal_log_density,
    partial_correlation,
    random_structure,
    trapezoid,
)
from scipy import stats

from sklar.copulas import VineCopula, VineStructure

STRUCTURES = [
    make(dim)
    for dim in (3, 4, 5)
    for make in (
        lambda dim: random_structure(dim, 0),
        lambda dim: random_structure(dim, 1),
        lambda dim: VineStructure.cvine(range(dim)),
        lambda dim: VineStructure.dvine(range(dim)),
    )
]


def rows(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
def test_partial_correlations_of_the_correlation_matrix_are_the_pairs(structure):
    vine = gaussian_vine(structure, 3)
    matrix = vine.correlation().detach().numpy()
    for t, row in enumerate(structure.edges):
        for e, edge in enumerate(row):
            expected = vine.pair(t, e).values()[0].item()
            found = partial_correlation(matrix, edge.first, edge.second, edge.given)
            assert found == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("structure", STRUCTURES, ids=str)
@torch.no_grad()
def test_every_pattern_of_a_gaussian_vine_is_the_normal_distribution_s(structure):
    vine = gaussian_vine(structure, 0)
    matrix = vine.correlation().numpy()
    masks = all_masks(structure.dim).repeat(3, 1)
    w = 1.5 * rows(len(masks), structure.dim)
    w[-len(masks) // 3 :] = 5 * w[-len(masks) // 3 :].sign()  # contradictory tails
    found, full = vine.evaluate(w, masks), vine.log_prob(w)
    for row, mask in enumerate(masks):
        shown = mask.numpy()
        expected = normal_log_density(matrix, w[row].numpy(), shown)
        value, error = found.log_prob[row].item(), found.error[row].item()
        if found.hidden[row] <= 2:
            assert value == pytest.approx(expected, abs=1e-6)
            assert error <= 1e-6
            assert found.effective_size[row] == torch.inf
        else:
            assert abs(value - expected) <= 4 * error
            assert error <= 0.02
            assert found.effective_size[row] > 1000
        # Of the missing given the observed, copula densities: that of all minus that of the observed.
        observed, missing = np.flatnonzero(shown), np.flatnonzero(~shown)
        gain = np.linalg.solve(matrix[np.ix_(observed, observed)], matrix[np.ix_(observed, missing)]).T
        mean = gain @ w[row].numpy()[observed]
        rest = matrix[np.ix_(missing, missing)] - gain @ matrix[np.ix_(observed, missing)]
        at = w[row].numpy()[missing]
        conditional = stats.multivariate_normal.logpdf(at, mean, rest) - stats.norm.logpdf(at).sum()
        assert full[row].item() - value == pytest.approx(conditional, abs=max(1e-6, 4 * error))


@pytest.mark.parametrize(("dim", "closed"), [(3, 5), (4, 9), (5, 14)])
@pytest.mark.parametrize("seed", range(4))
def test_a_full_vine_has_as_many_closed_forms_as_it_has_pairs_and_variables(dim, closed, seed):
    """M (M + 1) / 2 - 1 of the 2^M - 2; truncated, or where pairs are independent, more."""

    def count(structure, **settings):
        vine = VineCopula(dim, structure=structure, **settings)
        plans = [vine.planner.pattern(frozenset(np.flatnonzero(mask))) for mask in all_masks(dim).numpy()]
        return sum(not plan.hidden for plan in plans)

    for structure in (random_structure(dim, seed), VineStructure.cvine(torch.randperm(dim).tolist())):
        by_trees = [count(structure, trees=trees) for trees in range(dim - 1, -1, -1)]
        assert by_trees == sorted(by_trees)
        assert (by_trees[0], by_trees[-1]) == (closed, 2**dim - 2)
        silent = [["frank"] * (dim - 1), *(["indep"] * len(row) for row in structure.array[1:])]
        assert count(structure, families=silent) == by_trees[-2]
    # A star's are the sets with its root, and the others alone; a path's truncated ones are the whole path's.
    assert by_trees[-2] == 2 ** (dim - 1) + dim - 2
    assert count(VineStructure.dvine(range(dim)), trees=1) == closed


TAILS = [[5.0, -5.0, 5.0, -5.0], [5.0, 5.0, 5.0, 5.0], [-5.0, -5.0, 5.0, 5.0], [4.0, 0.3, -5.0, -0.2]]
# The last two have conditional densities with peaks of width 0.03 and 0.06 in contradictory tails.
VINES = [(3, 0), (3, 1), (3, 2), (4, 3), (4, 9), (4, 22), (4, 81), (4, 36)]


@pytest.mark.parametrize(("dim", "seed"), VINES)
@torch.no_grad()
def test_one_hidden_variable_agrees_with_a_dense_grid(dim, seed):
    vine = mixed_vine(random_structure(dim, seed), seed)
    w = torch.cat([rows(1, dim), torch.tensor(TAILS, dtype=torch.float64)[:, :dim]])
    for mask in all_masks(dim):
        if mask.sum() < dim - 1:
            continue
        found = vine.evaluate(w, mask)
        assert found.error.max() <= 1e-5
        for row, value in zip(w, found.log_prob, strict=True):
            expected = trapezoid(vine, row, (~mask).nonzero().flatten().tolist())
            assert value.item() == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("trees", [None, 2])
@torch.no_grad()
def test_two_missing_variables_agree_with_a_dense_grid(trees):
    choices = [("clayton", 90), ("gumbel", 0), ("frank", 0), ("indep", 0), ("student", 0)]
    vine = mixed_vine(random_structure(4, 3), 5, choices, trees=trees)
    hidden = []
    for mask, row in zip([m for m in all_masks(4) if m.sum() == 2], itertools.cycle(TAILS), strict=False):
        row = torch.tensor(row, dtype=torch.float64)
        found = vine.evaluate(row, mask)
        expected = trapezoid(vine, row, (~mask).nonzero().flatten().tolist(), points=401, reach=10.0)
        assert found.log_prob.item() == pytest.approx(expected, abs=1e-5)
        hidden.append(int(found.hidden))
    assert max(hidden) == 2


@pytest.mark.parametrize(("trees", "seed"), [(None, 0), (None, 1), (2, 2), (1, 3)])
@torch.no_grad()
def test_the_density_is_the_product_of_the_pairs(trees, seed):
    structure = random_structure(4, seed).truncate(trees)
    choices = [choice for choice in TURNED if choice[0] != "student"] if seed else TURNED
    vine = mixed_vine(structure, seed, choices)
    u = torch.rand(4, 4, dtype=torch.float64).clamp(0.02, 0.98)
    found = vine.log_prob(torch.special.ndtri(u))
    expected = [log_density(vine, point) for point in u.tolist()]
    assert found.tolist() == pytest.approx(expected, abs=1e-8)
