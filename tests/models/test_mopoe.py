"""The mixture over all subsets of products of experts, against the formula row by row."""

import itertools

import pytest
import torch
from latent_cases import WIDTHS, case, divergence, encoded, experts, misfit, product, rows

from sklar.models.mopoe import MoPoE
from sklar.models.noise import Noise
from sklar.numerics import quasi_normal


def every_subset(names):
    """All non-empty ones; the last name changes slowest."""
    found = []
    for bits in itertools.product([False, True], repeat=len(names)):
        chosen = [name for name, bit in zip(names, reversed(bits), strict=True) if bit]
        found += [chosen] if chosen else []
    return found


@pytest.mark.parametrize("draws", [7, 16])
def test_outputs_enumerate_the_subsets(draws):
    model, batch = case("mopoe"), rows()
    checked, code = encoded(model, batch)
    found = model.outputs(code, checked.observed, draws, None)
    points = quasi_normal(draws, (1, 4), dtype=torch.float64)
    for row in range(len(batch)):
        own = experts(model, batch, row)
        subsets = every_subset(list(own))
        heard = [0] * len(subsets)
        for draw in range(draws):
            number = int(draw * len(subsets) / draws + 1e-9)
            heard[number] += 1
            mean, sd = product([own[name] for name in subsets[number]])
            assert torch.allclose(found[draw, row], model.head(mean + sd * points[draw, 0]), atol=1e-10)
        assert max(heard) - min(heard) == (0 if draws % len(subsets) == 0 else 1)


def test_of_many_subsets_a_fixed_set_speaks_for_every_modality_alike():
    model = case("mopoe", inputs=dict.fromkeys("abcdef", 2))
    observed = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 0, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0]]).bool()
    chosen = model.subsets(observed, 16, None)
    assert torch.equal(chosen[:, 1:2], model.subsets(observed[1:2], 16, None))  # whatever the other rows
    assert bool((chosen <= observed).all())
    assert bool(chosen.any(-1).all())
    for row in (0, 1):
        pairs = chosen[:, row].unflatten(0, (8, 2))
        whole = pairs[:, 0].eq(observed[row]).all(-1)
        assert torch.equal(pairs[~whole].sum(1), observed[row].long().expand_as(pairs[~whole, 0]))
        assert bool(pairs[whole, 1].eq(observed[row]).all())
    assert torch.equal(model.subsets(observed, 1, None)[0], observed)


def test_in_training_every_subset_is_drawn_with_equal_probability():
    model = case("mopoe")
    for pattern in ([0, 1, 0], [1, 0, 1], [1, 1, 1]):
        observed = torch.tensor(pattern).bool().expand(8000, 3)
        drawn = model.subsets(observed, 2, Noise(torch.Generator().manual_seed(0)))
        count = 2 ** sum(pattern) - 1
        for draw in drawn:
            masks, times = draw.unique(dim=0, return_counts=True)
            assert len(masks) == count
            assert bool(masks.any(-1).all())
            assert bool((masks <= observed[0]).all())
            assert (times / 8000 - 1 / count).abs().max() < 4 * (0.25 / 8000) ** 0.5


def test_generative_terms_are_those_of_the_drawn_subsets():
    model, batch = case("mopoe", weight=0.7, reconstruction=0.3), rows(2)
    checked, code = encoded(model, batch)
    found = model.regularizer(checked, code, torch.Generator().manual_seed(5))
    same = torch.Generator().manual_seed(5)
    chosen = model.subsets(checked.observed, 2, Noise(same))
    noise = torch.randn(2, len(batch), 4, generator=same, dtype=torch.float64)
    for row in range(len(batch)):
        own, terms = experts(model, batch, row), []
        for draw in range(2):
            mean, sd = product([own[name] for m, name in enumerate(WIDTHS) if chosen[draw, row, m]])
            terms.append((*misfit(model, batch, row, mean + sd * noise[draw, row]), divergence(mean, sd)))
        error, density, gap = (sum(each) / 2 for each in zip(*terms, strict=True))
        assert torch.allclose(found["reconstruction"][row], 0.21 * error, atol=1e-9)
        assert torch.allclose(found["decoder_scale"][row], 0.7 * density, atol=1e-9)
        assert torch.allclose(found["divergence"][row], 0.7 * gap, atol=1e-9)


def test_alone_a_modality_has_the_posterior_of_the_product_of_experts():
    torch.manual_seed(0)
    mixture, batch = case("mopoe"), rows()
    plain = case("mvae")
    plain.load_state_dict(mixture.state_dict())
    checked, code = encoded(mixture, batch)
    single = checked.observed.sum(-1) == 1
    for ours, theirs in zip(
        mixture.components(code, checked.observed, 5, None), plain.components(code, checked.observed, 5, None),
        strict=True,
    ):  # fmt: skip
        assert torch.allclose(ours[:, single], theirs[:, single].expand(5, -1, -1))


def test_too_many_modalities():
    with pytest.raises(ValueError, match="at most 20 modalities, got 21; use mvae"):
        MoPoE(dict.fromkeys(map(str, range(21)), 1), classes=2, dim=2, hidden=2)
