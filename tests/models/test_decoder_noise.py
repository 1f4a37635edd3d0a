"""The width of the decoders' noise: a known one is found again."""

import pytest
import torch

from sklar.models.decoder_noise import LEAST, noise_factor


@pytest.mark.parametrize("spread", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("noise", [0.5, 1.0, 3.0])
@pytest.mark.parametrize("draws", [2, 8])
def test_the_noise_of_the_truth_is_found_whatever_the_draws_spread(spread, noise, draws):
    g = torch.Generator().manual_seed(0)
    cells = 40_000
    center = 5 * torch.randn(cells, generator=g)
    means = center + spread * torch.randn(draws, cells, generator=g)
    truth = center + spread * torch.randn(cells, generator=g) + noise * torch.randn(cells, generator=g)
    assert noise_factor(truth - means) == pytest.approx(noise, rel=0.01 + 0.03 * (spread / noise) ** 2)


def test_no_cells_no_change_and_no_noise_is_nearly_none():
    assert noise_factor(torch.empty(4, 0)) == 1
    assert noise_factor(torch.randn(4, 1000)) == LEAST
    assert noise_factor(torch.full((1, 9), 2.0)) == 2
