"""The mixture of experts: who is drawn how often, against the formula row by row."""

import pytest
import torch
from latent_cases import PATTERNS, case, divergence, encoded, experts, misfit, rows

from sklar.models.noise import Noise
from sklar.models.shared_latent import shares
from sklar.numerics import quasi_normal


@pytest.mark.parametrize("draws", [6, 16])
def test_each_observed_expert_has_its_share_of_the_draws(draws):
    model, batch = case("mmvae"), rows()
    checked, code = encoded(model, batch)
    found = model.outputs(code, checked.observed, draws, None)
    points = quasi_normal(draws, (1, 4), dtype=torch.float64)
    for row in range(len(batch)):
        own = list(experts(model, batch, row).values())
        heard = [0] * len(own)
        for draw in range(draws):
            speaker = int(draw * len(own) / draws + 1e-9)
            heard[speaker] += 1
            mean, sd = own[speaker]
            assert torch.allclose(found[draw, row], model.head(mean + sd * points[draw, 0]), atol=1e-10)
        assert max(heard) - min(heard) == (0 if draws % len(own) == 0 else 1)


def test_a_prediction_hears_every_modality():
    model, batch = case("mmvae"), rows()
    checked, code = encoded(model, batch)
    assert len(model.outputs(code, checked.observed, 1, None)) == 3


def test_in_training_every_draw_takes_every_expert_with_equal_probability():
    counts = torch.tensor([1, 2, 3, 5]).repeat_interleave(6000)
    drawn = shares(2, counts, Noise(torch.Generator().manual_seed(0)))
    for n in (1, 2, 3, 5):
        own = drawn[:, counts == n]
        assert own.min() == 0
        assert own.max() == n - 1
        for draw in own:  # four standard errors
            assert (torch.bincount(draw, minlength=n) / 6000 - 1 / n).abs().max() < 4 * (0.25 / 6000) ** 0.5
        assert n == 1 or bool((own[0] != own[1]).all())


def test_generative_terms_of_two_experts_are_the_mean_of_both():
    model, batch = case("mmvae", weight=0.7, reconstruction=0.3), rows()
    checked, code = encoded(model, batch)
    certain = [each._replace(log_scale=torch.full_like(each.log_scale, -20.0)) for each in code]
    found = model.regularizer(checked, certain, torch.Generator().manual_seed(5))
    sd = torch.full((4,), -20.0).double().exp()
    for row in (PATTERNS.sum(-1) <= 2).nonzero().flatten().tolist():
        own = [mean for mean, _ in experts(model, batch, row).values()]
        terms = [(*misfit(model, batch, row, mean), divergence(mean, sd)) for mean in own]
        error, density, gap = (sum(each) / len(own) for each in zip(*terms, strict=True))
        assert torch.allclose(found["reconstruction"][row], 0.21 * error, atol=1e-6)
        assert torch.allclose(found["decoder_scale"][row], 0.7 * density, atol=1e-6)
        assert torch.allclose(found["divergence"][row], 0.7 * gap, atol=1e-9)
