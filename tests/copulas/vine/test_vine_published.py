"""Results that are in print."""

import numpy as np
import pytest
import torch
from plain import all_masks, random_structure
from scipy import stats

from sklar.copulas import VineCopula, pair_copula
from sklar.numerics import log_ndtr

# Embrechts, McNeil & Straumann (2002), "Correlation and dependence in risk management: properties and pitfalls",
# Table 1: coefficient of tail dependence of the t copula, by degrees of freedom and correlation.
CORRELATIONS = (-0.5, 0.0, 0.5, 0.9)
TAILS = {2: (0.06, 0.18, 0.39, 0.72), 4: (0.01, 0.08, 0.25, 0.63), 10: (0.0, 0.01, 0.08, 0.46)}


@pytest.mark.parametrize("nu", TAILS)
@torch.no_grad()
def test_tail_dependence_of_the_t_copula_is_the_printed_one(nu):
    for rho, printed in zip(CORRELATIONS, TAILS[nu], strict=True):
        vine = VineCopula(2, families=[[pair_copula("student", [rho, float(nu)])]]).double()
        lower, upper = vine.pair(0, 0).tail_dependence()
        assert round(lower.item(), 2) == round(upper.item(), 2) == printed
        # The limit of P(U1 <= u | U2 = u) is half of it.
        u = torch.tensor(1e-14, dtype=torch.float64)
        w = torch.special.ndtri(u)
        half = torch.exp(log_ndtr(vine.pair(0, 0).hfunc2(w, w)))
        assert 2 * half.item() == pytest.approx(lower.item(), abs=2e-3)


@torch.no_grad()
def test_a_vine_of_t_pairs_with_rising_degrees_is_the_multivariate_t_copula():
    """Stöber, Joe & Czado (2013), "Simplified pair copula constructions - limitations and extensions": the t copula is
    a simplified vine of partial correlations and of nu, nu + 1, nu + 2 degrees of freedom."""
    structure = random_structure(4, 1)
    nu, generator = 3.5, np.random.default_rng(0)
    families = [
        [pair_copula("student", [generator.uniform(-0.7, 0.7), nu + t]) for _ in row]
        for t, row in enumerate(structure.array)
    ]
    vine = VineCopula(4, structure=structure, families=families).double()
    normal = VineCopula(4, structure=structure, families="gaussian").double()
    for t, row in enumerate(structure.array):
        for e in range(len(row)):
            normal.set_pair(t, e, pair_copula("gaussian", [families[t][e].values()[0].item()]))
    matrix = normal.correlation().numpy()
    u = stats.norm.cdf(generator.normal(size=(2, 4)))
    x = stats.t.ppf(u, nu)
    for mask in [*all_masks(4), torch.ones(4).bool()]:
        found = vine.evaluate(torch.special.ndtri(torch.tensor(u)), mask)
        shown = mask.numpy()
        joint = stats.multivariate_t.logpdf(x[:, shown], shape=matrix[np.ix_(shown, shown)], df=nu)
        expected = joint - stats.t.logpdf(x[:, shown], nu).sum(1)
        assert found.log_prob.numpy() == pytest.approx(expected if shown.sum() > 1 else np.zeros(2), abs=1e-6)
