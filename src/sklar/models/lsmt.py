"""One transformer over the tokens of all modalities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sklar.encoders.attention import TimeEncoding, Transformer
from sklar.models.base import FusionModel, Source
from sklar.models.card import Card
from sklar.models.code import Code
from sklar.models.masked_tokens import Projected


class LSMT(FusionModel):
    """The tokens of all modalities in one sequence behind a class token, which a linear layer classifies.

    A token is projected to the common width; a learned vector of its modality and an encoding of its place within the
    modality are added. Missing modalities and padding are masked from the attention, so that any pattern is a shorter
    sequence and any number of modalities a longer one; the class token is always there.

    Departs from the paper: every modality's tokens come from its encoder, where the paper brings a time series to few
    tokens by latent queries of its own; modalities are marked by vectors; the missing are masked, where the paper's
    code sets the inputs to zero; its modality dropout is the common recipe's.

    Args:
        inputs: see `FusionModel`; ``hidden`` is the width of the tokens.
        layers: of the transformer.
        heads: of its attention; must divide ``hidden``.
        settings: see `FusionModel`.

    References:
        Khader et al., "Medical Diagnosis with Large Scale Multimodal Transformers: Leveraging Diverse Data for More
        Accurate Diagnosis", 2022, arXiv 2212.09162.
    """

    name = "lsmt"
    card: ClassVar[Card] = Card(
        "Khader et al., 2022, arXiv 2212.09162",
        needs="tokens",
        departs="tokens are the encoders' own, not latent queries'; modality vectors; the missing are masked",
        space={"layers": (2, 1)},
    )

    def __init__(
        self, inputs: Mapping[str, int | Mapping[str, Any]], layers: int = 2, heads: int = 4, **settings: Any
    ) -> None:
        super().__init__(inputs, **settings)
        if layers < 1:
            raise ValueError(f"layers must be at least 1, got {layers}")
        self.settings |= {"layers": layers, "heads": heads}
        self.project = Projected([self.encoder(name) for name in self.names], self.hidden)
        self.kind = nn.Parameter(0.02 * torch.randn(len(self.names), self.hidden))
        self.place = TimeEncoding(self.hidden, shortest=2.0)  # periods in tokens, not hours
        self.cls = nn.Parameter(0.02 * torch.randn(self.hidden))
        self.transformer = Transformer(self.hidden, heads, layers, self.dropout)
        self.head = nn.Linear(self.hidden, self.outcome.size)

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """One set of outputs ``(1, B, k)``: nothing is drawn."""
        rows = len(observed)
        sequence = [self.cls.expand(rows, 1, -1)]
        padding = [observed.new_zeros(rows, 1)]
        for tokens, kind in zip(self.project(code, observed), self.kind, strict=True):
            place = torch.arange(tokens.values.shape[1], device=kind.device).to(kind)
            sequence.append(tokens.values + kind + self.place(place))
            padding.append(tokens.padding)
        states = self.transformer(torch.cat(sequence, 1), torch.cat(padding, 1))
        outputs: Tensor = self.head(states[:, 0])
        return outputs[None]
