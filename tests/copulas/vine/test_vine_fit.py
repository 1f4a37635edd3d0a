import numpy as np
import pytest
import torch
from plain import mixed_vine, random_structure

from sklar.copulas import GaussianCopula, VineCopula, pair_copula

PAIRS = [[("clayton", 2.0), ("gumbel", 1.6)], [("frank", 3.0)]]


def truth():
    families = [[pair_copula(name, [value]) for name, value in row] for row in PAIRS]
    return VineCopula(3, families=families).double()


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_fit_finds_the_parameters(missing):
    vine = truth()
    generator = torch.Generator().manual_seed(0)
    w = vine.rsample((2000,), generator).detach()
    observed = torch.rand(w.shape, generator=generator) >= missing
    start = VineCopula(3, families=[[name for name, _ in row] for row in PAIRS]).double()
    fitted = start.fit(torch.where(observed, w, torch.nan), observed)
    for t, row in enumerate(PAIRS):
        for e, (_, value) in enumerate(row):
            assert fitted.pair(t, e).values()[0].item() == pytest.approx(value, rel=0.12 if missing else 0.08)
    assert fitted.log_prob(w, observed).sum() >= vine.log_prob(w, observed).sum()
    if missing:
        return
    again = VineCopula.select(w, families=["clayton", "gumbel", "frank"], structure=start.structure)
    kinds = [[(again.pair(t, e).family.name, again.pair(t, e).rotation) for e in range(len(row))]
             for t, row in enumerate(PAIRS)]  # fmt: skip
    assert kinds == [[(name, 0) for name, _ in row] for row in PAIRS]
    assert fitted.log_prob(w).sum() >= again.log_prob(w).sum() - 1e-2


def test_fit_refuses_what_it_cannot_use():
    vine = VineCopula(3)
    with pytest.raises(ValueError, match="fitting needs"):
        vine.fit(torch.zeros(3))
    with pytest.raises(ValueError, match="row 2 has observed scores that are not finite"):
        vine.fit(torch.randn(5, 3).index_fill(0, torch.tensor(2), torch.inf))


@torch.no_grad()
def test_a_conditional_vine_starts_as_the_simplified_one():
    structure = random_structure(4, 0)
    choices = [("clayton", 90), ("frank", 0), ("gaussian", 0)]
    simple = mixed_vine(structure, 0, choices)
    free = mixed_vine(structure, 0, choices, conditional=True)
    w = torch.randn(9, 4, dtype=torch.float64)
    masks = torch.tensor([[1, 1, 1, 1], [1, 0, 1, 1], [1, 1, 1, 0], [0, 1, 1, 0]]).bool()
    for mask in masks:
        assert torch.equal(free.log_prob(w, mask), simple.log_prob(w, mask))


SHARPNESS, STRENGTH = 2.0, 0.95


def log_triple(w):
    return torch.log1p(STRENGTH * torch.tanh(SHARPNESS * w).prod(-1))


def triples(count, generator):
    """Three variables independent in pairs, by rejection."""
    w = torch.randn(4 * count, 3, dtype=torch.float64, generator=generator)
    level = torch.rand(len(w), dtype=torch.float64, generator=generator)
    return w[level * (1 + STRENGTH) < torch.exp(log_triple(w))][:count]


def test_a_conditional_vine_holds_a_dependence_that_is_in_no_pair():
    generator = torch.Generator().manual_seed(0)
    train, held_out = triples(6000, generator), triples(6000, generator)
    assert len(held_out) == 6000
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert abs(np.corrcoef(train[:, i], train[:, j])[0, 1]) < 0.05
    expected = log_triple(held_out).mean().item()
    assert expected > 0.12
    families = [["indep", "indep"], [["gaussian", "frank"]]]
    found = {}
    for conditional in (False, True):
        vine = VineCopula(3, families=families, conditional=conditional).double().fit(train)
        found[conditional] = vine.log_prob(held_out).mean().item()
    normal = GaussianCopula(3).double().fit(train).log_prob(held_out).mean().item()
    assert max(found[False], normal) < expected - 0.1
    assert abs(found[True] - expected) < 0.03
    # The marginal of the outer two is still independence: the middle one integrated out.
    ends = vine.evaluate(held_out[:200], torch.tensor([True, False, True]))
    assert ends.hidden.eq(1).all()
    assert abs(ends.log_prob.mean()) < 0.02
