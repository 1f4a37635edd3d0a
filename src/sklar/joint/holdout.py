"""Comparing candidate distributions by how well they say what is missing from what is observed, on held-out rows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from sklar.copulas.patterns import random_subpattern

SUBPATTERNS = 4  # random sub-patterns of each held-out row


class Holdout:
    """A split of the rows, and the sub-patterns under which every candidate is asked for the rest.

    At least two rows with each modality stay among those to fit.

    Args:
        observed: bool ``(n, M)``.
        share: of the rows to hold out, in (0, 1).
        generator: of the split and the sub-patterns.

    Attributes:
        rest: rows to fit candidates to.
        rows: held-out rows.

    Raises:
        ValueError: a share out of range, or too few rows to hold any out.
    """

    def __init__(self, observed: Tensor, share: float, generator: torch.Generator) -> None:
        if not 0 < share < 1:
            raise ValueError(f"holdout must be a share between 0 and 1, got {share}")
        order = torch.randperm(len(observed), generator=generator).to(observed.device)
        needed = (observed[order].long().cumsum(0) <= 2) & observed[order]
        free = order[~needed.any(-1)]
        count = min(len(free), max(1, round(share * len(order))))
        if count == 0:
            raise ValueError(f"{len(order)} rows are too few to hold some out and compare; name one candidate instead")
        self.rows = free[:count]
        keep = torch.ones(len(order), dtype=torch.bool, device=observed.device)
        keep[self.rows] = False
        self.rest = keep.nonzero().flatten()
        self.shown = observed[self.rows]
        self.parts: list[Tensor] = []
        if bool((self.shown.sum(-1) > 1).any()):
            cpu = self.shown.cpu()
            self.parts = [random_subpattern(cpu, 0.5, generator).to(observed.device) for _ in range(SUBPATTERNS)]

    def score(self, log_prob: Callable[[Tensor, Tensor], Tensor]) -> float:
        """Mean held-out log density of what a sub-pattern leaves out given the sub-pattern, nats a row.

        Where no row has two modalities there is nothing to leave out: then of what is observed.

        Args:
            log_prob: log densities ``(r,)`` of the given rows under the given mask ``(r, M)``.
        """
        whole = log_prob(self.rows, self.shown).mean()
        given = sum(log_prob(self.rows, part).mean() for part in self.parts)
        return float(whole - given / max(1, len(self.parts)))
