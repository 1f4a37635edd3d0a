"""Tensor fusion: all products of the embeddings' coordinates, in full or as a tensor of low rank."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sklar.models.base import FusionModel, Source
from sklar.models.card import Card
from sklar.models.code import Code

FULL_UP_TO = 3  # modalities whose Kronecker product is formed


class Kronecker(nn.Module):
    """``W vec([1; v_1] x ... x [1; v_M]) + b``, the ``v_m`` linear projections of the embeddings to few coordinates.

    Args:
        modalities: number ``M``.
        dim: embedding width ``d``.
        width: of the projections; embeddings no wider than this are taken as they are.
        outputs: rows of ``W``.
    """

    def __init__(self, modalities: int, dim: int, width: int, outputs: int) -> None:
        super().__init__()
        few = min(dim, width)
        self.projections = nn.ModuleList(nn.Linear(dim, few) if few < dim else nn.Identity() for _ in range(modalities))
        self.linear = nn.Linear((1 + few) ** modalities, outputs)

    def forward(self, z: list[Tensor], observed: Tensor) -> Tensor:
        """Embeddings ``(B, d)`` by modality, the mask ``(B, M)`` -> ``(B, outputs)``."""
        tensor = z[0].new_ones(len(observed), 1)
        for value, projection, shown in zip(z, self.projections, observed.T, strict=True):
            factor = with_one(projection(value), shown)
            tensor = (tensor.unsqueeze(-1) * factor.unsqueeze(-2)).flatten(1)
        outputs: Tensor = self.linear(tensor)
        return outputs


class LowRank(nn.Module):
    """``sum_r prod_m W_m^r [1; z_m] + b``, elementwise: `Kronecker` with ``W`` a sum of ``R`` rank-one tensors.

    Args:
        modalities: number ``M``.
        dim: embedding width ``d``.
        rank: ``R``.
        outputs: rows of each ``W_m^r``.
    """

    def __init__(self, modalities: int, dim: int, rank: int, outputs: int) -> None:
        super().__init__()
        # Constants of +-1 at the start: a product of many factors neither vanishes nor explodes.
        slope = (2 * torch.rand(modalities, rank, outputs, dim) - 1) / math.sqrt(dim)
        constant = 2.0 * torch.randint(2, (modalities, rank, outputs, 1)) - 1
        self.factors = nn.Parameter(torch.cat([constant, slope], -1) * rank ** (-0.5 / modalities))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, z: list[Tensor], observed: Tensor) -> Tensor:
        """See `Kronecker`."""
        each = torch.stack([with_one(value, shown) for value, shown in zip(z, observed.T, strict=True)])
        return torch.einsum("mbi,mroi->mbro", each, self.factors).prod(0).sum(1) + self.bias


def with_one(value: Tensor, shown: Tensor) -> Tensor:
    """``[1; value]``, and ``[1; 0]`` where it is absent: ``(B, d), (B,) -> (B, 1 + d)``."""
    return nn.functional.pad(torch.where(shown.unsqueeze(-1), value, 0.0), (1, 0), value=1.0)


class TensorFusion(FusionModel):
    """One hidden layer over all products of coordinates of ``[1; z_1], ..., [1; z_M]``, an absent one being ``[1; 0]``.

    The leading one keeps the products of every subset of modalities among the terms: a row that lacks some is described
    by the products of those that it has. Up to three modalities the Kronecker product is formed; beyond that the
    layer's weight tensor is a sum of ``rank`` rank-one tensors, and nothing of that size is ever computed. The sum goes
    through ReLU and dropout to a linear output.

    Departs from its sources: embeddings wider than ``width`` are projected to it before the Kronecker product, whose
    size is ``(1 + width)^M``; one hidden layer after it instead of two; the low-rank form has the same layer after it;
    its factors start with constants of +-1 instead of normalised at random. The papers have three modalities, complete.

    Args:
        inputs: see `FusionModel`.
        width: of what enters the Kronecker product.
        rank: of the low-rank form.
        settings: see `FusionModel`.

    References:
        Zadeh et al., "Tensor Fusion Network", EMNLP 2017, arXiv 1707.07250, equation 2; Liu et al., "Efficient
        Low-rank Multimodal Fusion with Modality-Specific Factors", ACL 2018, arXiv 1806.00064, equations 4 to 6.
    """

    name = "tensor_fusion"
    card: ClassVar[Card] = Card(
        "Zadeh et al., EMNLP 2017, arXiv 1707.07250; Liu et al., ACL 2018, arXiv 1806.00064",
        departs="absent: [1; 0]; wide embeddings are projected; low rank beyond three modalities; one hidden layer",
    )

    def __init__(
        self, inputs: Mapping[str, int | Mapping[str, Any]], width: int = 8, rank: int = 4, **settings: Any
    ) -> None:
        super().__init__(inputs, **settings)
        if width < 1 or rank < 1:
            raise ValueError(f"width and rank must be at least 1, got width={width}, rank={rank}")
        self.settings |= {"width": width, "rank": rank}
        count = len(self.inputs)
        self.fusion: nn.Module
        if count <= FULL_UP_TO:
            self.fusion = Kronecker(count, self.dim, width, self.hidden)
        else:
            self.fusion = LowRank(count, self.dim, rank, self.hidden)
        self.head = nn.Sequential(nn.ReLU(), nn.Dropout(self.dropout), nn.Linear(self.hidden, self.outcome.size))

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """One set of outputs ``(1, B, k)``: nothing is drawn."""
        outputs: Tensor = self.head(self.fusion([each.mean for each in code], observed))
        return outputs[None]
