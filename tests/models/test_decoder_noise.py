"""The width of the decoders' noise, against scipy's maximum."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp

from sklar.models.decoder_noise import CELLS, noise_factor


@pytest.mark.parametrize("wide", [0.5, 1.0, 3.0])
def test_the_factor_is_the_most_likely_one(wide):
    g = torch.Generator().manual_seed(0)
    gaps = wide * torch.randn(CELLS, generator=g) - 0.4 * torch.randn(5, CELLS, generator=g)

    def minus(log_factor):
        factor = np.exp(log_factor)
        each = logsumexp(-0.5 * (gaps.double().numpy() / factor) ** 2, axis=0) - np.log(5 * factor)
        return -each.sum()

    best = minimize_scalar(minus, bounds=(-2, 2), method="bounded").x
    assert noise_factor(gaps) == pytest.approx(np.exp(best), rel=0.01)


def test_no_cells_no_change():
    assert noise_factor(torch.empty(4, 0)) == 1
