"""One modality's features scaled and shifted by what the others say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sklar.models.base import FusionModel, Source
from sklar.models.card import Card
from sklar.models.code import Code
from sklar.models.masked_tokens import Tokens, average, pool, shown


class DAFT(FusionModel):
    """Every modality's tokens go through an affine map, channel by channel, that depends on all modalities.

    With ``s_m`` the mean of a modality's tokens (zeros if it is missing), an auxiliary network without biases gives
    ``[alpha_m; beta_m] = V_m ReLU(U_m [s_1; ...; s_M])``, and each token ``f`` becomes ``f + alpha_m f + beta_m``. A
    row without any other modality keeps its tokens as they are. The encoder pools them; the embeddings, zeros for the
    missing, go through one linear layer.

    Departs from the paper: there a table changes an image's features, here each modality those of every other, which
    is also how it is extended to more than two; the table is given by the mean of its tokens; the residual connection
    that the paper's block has around the map and its convolution is around the map alone; nothing is missing there.

    Args:
        inputs: see `FusionModel`.
        bottleneck: hidden units of each auxiliary network.
        settings: see `FusionModel`.

    References:
        Pölsterl, Wolf, Wachinger, "Combining 3D Image and Tabular Data via the Dynamic Affine Feature Map Transform",
        MICCAI 2021, arXiv 2107.05990, equation 1.
    """

    name = "daft"
    card: ClassVar[Card] = Card(
        "Pölsterl et al., MICCAI 2021, arXiv 2107.05990",
        needs="tokens",
        departs="each modality is changed given all others that are there; the map is residual, alone the identity",
        space={"bottleneck": (16, 32)},
    )

    def __init__(self, inputs: Mapping[str, int | Mapping[str, Any]], bottleneck: int = 16, **settings: Any) -> None:
        super().__init__(inputs, **settings)
        if bottleneck < 1:
            raise ValueError(f"bottleneck must be at least 1, got {bottleneck}")
        self.settings |= {"bottleneck": bottleneck}
        widths = [self.encoder(name).token_width for name in self.names]
        self.affine = nn.ModuleList(
            nn.Sequential(
                nn.Linear(sum(widths), bottleneck, bias=False), nn.ReLU(), nn.Linear(bottleneck, 2 * width, bias=False)
            )
            for width in widths
        )
        self.head = nn.Linear(len(widths) * self.dim, self.outcome.size)

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """One set of outputs ``(1, B, k)``: nothing is drawn."""
        tokens = shown(code, observed)
        squeezed = torch.cat([average(each) for each in tokens], -1)
        alone = (observed.sum(-1) < 2)[:, None]
        embeddings = []
        for name, (values, padding), affine in zip(self.names, tokens, self.affine, strict=True):
            scale, shift = torch.where(alone, 0.0, affine(squeezed))[:, None].chunk(2, -1)
            embeddings.append(pool(self.encoder(name), Tokens(values + scale * values + shift, padding)))
        outputs: Tensor = self.head(torch.cat(embeddings, -1))
        return outputs[None]
