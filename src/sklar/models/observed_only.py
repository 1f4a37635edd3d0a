"""A classifier for every pattern, each on what that pattern shows."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sklar.copulas.patterns import Patterns
from sklar.encoders import mlp
from sklar.models.base import FusionModel, Source
from sklar.models.card import Card
from sklar.models.code import Code, present

MOST = 8  # modalities: 255 heads


class ObservedOnly(FusionModel):
    """``2^M - 1`` heads, one a pattern, each on the observed embeddings side by side; the encoders are shared.

    The pattern submodels of Fletcher Mercaldo & Blume, with learned embeddings: nothing is imputed, and no pattern
    bends to suit another. Rows of one pattern go through their head together. The recipe's second pass trains the heads
    of the sub-patterns that it shows.

    A head's last layer starts at zero and is moved by the first step that trains it: one that is still zero has learned
    nothing, and training alone uses it. Otherwise such a pattern is answered by the average of trained heads:
    those that lack the fewest of their inputs, and among these see the most of what is observed, with zeros for what
    they lack. Where sub-patterns were trained, those are the largest of them, which lack nothing.

    Args:
        settings: see `FusionModel`; at most eight modalities.

    References:
        Fletcher Mercaldo & Blume, "Missing data and prediction: the pattern submodel", Biostatistics 21 (2020). There a
        submodel is a regression on raw covariates, and patterns with few rows borrow one fitted to complete rows.
    """

    name = "observed_only"
    card: ClassVar[Card] = Card(
        "Fletcher Mercaldo & Blume, The pattern submodel, Biostatistics 2020",
        departs="embeddings shared by all patterns; a pattern never shown is answered by the nearest that were",
        modalities=f"up to {MOST}",
    )
    masks: Tensor

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        count = len(self.inputs)
        if count > MOST:
            raise ValueError(
                f"{count} modalities have {2**count - 1} patterns, more than can be told apart by a head each: at most "
                f"{MOST} modalities, or another model (concat answers every pattern with one head)"
            )
        # In the order of the pattern read as a binary number, less one.
        masks = ((torch.arange(1, 2**count).unsqueeze(-1) >> torch.arange(count)) & 1).bool()
        self.register_buffer("masks", masks, persistent=False)
        self.heads = nn.ModuleList(
            mlp(int(size) * self.dim, self.hidden, self.outcome.size, self.dropout) for size in masks.sum(-1)
        )
        for head in self.heads:
            for parameter in head[-1].parameters():  # type: ignore[index]
                nn.init.zeros_(parameter)

    @property
    def trained(self) -> Tensor:
        """Which heads have learned something: bool ``(2^M - 1,)``, in the order of ``masks``."""
        biases = torch.stack([head[-1].bias for head in self.heads])  # type: ignore[index]
        return (biases != 0).any(-1)

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """One set of outputs ``(1, B, k)``: nothing is drawn."""
        z = present(code, observed)
        patterns = Patterns(observed, 1)
        order = patterns.index.argsort(stable=True)
        trained = None if self.training else self.trained
        parts = [
            self._answer(z[rows], pattern, trained)
            for pattern, rows in zip(patterns.masks, order.split(patterns.counts.tolist()), strict=True)
        ]
        return torch.cat(parts)[order.argsort()][None]

    def _answer(self, z: Tensor, pattern: Tensor, trained: Tensor | None) -> Tensor:
        """Outputs for rows of one pattern, ``(r, M, d) -> (r, k)``."""
        chosen = self._heads_for(pattern, trained)
        each = torch.stack([self.heads[q](z[:, self.masks[q]].flatten(1)) for q in chosen])
        if len(chosen) == 1:
            return each[0]
        return self.outcome.average(each, torch.ones(len(z), len(chosen), dtype=torch.bool, device=z.device))

    def _heads_for(self, pattern: Tensor, trained: Tensor | None) -> list[int]:
        """Places of the heads that answer a pattern ``(M,)``."""
        own = int((pattern * 2 ** torch.arange(len(pattern), device=pattern.device)).sum()) - 1
        if trained is None or bool(trained[own]) or not bool(trained.any()):
            return [own]
        lacking = (self.masks & ~pattern).sum(-1)
        seen = (self.masks & pattern).sum(-1)
        cost = torch.where(trained, lacking * (1 + len(pattern)) - seen, 2 * MOST**2)
        return (cost == cost.min()).nonzero().flatten().tolist()
