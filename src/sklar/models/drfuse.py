"""Representations that the modalities share and those that are each one's own, weighed anew for every output."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import combinations
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity

from sklar.data import Batch
from sklar.encoders import mlp
from sklar.encoders.attention import Transformer
from sklar.models.base import FusionModel, Source
from sklar.models.binary_logits import jensen_shannon, pool_logits
from sklar.models.card import Card
from sklar.models.code import Code
from sklar.models.masked_tokens import Projected, Tokens, average
from sklar.models.outcome import Labels
from sklar.numerics.masking import mean_over


class Fused(NamedTuple):
    """A batch taken apart and put together.

    Attributes:
        shared: what a modality has in common with the others, ``(B, M, W)``.
        items: what the attention chooses among: the ``M`` specific representations, then the pooled shared one,
            ``(B, M + 1, W)``.
        there: which of the items a row has, bool ``(B, M + 1)``; what the others hold means nothing.
        weights: of the items, for each output: ``(B, k, M + 1)``.
        outputs: ``(B, k)``.
    """

    shared: Tensor
    items: Tensor
    there: Tensor
    weights: Tensor
    outputs: Tensor


class DrFuse(FusionModel):
    """Each modality gives a shared and a specific representation; each output attends to all that a row has.

    Two transformers a modality read its tokens, whose means are its specific representation and, through a network
    common to all modalities, its shared one. The shared ones are probabilities of ``W`` binary features by their
    logits: they are pooled as the logit of their mean probability. For each output a key and a common query (the mean
    over what is there) weigh the specific representations and the pooled one. Beside the prediction are trained

    - ``"shared"``: the Jensen-Shannon divergence of two modalities' shared probabilities, in nats;
    - ``"specific"``: the absolute cosine between a modality's shared and specific representation;
    - ``"branches"``: minus the log likelihood of a linear head for each item;
    - ``"ranking"``: ``max(0, a_worse - a_better)``, of two items the one whose head has the smaller loss the better.

    The first and the last are means over the pairs that a row has, the others over its modalities or items; without a
    pair, or without a label where one is needed, they are zero.

    Departs from the paper, which has a time series that is always there and an image: any number of modalities, by the
    means over pairs and modalities, and any missing; branches start at the encoders' tokens; the divergence is that of
    binary variables, whose second outcome the released code leaves out; outputs are labels as in the paper or classes
    or one value, ranked by the label's loss or else the row's; the ranking has no margin, as in the released code, and
    is also used in rows with one modality; the common network has one hidden layer, not two.

    Args:
        inputs: see `FusionModel`; ``hidden`` is the width ``W``.
        layers: of each transformer.
        heads: of their attention; must divide ``hidden``.
        shared, specific, branches, ranking: weights of the terms; all one in the released code.
        settings: see `FusionModel`.

    References:
        Yao, Yin, Cheung, Liu, Qin, "DrFuse: Learning Disentangled Representation for Clinical Multi-Modal Fusion with
        Missing Modality and Modal Inconsistency", AAAI 2024, arXiv 2403.06197.
    """

    name = "drfuse"
    card: ClassVar[Card] = Card(
        "Yao et al., AAAI 2024, arXiv 2403.06197",
        needs="tokens",
        departs="pairs and modalities averaged beyond two; any missing; classes and values as well as labels",
        space={"shared": (1.0, 0.1), "specific": (1.0, 0.1), "ranking": (1.0, 0.1)},
    )

    def __init__(
        self,
        inputs: Mapping[str, int | Mapping[str, Any]],
        layers: int = 1,
        heads: int = 4,
        shared: float = 1.0,
        specific: float = 1.0,
        branches: float = 1.0,
        ranking: float = 1.0,
        **settings: Any,
    ) -> None:
        super().__init__(inputs, **settings)
        self.weights = {"shared": shared, "specific": specific, "branches": branches, "ranking": ranking}
        if layers < 1 or min(self.weights.values()) < 0:
            raise ValueError(f"layers must be at least 1 and weights at least 0, got layers={layers}, {self.weights}")
        self.settings |= {"layers": layers, "heads": heads, **self.weights}
        width, outputs = self.hidden, self.outcome.size

        def transformers() -> nn.ModuleList:
            return nn.ModuleList(Transformer(width, heads, layers, self.dropout) for _ in self.names)

        self.project = Projected([self.encoder(name) for name in self.names], width)
        self.to_shared, self.to_specific = transformers(), transformers()
        self.common = mlp(width, width, width, self.dropout)
        self.heads = nn.ModuleList(nn.Linear(width, outputs) for _ in range(len(self.names) + 1))
        self.attention = nn.Linear(width, (2 + outputs) * width)  # query, value, and a key for each output
        self.last = nn.Linear(width, outputs)

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """One set of outputs ``(1, B, k)``: nothing is drawn."""
        return self.fuse(code, observed).outputs[None]

    def fuse(self, code: Code, observed: Tensor) -> Fused:
        """All the way from tokens to outputs."""
        shared, specific = [], []
        for tokens, *both in zip(self.project(code, observed), self.to_shared, self.to_specific, strict=True):
            first, second = (average(Tokens(run(tokens.values, tokens.attendable), tokens.padding)) for run in both)
            shared.append(self.common(first))
            specific.append(second)
        together = torch.stack(shared, 1)
        items = torch.stack([*specific, pool_logits(together, observed)], 1)
        there = torch.cat([observed, observed.new_ones(len(observed), 1)], 1)
        query, value, *keys = self.attention(items).chunk(2 + self.outcome.size, -1)
        query = torch.where(there[..., None], query, 0.0).sum(1) / there.sum(1, keepdim=True)
        scores = torch.einsum("bw,kbnw->bkn", query, torch.stack(keys)) / math.sqrt(query.shape[-1])
        weights = scores.masked_fill(~there[:, None], -torch.inf).softmax(-1)
        outputs = (weights @ value * self.last.weight).sum(-1) + self.last.bias
        return Fused(together, items, there, weights, outputs)

    def regularizer(self, batch: Batch, code: Code, source: Source) -> dict[str, Tensor]:
        """The four terms named above, weighted, ``(B,)`` each."""
        observed, fused = batch.observed, self.fuse(code, batch.observed)
        pairs = list(combinations(range(len(self.names)), 2))
        cosine = cosine_similarity(fused.shared, fused.items[:, :-1], dim=-1).abs()
        losses = self._losses(batch, fused.items)
        terms = {
            "specific": mean_over(cosine, observed),
            "branches": mean_over(losses.sum(-1), fused.there),
            "ranking": self._ranking(losses.detach(), fused),
        }
        if pairs:
            apart = torch.stack([jensen_shannon(fused.shared[:, i], fused.shared[:, j]) for i, j in pairs], -1)
            both = torch.stack([observed[:, i] & observed[:, j] for i, j in pairs], -1)
            terms["shared"] = mean_over(apart, both)
        return {name: self.weights[name] * value for name, value in terms.items()}

    def _losses(self, batch: Batch, items: Tensor) -> Tensor:
        """Minus the log likelihood of each item's head, by label or of the row: ``(B, M + 1, k or 1)``."""
        outputs = torch.stack([head(items[:, n]) for n, head in enumerate(self.heads)])
        target = self._target(batch)
        if isinstance(self.outcome, Labels):
            single = [self.outcome.log_prob(each.reshape(1, -1, 1), target.reshape(-1, 1)) for each in outputs]
            return -torch.stack([each.reshape(target.shape) for each in single], 1)
        return -torch.stack([self.outcome.log_prob(each[None], target) for each in outputs], 1)[..., None]

    def _ranking(self, losses: Tensor, fused: Fused) -> Tensor:
        first, second = torch.tensor(list(combinations(range(len(self.heads)), 2)), device=losses.device).T
        better = torch.sign(losses[:, second] - losses[:, first]).mT  # than the second is the first
        wrong = torch.relu(better * (fused.weights[..., second] - fused.weights[..., first])).mean(1)
        return mean_over(wrong, fused.there[:, first] & fused.there[:, second])
