"""Concatenation and one linear classifier."""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from sklar.models.base import FusionModel, Source
from sklar.models.card import Card
from sklar.models.code import Code, present


class Unified(FusionModel):
    """Embeddings concatenated, zeros for the missing, one linear classifier: early fusion at its plainest.

    Unlike `Concat` it is not told which modalities are there and has no hidden layer.

    Args:
        settings: see `FusionModel`.

    References:
        Hayat, Geras, Shamout, "MedFuse", MLHC 2022, arXiv 2207.07027, where it is the baseline of that name.
    """

    name = "unified"
    card: ClassVar[Card] = Card(
        "Hayat et al., MLHC 2022, arXiv 2207.07027 (baseline)", departs="trained at once, no encoders trained before"
    )

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.head = nn.Linear(len(self.inputs) * self.dim, self.outcome.size)

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """One set of outputs ``(1, B, k)``: nothing is drawn."""
        outputs: Tensor = self.head(present(code, observed).flatten(1))
        return outputs[None]
