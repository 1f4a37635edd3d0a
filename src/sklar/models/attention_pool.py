"""Attention over the embeddings that are there."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sklar.encoders import mlp
from sklar.models.base import FusionModel, Source
from sklar.models.card import Card
from sklar.models.code import Code, present


class AttentionPool(FusionModel):
    """A weighted mean of the embeddings that a row has, the weights by gated attention; then a head.

    ``a_m`` is proportional to ``exp(w . (tanh(V h_m) * sigmoid(U h_m)))`` with ``h_m`` the embedding plus a learned
    vector of its modality, over the modalities that are there.

    Args:
        settings: see `FusionModel`; ``hidden`` is the width of the attention.

    References:
        Ilse, Tomczak, Welling, "Attention-based deep multiple instance learning", ICML 2018, arXiv 1802.04712, eq. 9.
    """

    name = "attention_pool"
    card: ClassVar[Card] = Card(
        "Ilse et al., ICML 2018, arXiv 1802.04712",
        departs="instances are modalities, each with a learned vector of its own added",
    )

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.kind = nn.Parameter(0.1 * torch.randn(len(self.inputs), self.dim))
        self.direction = nn.Linear(self.dim, self.hidden)
        self.gate = nn.Linear(self.dim, self.hidden)
        self.score = nn.Linear(self.hidden, 1, bias=False)
        self.head = mlp(self.dim, self.hidden, self.outcome.size, self.dropout)

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """One set of outputs ``(1, B, k)``: nothing is drawn."""
        h = present(code, observed) + self.kind
        scores = self.score(torch.tanh(self.direction(h)) * torch.sigmoid(self.gate(h)))[..., 0]
        weights = torch.softmax(scores.masked_fill(~observed, -torch.inf), -1)
        outputs: Tensor = self.head((weights[..., None] * h).sum(1))
        return outputs[None]
