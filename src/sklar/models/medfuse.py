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
        outputs: Tensor = self.head(last_state(self.fusion, present(code, observed), observed))
        return outputs[None]


def last_state(recurrent: nn.LSTM, embeddings: Tensor, observed: Tensor) -> Tensor:
    """Of an LSTM over the embeddings that a row has, in the model's order; zeros where it has none.

    Args:
        recurrent: batch first.
        embeddings: ``(B, M, d)``; what stands where nothing is observed never reaches the state.
        observed: bool ``(B, M or fewer)``, of the first modalities.
    """
    first = torch.argsort(~observed, dim=1, stable=True)  # what is there comes first
    states, _ = recurrent(embeddings.gather(1, first.unsqueeze(-1).expand(-1, -1, embeddings.shape[-1])))
    length = observed.sum(-1)
    last = states[torch.arange(len(length), device=length.device), (length - 1).clamp(min=0)]
    return torch.where(length.unsqueeze(-1) > 0, last, 0.0)
