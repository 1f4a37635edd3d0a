"""How wide the decoders' noise must be for what a model draws to be as uncertain as held-out rows say."""

from __future__ import annotations

import math

import torch
from torch import Tensor

CELLS = 4096  # of a modality, chosen at random, are enough to say it
LOWEST, HIGHEST = -1.5, 2.0  # log factors looked at


def noise_factor(gaps: Tensor) -> float:
    """The factor of all standard deviations with the highest likelihood of held-out cells under an equal mixture.

    ``sum_n log 1/S sum_s N(gap_sn; 0, c^2)``, maximised over ``c`` by a grid of 36 and a finer one of 21 around its
    best; one where there are no cells.

    Args:
        gaps: truth minus the mean of each draw, in the decoder's standard deviations, ``(S, n)``.
    """
    if gaps.shape[1] == 0:
        return 1.0
    places = torch.randperm(gaps.shape[1], generator=torch.Generator().manual_seed(0))[:CELLS]
    squares = 0.5 * gaps[:, places.to(gaps.device)].double().square()

    def likelihood(log_factor: float) -> float:
        return float(torch.logsumexp(-squares * math.exp(-2 * log_factor), 0).mean()) - log_factor

    best, step = 0.0, 0.1
    for candidates in (torch.arange(LOWEST, HIGHEST + step / 2, step), torch.linspace(-step, step, 21)):
        found = [best + float(each) for each in candidates]
        best = max(found, key=likelihood)
    return math.exp(best)
