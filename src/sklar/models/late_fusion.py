"""Every modality predicts by itself; the predictions are combined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sklar.encoders import mlp
from sklar.models.base import FusionModel, Source
from sklar.models.card import Card
from sklar.models.code import Code, present

RULES = ("average", "product")


class LateFusion(FusionModel):
    """A head a modality; the predictions of those that a row has are averaged, or multiplied and normalised.

    ``"average"`` is the linear opinion pool (for several labels, label by label; for regression the mean).
    ``"product"`` is a product of experts: log probabilities are summed, so that agreement makes sure; for regression
    experts of one standard deviation have the mean for their product.

    Args:
        inputs: see `FusionModel`.
        rule: ``"average"`` or ``"product"``.
        settings: see `FusionModel`.

    References:
        Kittler et al., "On combining classifiers", TPAMI 1998 (sum and product rules); Hinton, "Training products of
        experts by minimizing contrastive divergence", Neural Computation 2002.
    """

    card: ClassVar[Card] = Card(
        "Kittler et al., TPAMI 1998; Hinton, Neural Computation 2002",
        departs="the experts are trained together, through their combination",
    )

    def __init__(self, inputs: Mapping[str, int | Mapping[str, Any]], rule: str = "average", **settings: Any) -> None:
        super().__init__(inputs, **settings)
        if rule not in RULES:
            raise ValueError(f"unknown rule {rule!r}; choose 'average' or 'product'")
        self.rule, self.name = rule, f"late_{rule}"
        self.heads = nn.ModuleList(mlp(self.dim, self.hidden, self.outcome.size, self.dropout) for _ in self.inputs)

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """One set of outputs ``(1, B, k)``: nothing is drawn."""
        z = present(code, observed).unbind(1)
        each = torch.stack([head(one) for head, one in zip(self.heads, z, strict=True)])
        combine = self.outcome.average if self.rule == "average" else self.outcome.product
        return combine(each, observed)[None]
