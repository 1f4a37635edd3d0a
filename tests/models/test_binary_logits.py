"""Pooled logits and the divergence of binary variables, against closed forms."""

import torch

from sklar.models.binary_logits import jensen_shannon, pool_logits


def test_pooled_logits_of_two_are_the_papers_and_of_one_itself():
    a, b = torch.randn(2, 5, 7, generator=torch.Generator().manual_seed(0)).double()
    both = torch.ones(5, 2, dtype=torch.bool)
    expected = torch.log((2 * (a + b).exp() + a.exp() + b.exp()) / (2 + a.exp() + b.exp()))
    pair = torch.stack([a, b], 1)
    assert torch.allclose(pool_logits(pair, both), expected)
    both[:, 1] = False
    assert torch.allclose(pool_logits(pair, both), a)


def test_divergence_is_between_zero_and_log_two_and_finite_far_out():
    a = torch.tensor([[0.3, -2.0], [200.0, 2000.0]]).requires_grad_()
    same, far = jensen_shannon(a, a), jensen_shannon(a, -a)
    assert same.abs().max() < 1e-6
    assert torch.allclose(far[1], 2 * torch.tensor(2.0).log())
    assert 0 < far[0] < far[1]
    assert torch.isfinite(torch.autograd.grad(far.sum(), a)[0]).all()
