import math

import pytest
import torch
from plain import all_masks, mixed_vine, random_structure

from sklar.copulas import VineCopula, pair_copula

CHOICES = [("clayton", 90), ("gumbel", 0), ("frank", 0), ("bb1", 180), ("gaussian", 0)]


def rows(*shape, seed=0):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def moved(pair, generator):
    """A pair of the same kind with other parameters."""
    fresh = pair_copula(pair.family.name, [v.item() for v in pair.values()], pair.rotation)
    with torch.no_grad():
        fresh.raw += 0.4 * torch.randn(fresh.raw.shape, generator=generator)
    return fresh


def batch_and_singles(dim, batch, seed=0, conditional=False):
    """A batch of vines, and each of them alone."""
    generator = torch.Generator().manual_seed(seed)
    structure = random_structure(dim, seed)
    first = mixed_vine(structure, seed, CHOICES)
    pairs = [[first.pair(t, e) for e in range(len(row))] for t, row in enumerate(structure.array)]
    whole = VineCopula(dim, batch, structure=structure, families=pairs, conditional=conditional).double()
    singles = []
    for k in range(whole.vines):
        own = [[moved(pair, generator) for pair in row] for row in pairs]
        for t, row in enumerate(own):
            for e, pair in enumerate(row):
                whole.set_pair(t, e, pair, k)
        singles.append(VineCopula(dim, structure=structure, families=own, conditional=conditional).double())
    if conditional:
        with torch.no_grad():
            for name, parameter in whole.pairs.offsets.named_parameters():
                parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
                for k, single in enumerate(singles):
                    dict(single.pairs.offsets.named_parameters())[name].copy_(parameter[k : k + 1])
    return whole, singles


@pytest.mark.parametrize(("dim", "batch", "conditional"), [(4, (2,), False), (3, (2, 3), False), (3, (2,), True)])
@torch.no_grad()
def test_a_batch_agrees_with_separate_vines(dim, batch, conditional):
    whole, singles = batch_and_singles(dim, batch, conditional=conditional)
    patterns = torch.cat([all_masks(dim), torch.zeros(1, dim).bool(), torch.ones(1, dim).bool()])
    generator = torch.Generator().manual_seed(1)
    count = 10
    shared = patterns[torch.randint(len(patterns), (count,), generator=generator)]
    own = patterns[torch.randint(len(patterns), (count, *batch), generator=generator)]
    w, noise = rows(count, *batch, dim), rows(3, count, *batch, dim, seed=2)
    for mask in (None, shared, own):
        full = torch.ones_like(w).bool() if mask is None else mask
        full = full.reshape(count, *[1] * len(batch), dim).expand_as(w) if full.ndim == 2 else full
        spoiled = torch.where(full, w, torch.nan)  # what is missing never matters
        found, drawn = whole.log_prob(spoiled, mask), whole.impute(spoiled, full, noise=noise)
        assert found.shape == (count, *batch)
        assert drawn.shape == (3, count, *batch, dim)
        for k, single in enumerate(singles):
            one, hidden = w.reshape(count, -1, dim)[:, k], full.reshape(count, -1, dim)[:, k]
            assert torch.allclose(found.reshape(count, -1)[:, k], single.log_prob(one, hidden), atol=1e-8)
            alone = single.impute(one, hidden, noise=noise.reshape(3, count, -1, dim)[:, :, k])
            assert torch.allclose(drawn.reshape(3, count, -1, dim)[:, :, k], alone, atol=1e-6)
            assert single.rosenblatt(one).allclose(whole.rosenblatt(w).reshape(count, -1, dim)[:, k], atol=1e-10)


@torch.no_grad()
def test_rows_of_mixed_patterns_agree_with_each_row_alone():
    vine = mixed_vine(random_structure(4, 1), 1, CHOICES)
    masks = torch.cat([all_masks(4), torch.zeros(1, 4).bool(), torch.ones(1, 4).bool()])
    w, noise = rows(len(masks), 4), rows(len(masks), 4, seed=2)
    found, drawn = vine.evaluate(w, masks), vine.impute(w, masks, noise=noise)
    for k, mask in enumerate(masks):
        alone = vine.evaluate(w[k], mask)
        assert torch.allclose(found.log_prob[k], alone.log_prob, atol=1e-10)
        assert found.hidden[k] == alone.hidden
        assert torch.allclose(drawn[k], vine.impute(w[k], mask, noise=noise[k]), atol=1e-7)
        if mask.sum() < 2:
            assert found.log_prob[k] == 0


@pytest.mark.parametrize("absurd", [1e30, math.inf, math.nan])
@pytest.mark.parametrize("mask", [[1, 1, 1, 1], [1, 0, 1, 1], [1, 1, 1, 0]])
def test_an_absurd_row_leaves_the_others_alone(absurd, mask):
    vine = mixed_vine(random_structure(4, 1), 1, CHOICES)
    mask = torch.tensor(mask).bool()
    w, noise = rows(6, 4), rows(6, 4, seed=1)
    spoiled = w.clone()
    spoiled[2, 0] = absurd
    others = torch.arange(6) != 2
    for call in (lambda x: vine.log_prob(x, mask), lambda x: vine.impute(x, mask, noise=noise).sum(-1)):
        values, slopes = [], []
        for scores in (w, spoiled):
            x = scores.clone().requires_grad_()
            value = call(x)
            value.sum().backward()
            values.append(value.detach()[others])
            slopes.append(x.grad[others])
        assert torch.allclose(*values, rtol=1e-9, atol=1e-9)
        assert torch.allclose(*slopes, rtol=1e-7, atol=1e-9)


def test_shapes_of_draws_and_of_noise():
    vine = VineCopula(3, (2,), families="clayton", correlation=0.5)
    mask = torch.tensor([True, False, True])
    assert vine.rsample((5, 4)).shape == (5, 4, 2, 3)
    assert vine.impute(torch.zeros(1, 2, 3), mask[None], noise=torch.randn(7, 2, 3)).shape == (7, 2, 3)
    assert vine.impute(torch.zeros(7, 2, 3), mask[None], noise=torch.randn(4, 7, 2, 3)).shape == (4, 7, 2, 3)
    seeds = [torch.Generator().manual_seed(3) for _ in range(2)]
    twice = [vine.impute(torch.zeros(7, 2, 3), mask[None], generator) for generator in seeds]
    assert torch.equal(*twice)


@pytest.mark.parametrize("mask", [None, [1, 0, 1, 1], [1, 1, 0, 1], [0, 0, 1, 0]])
@pytest.mark.parametrize("which", ["default", "mixed"])
def test_float32_is_finite_for_scores_up_to_eight(which, mask):
    structure = random_structure(4, 2)
    if which == "default":
        vine = VineCopula(4, structure=structure, correlation=0.7)
    else:
        vine = mixed_vine(structure, 6, CHOICES)
    vine = vine.float()
    corners = torch.cartesian_prod(*[torch.tensor([-8.0, 8.0])] * 4)
    w = torch.cat([corners, 3 * torch.randn(8, 4).clamp(-2.6, 2.6)]).requires_grad_()
    shown = torch.ones(4).bool() if mask is None else torch.tensor(mask).bool()
    for call in (vine.log_prob, vine.impute):
        w.grad = None
        vine.zero_grad()
        value = call(w, shown)
        assert value.dtype == torch.float32
        (value.sum() + 0 * w.sum()).backward()
        assert torch.isfinite(value).all()
        for tensor in (w.grad, *(p.grad for p in vine.parameters())):
            assert tensor is None or torch.isfinite(tensor).all()
    drawn = vine.rsample((200,)).detach()
    exact = vine.double().log_prob(drawn.double(), shown)
    assert ((vine.float().log_prob(drawn, shown) - exact).abs() <= 1e-3 * exact.abs().clamp(min=1)).all()


KINDS = {
    "mixed": [("clayton", 90), ("gumbel", 0), ("frank", 0), ("student", 0), ("bb1", 180)],
    "mixtures": None,
    "conditional": [("clayton", 90), ("frank", 0), ("gaussian", 0)],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mask", [[1, 1, 1, 1], [1, 1, 0, 1], [1, 0, 1, 0]])
def test_gradients_end_to_end(kind, mask):
    """In scores and in every parameter: of densities, conditional draws and draws of all."""
    structure = random_structure(4, 1)
    vine = (
        mixed_vine(structure, 3, KINDS[kind], conditional=kind == "conditional")
        if KINDS[kind]
        else VineCopula(4, structure=structure, families=["gaussian", ("clayton", 0)], correlation=0.5).double()
    )
    mask = torch.tensor(mask).bool()
    names = [name for name, parameter in vine.named_parameters() if parameter.numel()]
    generator = torch.Generator().manual_seed(0)
    start = [dict(vine.named_parameters())[name].detach().clone() for name in names]
    start = [(p + 0.1 * torch.randn(p.shape, generator=generator)).requires_grad_() for p in start]
    w, noise = rows(1, 4, seed=3).requires_grad_(), rows(1, 4, seed=4).requires_grad_()

    def function(w, noise, *parameters):
        chosen = dict(zip([f"vine.{name}" for name in names], parameters, strict=True))
        return torch.func.functional_call(_Calls(vine), chosen, (w, noise, mask))

    assert torch.autograd.gradcheck(function, (w, noise, *start), eps=1e-6, atol=2e-6, rtol=1e-4)


class _Calls(torch.nn.Module):
    def __init__(self, vine):
        super().__init__()
        self.vine = vine

    def forward(self, w, noise, mask):
        density, drawn = self.vine.log_prob(w, mask), self.vine.impute(w, mask, noise=noise)
        if not mask.all():
            return density, drawn
        return density, self.vine.rosenblatt(w), self.vine.inverse_rosenblatt(noise)
