"""A recurrent network over the embeddings that are there."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sklar.models.base import FusionModel, Source
from sklar.models.card import Card
from sklar.models.code import Code, present


class MedFuse(FusionModel):
    """An LSTM reads the embeddings of the modalities that a row has, one after the other; its last state is classified.

    The missing ones are skipped, so that the sequence is as long as the row has modalities. Any number is read in the
    model's order; the paper has two, the time series first.

    Args:
        settings: see `FusionModel`; ``hidden`` is the width of the state.

    References:
        Hayat, Geras, Shamout, "MedFuse: Multi-modal fusion with clinical time-series data and chest X-ray images",
        MLHC 2022, arXiv 2207.07027.
    """

    name = "medfuse"
    card: ClassVar[Card] = Card(
        "Hayat et al., MLHC 2022, arXiv 2207.07027",
        departs="encoders are trained with the fusion, not before it; more than two modalities in the model's order",
    )

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.fusion = nn.LSTM(self.dim, self.hidden, batch_first=True)
        self.head = nn.Sequential(nn.Dropout(self.dropout), nn.Linear(self.hidden, self.outcome.size))

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """One set of outputs ``(1, B, k)``: nothing is drawn."""
        first = torch.argsort(~observed, dim=1, stable=True)  # what is there comes first, in the model's order
        sequence = present(code, observed).gather(1, first[..., None].expand(-1, -1, self.dim))
        states, _ = self.fusion(sequence)
        last = observed.sum(-1) - 1
        outputs: Tensor = self.head(states[torch.arange(len(last), device=last.device), last])
        return outputs[None]
