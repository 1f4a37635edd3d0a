"""Training rows that borrow the modalities they lack from rows of their class."""

from __future__ import annotations

import torch
from torch import Tensor

from sklar.data import Batch, Rows
from sklar.models.noise import Noise


class Lender:
    """Batches of training rows, filled up: what a row lacks may be another row's that has the same target.

    Each row draws a rate, uniform between 0 and ``rate``, and borrows each modality that it lacks with that probability
    from a row drawn from all those of its group that have it, a modality for itself. Within a group what is lent is
    independent of the rest of the row: pairs of modalities that no row has together are learned from as if they were
    independent given the target, and that a modality is there tells less of the target than it did. Unlabelled rows
    neither lend nor borrow. A row that lends is read whole.

    Args:
        rows: training rows.
        names: the modalities, in the order of the mask's columns.
        groups: of each row, see `Outcome.groups`, ``(n,)``.
        rate: largest probability of borrowing.
    """

    def __init__(self, rows: Rows, names: list[str], groups: Tensor, rate: float) -> None:
        self.rows, self.names, self.rate = rows, names, rate
        observed, self.groups = rows.observed.cpu(), groups.cpu()
        count = max(1, int(self.groups.max()) + 1)
        # Of each modality: the rows that have it, by group; where a group's begin among them, and how many there are.
        self.lenders, self.first, self.number = [], [], []
        for m in range(len(names)):
            able = (observed[:, m] & (self.groups >= 0)).nonzero().flatten()
            able = able[self.groups[able].argsort(stable=True)]
            number = torch.bincount(self.groups[able], minlength=count)
            self.lenders.append(able)
            self.number.append(number)
            self.first.append(number.cumsum(0) - number)

    def __call__(self, chosen: Tensor, noise: Noise) -> Batch:
        """The chosen rows ``(B,)``, with what they have borrowed."""
        shape, device = (len(chosen), len(self.names)), chosen.device
        rates = self.rate * noise.uniform((len(chosen), 1), 0, device)
        wants = noise.uniform(shape, 0, device) < rates
        which = noise.uniform(shape, 0, device).double()
        group, lacks = self.groups[chosen], ~self.rows.observed[chosen].cpu()
        sources, borrowed = [], []
        for m, (lenders, first, number) in enumerate(zip(self.lenders, self.first, self.number, strict=True)):
            source = chosen.clone()
            able = (group >= 0) & (number[group.clamp(min=0)] > 0)
            takes = able & wants[:, m] & lacks[:, m]
            there = number[group[takes]]
            source[takes] = lenders[first[group[takes]] + (which[takes, m] * there).long().minimum(there - 1)]
            sources.append(source)
            borrowed.append(takes)
        needed, where = torch.stack([chosen, *sources]).unique(return_inverse=True)
        found = self.rows[needed]
        own = found[where[0]]
        inputs = {name: x[where[1 + self.names.index(name)]] for name, x in found.inputs.items() if name in self.names}
        return Batch(inputs, own.observed | torch.stack(borrowed, -1).to(own.observed.device), own.target)
