"""What the pattern of missing modalities alone tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from torch import Tensor

from sklar.data import Batch, Rows
from sklar.encoders import mlp
from sklar.models.base import FusionModel, Source
from sklar.models.card import Card
from sklar.models.code import Code, Encoded
from sklar.models.recipe import NO_RECIPE


class MissingnessOnly(FusionModel):
    """A head that sees which modalities a row has and nothing of what they hold.

    What it predicts better than the base rate, any other model can have from the pattern as well: a yardstick for data
    in which what was recorded depends on the outcome. Its unimodal heads, which would see the inputs, are switched off
    whatever the recipe says, and so is the second pass, since a sub-pattern is not what was recorded.

    Args:
        inputs: see `FusionModel`.
        settings: see `FusionModel`.

    References:
        Groenwold, "Informative missingness in electronic health record systems", 2020; Agniel, Kohane, Weber, BMJ 2018.
    """

    name = "missingness_only"
    card: ClassVar[Card] = Card(
        "Agniel, Kohane, Weber, BMJ 2018 (that a test was ordered tells)", recipe=False, needs="nothing of the inputs"
    )

    def __init__(self, inputs: Mapping[str, int | Mapping[str, Any]], **settings: Any) -> None:
        if settings.get("alignment") is not None:
            raise ValueError("missingness_only has no embeddings that could be aligned: leave alignment out")
        recipe = self.recipe_of(settings.get("recipe"))
        settings["recipe"] = replace(NO_RECIPE, draws=recipe.draws, early=recipe.early, blend=recipe.blend)
        super().__init__(inputs, **settings)
        self.head = mlp(len(self.inputs), self.hidden, self.outcome.size, self.dropout)

    def calibrate(self, rows: Rows, seed: int = 0, subpatterns: int = 0) -> None:
        """As `FusionModel.calibrate`, under the rows' own patterns alone: a sub-pattern is not what was recorded."""
        super().calibrate(rows, seed, 0)

    def encode(self, batch: Batch) -> Code:
        """Zeros: the inputs are not looked at."""
        blank = self.anchor.new_zeros(len(batch), self.dim)
        return [Encoded(blank, blank) for _ in self.names]

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """One set of outputs ``(1, B, k)``: nothing is drawn."""
        outputs: Tensor = self.head(2 * observed.to(self.anchor.dtype) - 1)
        return outputs[None]
