"""A fitted joint that answers as if it knew less: ablations of what is drawn for the missing embeddings."""

from __future__ import annotations

from copy import copy

import torch
from torch import Tensor, nn

from sklar.copulas.base import Copula
from sklar.joint import Joint


class Unconditional(nn.Module):
    """A copula whose draws know nothing of what is observed; several missing modalities are drawn from their joint.

    Args:
        copula: with its parameters, which are shared.
    """

    def __init__(self, copula: Copula) -> None:
        super().__init__()
        self.copula = copula
        self.event_shape = copula.event_shape

    @property
    def anchor(self) -> Tensor:
        """See `Copula.anchor`."""
        return self.copula.anchor

    def impute(self, scores: Tensor, observed: Tensor, noise: Tensor) -> Tensor:
        """See `Copula.impute`."""
        nothing = torch.zeros_like(observed)
        return torch.where(observed, scores, self.copula.impute(torch.zeros_like(scores), nothing, noise=noise))


class Permuted(Unconditional):
    """A paired copula that ties the wrong coordinates: number ``j`` of modality ``m`` stands at ``j + m``.

    What is drawn depends on what is observed, but not as it was learned.
    """

    def impute(self, scores: Tensor, observed: Tensor, noise: Tensor) -> Tensor:
        """See `Copula.impute`; scores ``(..., d, M)``."""
        drawn = self.copula.impute(turned(scores, 1), observed, noise=noise)
        return torch.where(observed, scores, turned(drawn, -1))


def turned(scores: Tensor, direction: int) -> Tensor:
    """Coordinates of modality ``m`` rolled by ``m`` places, ``(..., d, M)``."""
    return torch.stack([each.roll(direction * m, -1) for m, each in enumerate(scores.unbind(-1))], -1)


INFERENCES: dict[str, type[Unconditional] | None] = {
    "conditional": None, "marginal": Unconditional, "permuted": Permuted,
}  # fmt: skip


def ablated(joint: Joint, inference: str) -> Joint:
    """The joint, or one that shares its parameters and draws in another way.

    Args:
        joint: a fitted one.
        inference: a key of `INFERENCES`.
    """
    wrapper = INFERENCES[inference]
    if wrapper is None:
        return joint
    found = copy(joint)
    found._modules = {**joint._modules, "copula": wrapper(joint.copula)}
    return found
