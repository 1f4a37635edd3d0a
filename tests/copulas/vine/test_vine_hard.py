"""Cases in which a search or a sample could overlook where the mass is."""

import math

import pytest
import torch

from sklar.copulas import VineCopula, VineStructure, pair_copula

D = torch.float64


@torch.no_grad()
def test_a_peak_far_narrower_than_the_first_search_is_found():
    rows = [
        ["indep", pair_copula("clayton", [18.8], 180), pair_copula("bb1", [3.3, 3.46])],
        [pair_copula("clayton", [16.0], 180), pair_copula("bb7", [3.66, 9.54], 180)],
        [pair_copula("gumbel", [22.6], 90)],
    ]
    structure = VineStructure((2, 3, 0, 1), ((3, 3, 3), (2, 2), (1,)))
    vine = VineCopula(4, structure=structure, families=rows).double()
    w = vine.rsample((12,), torch.Generator().manual_seed(1)).double()
    mask = torch.tensor([True, False, True, True]).expand(12, 4)
    found = vine.evaluate(w, mask)
    axis = torch.linspace(-10, 10, 400_001, dtype=D)
    for row, value in zip(w, found.log_prob, strict=True):
        x = row.expand(len(axis), 4).clone()
        x[:, 1] = axis
        weight = -0.5 * axis * axis + math.log(20 / 400_000 / math.sqrt(2 * math.pi))
        assert float(value) == pytest.approx(float(torch.logsumexp(vine.log_prob(x) + weight, 0)), abs=1e-3)
    # What is drawn lies where it was.
    drawn = vine.impute(w, mask, noise=torch.zeros_like(w))
    assert float((drawn[:, 1] - w[:, 1]).abs().max()) < 0.2


def chain(dim, pair, first, last):
    """Log copula density of the ends of a Markov chain of equal pairs, by sums over a grid."""
    axis = torch.linspace(-9, 9, 1201, dtype=D)
    weight = -0.5 * axis * axis + math.log(18 / 1200 / math.sqrt(2 * math.pi))
    log_f = pair.log_prob(torch.tensor(first, dtype=D), axis) + weight
    kernel = pair.log_prob(axis[:, None], axis)
    for _ in range(dim - 3):
        log_f = torch.logsumexp(log_f[:, None] + kernel, 0) + weight
    return float(torch.logsumexp(log_f + pair.log_prob(axis, torch.tensor(last, dtype=D)), 0))


@pytest.mark.parametrize(
    ("dim", "family", "rotation", "tau", "ends"),
    [
        (6, "joe", 0, 0.6, (-4.0, 2.0)),
        (6, "clayton", 180, 0.6, (-4.0, 2.0)),
        (6, "clayton", 0, 0.8, (2.5, -2.5)),
        (7, "clayton", 0, 0.3, (-3.0, -3.0)),
        (5, "gumbel", 0, 0.5, (0.5, -0.3)),
    ],
)
@torch.no_grad()
def test_importance_sampling_says_how_far_it_may_be_off(dim, family, rotation, tau, ends):
    pair = pair_copula(family, rotation=rotation).set_tau(tau)
    vine = VineCopula(dim, families=[[pair] * (dim - 1)], trees=1).double()
    w = torch.zeros(1, dim, dtype=D)
    w[0, 0], w[0, -1] = ends
    mask = torch.zeros(1, dim, dtype=torch.bool)
    mask[0, [0, -1]] = True
    found = vine.evaluate(w, mask)
    assert int(found.hidden) == dim - 2
    assert float(found.error) < 0.1
    assert abs(float(found.log_prob) - chain(dim, pair, *ends)) < 4 * float(found.error)
