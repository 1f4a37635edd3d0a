"""Draws brought onto the values that features have."""

import numpy as np
import pytest
import torch

from sklar.models.quantile_map import FEWEST, KNOTS, QuantileMap, quantiles


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_quantiles_are_numpys():
    x, known = normal(50, 3), torch.ones(50, 3).bool()
    known[::3, 1], known[:, 2] = False, False
    found = quantiles(x, known)
    for f in range(2):
        wanted = np.quantile(x[known[:, f], f].numpy(), np.linspace(0, 1, KNOTS))
        np.testing.assert_allclose(found[:, f].numpy(), wanted, atol=1e-6)
    assert (found[:, 2] == 0).all()


def test_draws_get_the_distribution_and_the_values_of_the_truth_and_keep_their_order():
    g = torch.Generator().manual_seed(1)
    counts = torch.poisson(torch.full((2000,), 1.5), generator=g)
    truth = torch.stack([counts, torch.empty(2000).exponential_(generator=g)], -1)
    mapping = QuantileMap(2)
    mapping.fit(3 + 2 * normal(4, 2000, 2), truth, torch.ones(2000, 2).bool())
    fresh = 3 + 2 * normal(5000, 2, seed=2)
    mapped = mapping(fresh, fresh)
    for level in (0.1, 0.3, 0.6, 0.9):  # away from the counts' jumps at .22, .56, .81, .93
        wanted = [float(counts.quantile(level)), -np.log1p(-level)]
        assert mapped.quantile(level, 0).tolist() == pytest.approx(wanted, abs=0.08)
    assert (mapped[:, 0].remainder(1) == 0).double().mean() > 0.75
    assert ((mapped >= truth.amin(0)) & (mapped <= truth.amax(0))).all()
    for f in range(2):
        order = fresh[:, f].argsort()
        assert (mapped[order, f].diff() >= 0).all()
    parts = fresh.view(5, 1000, 2)
    assert torch.equal(mapping(parts, parts), mapped.view(5, 1000, 2))


def test_the_own_distribution_stays():
    x = normal(4000, 3)
    mapping = QuantileMap(3)
    mapping.fit(x[None], x, torch.ones(4000, 3).bool())
    assert torch.allclose(mapping(x, torch.zeros_like(x)), x, atol=1e-5)


def test_too_few_known_values_are_no_reason_to_change_anything():
    x, known = normal(2, 100, 2), torch.ones(100, 2).bool()
    known[FEWEST - 1 :, 0] = False
    mapping, plain = QuantileMap(2), 10 * x
    assert mapping(x, plain) is plain
    mapping.fit(x, 5 + x[0], known)
    assert torch.equal(mapping(x, plain)[..., 0], plain[..., 0])
    assert (mapping(x, plain)[..., 1] > 2).all()
    nobody = QuantileMap(2)
    nobody.fit(x[:, :0], x[0, :0], known[:0])
    assert nobody(x, plain) is plain
