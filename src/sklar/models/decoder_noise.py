"""How wide the decoders' noise must be for what a model draws to be as uncertain as held-out rows say."""

from __future__ import annotations

import torch
from torch import Tensor

LEAST = 0.05  # factor: noise that is all but gone


def noise_factor(gaps: Tensor) -> float:
    """The factor of all standard deviations with which draws have the spread that the truth has around their mean.

    Where draws and truth have the same distribution, with variance ``V`` of the means over draws and ``c^2`` of the
    noise, the truth is off the mean of ``S`` of the means by ``c^2 + (1 + 1/S) V`` on average, squared. Both sides are
    averaged over the cells. One where there are no cells.

    Args:
        gaps: truth minus the mean of each draw, in the decoder's standard deviations, ``(S, n)``; one draw where all
            are the same.
    """
    count, cells = gaps.shape
    if cells == 0:
        return 1.0
    gaps = gaps.double()
    between = gaps.var(0).mean() if count > 1 else gaps.new_zeros(())
    noise = gaps.mean(0).square().mean() - (1 + 1 / count) * between
    return float(torch.sqrt(noise.clamp(min=LEAST**2)))
