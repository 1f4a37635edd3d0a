"""A model trained on complete rows, made to answer incomplete ones by completing its frozen embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from sklar.data import Batch, Rows
from sklar.encoders import Encoder
from sklar.joint import Joint, JointMixture
from sklar.joint.checks import check_observed
from sklar.models.base import ROWS_AT_ONCE, ROWS_TO_START, FusionModel, Source, evaluating
from sklar.models.card import Card
from sklar.models.code import Code, Encoded, present
from sklar.models.fill import FILLS, Drawn, Fill
from sklar.models.noise import Noise
from sklar.models.recipe import NO_RECIPE


class Frozen(FusionModel):
    """Another model trained on complete rows alone; then what a row lacks is filled in among its embeddings.

    The other model predicts from complete rows alone: incomplete training rows are left out of its loss. When it is
    trained, its encoders are frozen, and what completes embeddings (`sklar.models.fill.FILLS`) is fitted to those of
    the training rows, complete ones and others, without labels. The validation rows, on which predictions are
    calibrated and settings chosen, are none of them: a rule that keeps the rows it was fitted to would find each of
    these again, and be sure of what it cannot know of others. A prediction is the other model's, averaged over the
    completions. The default is a mixture of joints with shrunk covariances, from which the missing embeddings are drawn
    given the observed ones; the others are other joints, and the rules that they are to be held against.

    It is the frozen setting with the interface of every other model: the yardstick for what training on incomplete rows
    is worth. Until the fill is fitted, zeros stand for the missing embeddings; early stopping sees validation rows so.

    Args:
        inputs: see `FusionModel`.
        head: the other model, a name in `sklar.models.MODELS`: one that fuses embeddings.
        options: its own settings.
        fill: what completes the embeddings, a name in `FILLS`.
        settings: see `FusionModel`. Of the recipe only ``draws`` and ``jitter`` count: the rest is for incomplete
            rows, or other heads.

    References:
        Little & Rubin, "Statistical Analysis with Missing Data" (2019), multiple imputation; here of embeddings.
    """

    name = "frozen"
    card: ClassVar[Card] = Card(
        "multiple imputation (Little & Rubin, 2019), of the embeddings of a model trained on complete rows",
        departs="imputed by a mixture of Gaussian joints or a simple rule, without the label",
        recipe=False,
        in_training=False,
        space={"recipe.jitter": (1.5, 1.0, 0.5, 0.0)},
    )

    def __init__(
        self,
        inputs: Mapping[str, int | Mapping[str, Any]],
        head: str = "concat",
        options: Mapping[str, Any] | None = None,
        fill: str = "mixture",
        **settings: Any,
    ) -> None:
        from sklar.models import make_model  # the registry, which holds this class

        recipe = self.recipe_of(settings.pop("recipe", None))
        recipe = replace(NO_RECIPE, draws=recipe.draws, jitter=recipe.jitter)
        super().__init__(inputs, recipe=recipe, **settings)
        if head == self.name:
            raise ValueError("frozen cannot be its own head: name the model that is trained on complete rows")
        self.inner = make_model(head, inputs=inputs, recipe=recipe, **settings, **(options or {}))
        if self.inner.card.needs != "embeddings":
            raise ValueError(
                f"frozen completes embeddings, but {head!r} needs {self.inner.card.needs}: choose a head that fuses "
                "embeddings, for instance 'concat'"
            )
        if fill not in FILLS:
            raise ValueError(f"unknown fill {fill!r}; choose one of {list(FILLS)}")
        self.settings |= {"head": head, "options": dict(options or {}), "fill": fill}
        # Encoders, outcome, alignment and noise are the other model's: registered once, known here by plain attributes.
        for part in ("encoders", "outcome", "aligner", "jitter"):
            delattr(self, part)
            object.__setattr__(self, part, getattr(self.inner, part))
        self.fill: Fill | None = None

    @torch.no_grad()
    def start(self, rows: Rows, seed: int = 0) -> None:
        """As `FusionModel.start`, from at most 2,048 complete training rows; a fill fitted before is forgotten.

        Raises:
            ValueError: no training row is complete.
        """
        complete = rows.observed.all(-1).nonzero().flatten().cpu()
        if not len(complete):
            raise ValueError(
                f"none of the {len(rows)} training rows has all of {self.names}: frozen trains on complete rows; leave "
                "out the modality that is never seen with the others, or choose a model that trains on incomplete rows"
            )
        self.fill = None
        order = torch.randperm(len(complete), generator=torch.Generator().manual_seed(seed))
        self.inner.start(rows[complete[order[:ROWS_TO_START]].sort().values], seed)

    def loss(self, batch: Batch, source: Source = None, progress: float = 1.0) -> dict[str, Tensor]:
        """The other model's loss of the complete rows, as their share of all rows: the others add nothing."""
        self._target(batch)
        observed = check_observed(batch.observed, self.names, len(batch), batch.observed.device)
        complete = observed.all(-1)
        if not bool(complete.any()):
            nothing = torch.stack([0 * p.sum() for p in self.inner.parameters() if p.requires_grad]).sum()
            return {"loss": nothing, "head": nothing}
        noise = None if source is None else _of_rows(Noise.of(source), complete.cpu())
        share = complete.double().mean().item()
        terms = self.inner.loss(batch[complete], noise, progress)
        return {name: share * value for name, value in terms.items()}

    @torch.no_grad()
    def finish(self, rows: Rows, validation: Rows, seed: int) -> None:
        """Fit the fill to the embeddings of the training rows; the validation rows are kept for the calibration.

        Raises:
            ValueError: fewer than two of them have some modality (joints).
        """
        fill = self._blank_fill()
        fill.fit(*self._embed(rows), seed)
        self.fill = fill

    def _embed(self, rows: Rows) -> tuple[Tensor, Tensor]:
        """Means of the rows' embeddings ``(n, M, d)``, float64 so that joints are fitted in it, and their mask."""
        parts = []
        for part in torch.arange(len(rows)).split(ROWS_AT_ONCE):
            batch = self.check(rows[part])
            with evaluating(self):
                parts.append((present(self.encode(batch), batch.observed).double(), batch.observed))
        z, observed = (torch.cat(values) for values in zip(*parts, strict=True))
        return z, observed

    def encode(self, batch: Batch) -> Code:
        """As the other model does."""
        return self.inner.encode(batch)

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """The other model's outputs for at most ``draws`` completions of every row; times its own draws, if any."""
        z = present(code, observed)
        completed = z[None] if self.fill is None else self.fill(z, observed, draws)
        (draws, rows), flat = completed.shape[:2], completed.flatten(0, 1)
        scales = [torch.where(seen[:, None], each.log_scale, 0.0) for each, seen in zip(code, observed.T, strict=True)]
        whole = [Encoded(flat[:, m], scale.repeat(draws, 1)) for m, scale in enumerate(scales)]
        outputs = self.inner.outputs(whole, observed.new_ones(len(flat), len(code)), draws, None)
        return outputs.unflatten(1, (draws, rows)).flatten(0, 1)

    def embedding_joint(self) -> Joint | JointMixture | None:
        """The joint from which missing embeddings are drawn, where the fill is one."""
        return self.fill.joint if isinstance(self.fill, Drawn) else None

    def encoder(self, name: str) -> Encoder:
        """The encoder of a modality."""
        return self.inner.encoder(name)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Make the fill that the weights hold, or none, before torch fills it."""
        self.fill = self._blank_fill() if any(name.startswith(f"{prefix}fill.") for name in state_dict) else None
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _blank_fill(self) -> Fill:
        return FILLS[self.settings["fill"]](dict.fromkeys(self.names, self.dim)).to(self.anchor.device)


def _of_rows(noise: Noise, chosen: Tensor) -> Noise:
    """The noise of some of the rows, bool ``(B,)``: what they have in the whole batch."""
    rows = torch.arange(len(chosen)) if noise.rows is None else noise.rows
    return Noise(noise.generator, rows[chosen], noise.total or len(chosen))
