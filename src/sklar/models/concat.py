"""The plain rival: concatenate what is there, zeros for what is not."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor

from sklar.encoders import mlp
from sklar.models.base import FusionModel, Source
from sklar.models.card import Card
from sklar.models.code import Code, present


class Concat(FusionModel):
    """Embeddings concatenated, zeros for the missing, the mask appended, one head; modality dropout by the recipe.

    The oldest remedy and a strong one (Neverova et al., "ModDrop", 2016): a head that has seen missing modalities in
    training learns to do without them. Embeddings are the encoders' means.

    Args:
        settings: see `FusionModel`.
    """

    name = "concat"
    card: ClassVar[Card] = Card(
        "Neverova et al., ModDrop, TPAMI 2016, arXiv 1501.00102",
        departs="the mask is given to the head; no gradual schedule of the fusion",
    )

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        count = len(self.inputs)
        self.head = mlp(count * self.dim + count, self.hidden, self.outcome.size, self.dropout)

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """One set of outputs ``(1, B, k)``: nothing is drawn."""
        given = present(code, observed).flatten(1)
        outputs: Tensor = self.head(torch.cat([given, observed.to(given)], dim=-1))
        return outputs[None]
