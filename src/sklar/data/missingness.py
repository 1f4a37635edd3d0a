"""Mechanisms that remove modalities."""

from __future__ import annotations

import torch
from torch import Tensor


def completely_at_random(rows: int, modalities: int, rate: float, generator: torch.Generator) -> Tensor:
    """Each value of each row removed with probability ``rate``, independently (MCAR); rows left empty are redrawn.

    Args:
        rows: number of rows.
        modalities: number of modalities ``M``.
        rate: probability of removal before the redraw, in [0, 1).
        generator: source of the randomness.

    Returns:
        Mask of what is observed, bool ``(rows, M)``, each row with at least one True.

    Raises:
        ValueError: a rate outside [0, 1).
    """
    if not 0 <= rate < 1:
        raise ValueError(f"the missing rate must be in [0, 1), got {rate}")
    observed = torch.rand(rows, modalities, generator=generator) >= rate
    while bool((empty := ~observed.any(-1)).any()):
        observed[empty] = torch.rand(int(empty.sum()), modalities, generator=generator) >= rate
    return observed
