"""Noise on the inputs in training, as large as what rows of one class differ by."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sklar.data import Batch
from sklar.models.noise import Noise


class Jitter(nn.Module):
    """Adds normal noise to the numbers of vectors and tables: ``x + amount * spread * noise``, a feature at a time.

    ``spread`` is the standard deviation of a feature within a class, pooled over the classes. What rows of one class
    differ by says little of the class: noise of that size blurs it and leaves what tells classes apart. (Noise on the
    inputs acts as a penalty on the network's derivatives: Bishop, "Training with noise is equivalent to Tikhonov
    regularization", Neural Computation 1995; within a class it is the pooled variance of linear discriminant analysis.)

    Args:
        numbers: of each modality, which places of its last axis are numbers, bool ``(F,)``; None where nothing is
            disturbed.
        amount: standard deviation of the noise in units of ``spread``.
    """

    def __init__(self, numbers: Sequence[Tensor | None], amount: float) -> None:
        super().__init__()
        self.amount = amount
        for m, places in enumerate(numbers):
            self.register_buffer(f"spread_{m}", None if places is None else places.float())
            self.register_buffer(f"numbers_{m}", places, persistent=False)

    def spread(self, m: int) -> Tensor | None:
        """Standard deviations of a modality's features within a class, ``(F,)``; zero for what is no number."""
        found: Tensor | None = getattr(self, f"spread_{m}")
        return found

    @torch.no_grad()
    def start(self, inputs: Sequence[Tensor], observed: Tensor, groups: Tensor) -> None:
        """Fit the spreads to training rows, in place.

        Args:
            inputs: of each modality, ``(B, F)`` where it is disturbed; NaN cells are unknown.
            observed: bool ``(B, M)``; a modality that no row has keeps what it has.
            groups: see `Outcome.groups`.
        """
        for m, x in enumerate(inputs):
            spread, shown = self.spread(m), observed[:, m]
            if spread is not None and bool(shown.any()):
                spread.copy_(within(x[shown], groups[shown]) * getattr(self, f"numbers_{m}"))

    def forward(self, batch: Batch, noise: Noise) -> Batch:
        """A batch (from `FusionModel.check`) with noise on its inputs."""
        inputs = dict(batch.inputs)
        for m, (name, x) in enumerate(batch.inputs.items()):
            spread = self.spread(m)
            if spread is not None and isinstance(x, Tensor) and x.shape[-1]:
                inputs[name] = x + self.amount * spread * noise.normal(tuple(x.shape), 0, x)
        return Batch(inputs, batch.observed, batch.target)


def within(x: Tensor, groups: Tensor) -> Tensor:
    """Pooled standard deviations within groups, ``(n, F), (n,) -> (F,)``; rows of group -1 do not count.

    Without groups of some size (more than half as many groups as rows, or none) it is the one over all rows.
    """
    members = groups >= 0
    known, place = groups[members].unique(return_inverse=True)
    if 2 * len(known) > int(members.sum()) or not bool(members.any()):
        members = torch.ones_like(members)
        known, place = groups.new_zeros(1), torch.zeros_like(groups)
    values = x[members].double()
    there = ~values.isnan()
    values = values.nan_to_num()
    count = values.new_zeros(len(known), values.shape[1]).index_add_(0, place, there.double())
    mean = torch.zeros_like(count).index_add_(0, place, values) / count.clamp(min=1)
    squares = ((values - mean[place]).square() * there).sum(0)
    freedom = (count.sum(0) - (count > 0).sum(0)).clamp(min=1)
    return (squares / freedom).sqrt().to(x)
