"""Squeeze and excitation across modalities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sklar.models.base import FusionModel, Source
from sklar.models.card import Card
from sklar.models.code import Code
from sklar.models.masked_tokens import Tokens, average, pool, shown


class MMTM(FusionModel):
    """Every modality's channels are scaled by gates that have seen all modalities; then early fusion.

    With ``s_m`` the mean of a modality's tokens (zeros if it is missing), ``z = ReLU(W [s_1; ...; s_M] + b)`` is the
    joint representation, and each token is multiplied by ``2 sigmoid(W_m z + b_m)``, channel by channel. The encoder
    pools the scaled tokens as it would its own; the embeddings, zeros for the missing, go through one linear layer.

    Departs from the paper: one module, between an encoder's last layers, where the paper has several within two
    convolutional networks; any number of modalities, for which the equations hold as they stand; in the paper nothing
    is missing. The width of ``z`` is the paper's, all widths over ``ratio`` (its released code has twice that).

    Args:
        inputs: see `FusionModel`.
        ratio: how much narrower ``z`` is than all modalities' tokens together.
        settings: see `FusionModel`.

    References:
        Vaezi Joze, Shaban, Iuzzolino, Koishida, "MMTM: Multimodal Transfer Module for CNN Fusion", CVPR 2020, arXiv
        1911.08670, section 3.
    """

    name = "mmtm"
    card: ClassVar[Card] = Card(
        "Vaezi Joze et al., CVPR 2020, arXiv 1911.08670",
        needs="tokens",
        departs="one module a model; any number of modalities; the missing are squeezed to zeros",
        space={"ratio": (4, 2)},
    )

    def __init__(self, inputs: Mapping[str, int | Mapping[str, Any]], ratio: int = 4, **settings: Any) -> None:
        super().__init__(inputs, **settings)
        if ratio < 1:
            raise ValueError(f"ratio must be at least 1, got {ratio}")
        self.settings |= {"ratio": ratio}
        widths = [self.encoder(name).token_width for name in self.names]
        joint = max(sum(widths) // ratio, 1)
        self.squeeze = nn.Linear(sum(widths), joint)
        self.excite = nn.ModuleList(nn.Linear(joint, width) for width in widths)
        self.head = nn.Linear(len(widths) * self.dim, self.outcome.size)

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """One set of outputs ``(1, B, k)``: nothing is drawn."""
        tokens = shown(code, observed)
        joint = torch.relu(self.squeeze(torch.cat([average(each) for each in tokens], -1)))
        embeddings = []
        for name, (values, padding), excite in zip(self.names, tokens, self.excite, strict=True):
            gate = 2 * torch.sigmoid(excite(joint))
            embeddings.append(pool(self.encoder(name), Tokens(values * gate[:, None], padding)))
        outputs: Tensor = self.head(torch.cat(embeddings, -1))
        return outputs[None]
