"""The interface of every model, and what all of them share: training losses, prediction, calibration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from sklar.copulas.patterns import random_subpattern
from sklar.data import Batch, Rows
from sklar.encoders import Encoder, make_encoder, mlp
from sklar.joint import Joint, JointMixture
from sklar.joint.checks import check_observed
from sklar.models.alignment import Alignment
from sklar.models.blend import Blend
from sklar.models.card import Card
from sklar.models.code import Code, Encoded
from sklar.models.jitter import Jitter
from sklar.models.noise import Noise, fixed
from sklar.models.outcome import make_outcome
from sklar.models.recipe import Recipe

Source = Noise | torch.Generator | None  # of randomness
ROWS_AT_ONCE = 512  # encoded together where no gradient is needed
ROWS_TO_START = 2048  # training rows from which standardisation is fitted


class Prediction(NamedTuple):
    """What a model says of rows.

    Attributes:
        mean: calibrated class probabilities ``(B, C)``, of labels ``(B, L)``, or the mean ``(B,)``; see `predict`.
        spread: standard deviation of the head's (uncalibrated) predictions over the draws of the embeddings, same
            shape: how much the answer still depends on what is not known. Zero for a model that draws nothing.
    """

    mean: Tensor
    spread: Tensor


class _Halves(NamedTuple):
    """Summaries ``(B, ...)`` of the head and of the mean of the auxiliary heads that see something; raw outputs."""

    head: Tensor
    auxiliary: Tensor
    outputs: Tensor


class FusionModel(nn.Module):
    """A model that predicts a target from any non-empty set of modalities.

    ``loss(batch)`` gives a dict whose ``"loss"`` is to be minimised; ``predict(batch)`` the class probabilities
    ``(B, C)``, the probabilities of the labels ``(B, L)``, or the mean ``(B,)`` for regression. The content of a
    missing input never influences anything.

    Args:
        inputs: what each modality is, by name; the order is that of the mask's columns. A number of features, or an
            encoder's specification ``{"kind": ..., ...}``, see `sklar.encoders`.
        classes: number of classes (classification), or of labels (multilabel).
        task: ``"classification"``, ``"multilabel"`` or ``"regression"``.
        dim: embedding width ``d``.
        hidden: hidden units of encoders, decoders and heads.
        dropout: rate on every hidden layer.
        recipe: the common training; a mapping of its fields, or a `Recipe`.
        alignment: a loss that draws the embeddings of a row together, a name in `ALIGNMENTS`; None for none.
        alignment_weight: its weight.
    """

    name = ""
    card: ClassVar[Card] = Card("")
    training_draws: ClassVar[int] = 2

    def __init__(
        self,
        inputs: Mapping[str, int | Mapping[str, Any]],
        classes: int | None = None,
        task: str = "classification",
        dim: int = 16,
        hidden: int = 256,
        dropout: float = 0.2,
        recipe: Recipe | Mapping[str, Any] | None = None,
        alignment: str | None = None,
        alignment_weight: float = 0.01,
    ) -> None:
        super().__init__()
        if not inputs:
            raise ValueError("a model needs at least one modality")
        if dim < 1 or hidden < 1 or not 0 <= dropout < 1:
            raise ValueError(
                f"dim and hidden must be at least 1 and dropout in [0, 1), got dim={dim}, hidden={hidden}, "
                f"dropout={dropout}"
            )
        self.inputs = {name: what if isinstance(what, int) else dict(what) for name, what in inputs.items()}
        self.dim, self.hidden, self.dropout = dim, hidden, dropout
        self.recipe = self.recipe_of(recipe)
        self.settings: dict[str, Any] = {
            "inputs": self.inputs, "classes": classes, "task": task, "dim": dim, "hidden": hidden, "dropout": dropout,
            "recipe": asdict(self.recipe), "alignment": alignment, "alignment_weight": alignment_weight,
        }  # fmt: skip
        self.outcome = make_outcome(task, classes)
        self.encoders = nn.ModuleList(make_encoder(what, dim, hidden, dropout) for what in self.inputs.values())
        if self.recipe.auxiliary > 0:
            self.auxiliary = nn.ModuleList(mlp(dim, hidden, self.outcome.size, dropout) for _ in self.inputs)
            self.blend = Blend(self.recipe.blend)
        self.jitter = None
        if self.recipe.jitter > 0:
            numbers: list[Tensor | None] = [encoder.numbers for encoder in self.encoders]  # type: ignore[misc]
            self.jitter = Jitter(numbers, self.recipe.jitter)
        self.aligner = None if alignment is None else Alignment(alignment, self.names, dim, points=not self.generates)
        self.alignment_weight = alignment_weight

    @staticmethod
    def recipe_of(given: Recipe | Mapping[str, Any] | None) -> Recipe:
        """A recipe as it is, or from a mapping of some of its fields."""
        return given if isinstance(given, Recipe) else Recipe(**(given or {}))

    @property
    def generates(self) -> bool:
        """Whether the model draws what is missing."""
        return self.card.generates

    @property
    def names(self) -> list[str]:
        """Modality names, in the order of the mask's columns."""
        return list(self.inputs)

    def encoder(self, name: str) -> Encoder:
        """The encoder of a modality."""
        return self.encoders[self.names.index(name)]  # type: ignore[return-value]

    @torch.no_grad()
    def start(self, rows: Rows, seed: int = 0) -> None:
        """Fit standardisation to training rows, in place: encoders' to at most 2,048 of them, chosen by ``seed``.

        Args:
            rows: training rows; a modality that none of them has keeps what it has.
            seed: of the choice.
        """
        if rows.target is not None:
            self.outcome.start(rows.target.to(self.anchor.device))
        batch = self.some(rows, seed)
        for m, name in enumerate(self.names):
            shown = batch.observed[:, m]
            if bool(shown.any()):
                self.encoder(name).start(tensor(batch, name)[shown])
        if self.jitter is not None:
            nowhere = torch.full((len(batch),), -1, device=batch.observed.device)
            groups = nowhere if batch.target is None else self.outcome.groups(batch.target)
            self.jitter.start([tensor(batch, name) for name in self.names], batch.observed, groups)

    def some(self, rows: Rows, seed: int) -> Batch:
        """At most 2,048 of the training rows, chosen by ``seed`` and checked, from which things are started."""
        chosen = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:ROWS_TO_START]
        return self.check(rows[chosen.sort().values])

    # What a model fills in.

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """Raw outputs of the head for each of ``draws`` draws of the embeddings, ``(S, B, k)``.

        Args:
            code: what the encoders gave; anything may stand where a modality is missing.
            observed: bool ``(B, M)``.
            draws: number of draws ``S``.
            source: of the randomness in training; without one, a fixed quasi-random set is used, the same for every
                row of any batch.
        """
        raise NotImplementedError

    def regularizer(self, batch: Batch, code: Code, source: Source) -> dict[str, Tensor]:
        """Terms of the loss beside the prediction, already weighted, a value a row ``(B,)`` each. None by default."""
        return {}

    def finish(self, rows: Rows, validation: Rows, seed: int) -> None:
        """What is done once after training and before calibration, in place; nothing by default.

        Args:
            rows: training rows.
            validation: held-out rows.
            seed: of everything random.
        """

    def embedding_joint(self) -> Joint | JointMixture | None:
        """The joint distribution of the embeddings that the model has learned, which scores how two match; or None."""
        return None

    def generate(
        self, batch: Batch, num_samples: int = 16, generator: torch.Generator | None = None, noise: bool = False
    ) -> dict[str, Tensor]:
        """Draws of the missing inputs' features, ``{name: (S, B, F)}``, by a model whose ``generates`` is true."""
        raise NotImplementedError(f"{type(self).__name__} does not generate inputs")

    def impute_and_generate(
        self, batch: Batch, num_samples: int, generator: torch.Generator
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Draws of all embeddings, ``{name: (S, B, d)}``, and of the features that they stand for, with noise."""
        raise NotImplementedError(f"{type(self).__name__} does not generate inputs")

    # What all models share.

    def loss(self, batch: Batch, source: Source = None, progress: float = 1.0) -> dict[str, Tensor]:
        """Terms of the training loss averaged over the rows, and their sum under ``"loss"``; scalars.

        Args:
            batch: rows; unlabelled ones lack the terms that need a label.
            source: of the randomness. Without one the draws are a fixed set, for validation.
            progress: share of the schedule that is done, 0 to 1.
        """
        batch = self.check(batch)
        noise = None if source is None else Noise.of(source)
        seen = batch if noise is None or self.jitter is None else self.jitter(batch, noise)
        code = self.encode(seen)  # what decoders are to explain is the batch as it was
        factor = 1 + self.recipe.early * max(0.0, 1 - 2 * progress) if self.generates else 1.0
        with full_precision(self.anchor.device):
            terms = dict(self._prediction_terms(batch, code, noise))
            terms |= {name: factor * value for name, value in self.regularizer(batch, code, noise).items()}
            if self.aligner is not None:
                terms["alignment"] = self.alignment_weight * self.aligner(code, batch.observed)
        means = {name: value.mean() for name, value in terms.items()}
        return {"loss": torch.stack(list(means.values())).sum(), **means}

    def _prediction_terms(self, batch: Batch, code: Code, noise: Noise | None) -> dict[str, Tensor]:
        recipe, observed = self.recipe, batch.observed
        target, masks = self._target(batch), {"head": observed}
        if recipe.second_pass > 0:
            masks["second_pass"] = subpattern(observed, recipe.drop, noise)
        if recipe.single > 0:
            masks["single"] = subpattern(observed, 1.0, noise)
        repeated = [each.repeated(len(masks)) for each in code] if len(masks) > 1 else code
        parts = self.outputs(repeated, torch.cat(list(masks.values())), self.training_draws, noise)
        found = dict(zip(masks, parts.chunk(len(masks), dim=1), strict=True))
        first, terms = found["head"], {}
        if recipe.second_pass > 0:
            second, anchor = found["second_pass"], self.outcome.summary(first).detach()
            terms["second_pass"] = -recipe.second_pass * self.outcome.log_prob(second, target)
            gap = self.outcome.divergence(anchor, self.outcome.summary(second))
            terms["consistency"] = recipe.consistency * gap
        if recipe.single > 0:
            terms["single"] = -recipe.single * observed.sum(-1) * self.outcome.log_prob(found["single"], target)
        terms["head"] = -(1 - recipe.second_pass) * self.outcome.log_prob(first, target)
        if recipe.auxiliary > 0:
            each = [self.outcome.log_prob(head(mean)[None], target) for head, mean in self._unimodal(code)]
            terms["auxiliary"] = -recipe.auxiliary * (torch.stack(each, -1) * observed).sum(-1)
        return terms

    def predict(self, batch: Batch, num_samples: int | None = None) -> Tensor:
        """Class probabilities ``(B, C)``, of labels ``(B, L)``, or the mean ``(B,)``, from what each row has.

        Args:
            batch: rows; targets are not needed.
            num_samples: draws to average over, by default those of the recipe, from a fixed quasi-random set.
        """
        return self.predict_with_spread(batch, num_samples).mean

    @torch.no_grad()
    def predict_with_spread(self, batch: Batch, num_samples: int | None = None) -> Prediction:
        """`predict`, and the spread of the predictions over the draws; whatever the mode."""
        halves = self._halves(self.check(batch), num_samples)
        summary, outputs = self._summary(halves), halves.outputs
        observed = batch.observed.to(summary.device)
        single = self.outcome.summary(outputs.flatten(0, 1)[None])  # a summary a draw
        each = self.outcome.values(single).unflatten(0, outputs.shape[:2])
        return Prediction(self.outcome.prediction(summary, observed), each.std(0, correction=0))

    @torch.no_grad()
    def calibrate(self, rows: Rows, seed: int = 0, subpatterns: int = 4) -> None:
        """Fit the calibration ``exp(a + b log n_observed)`` on held-out rows, in place; and the auxiliary heads' share.

        Args:
            rows: held-out rows with labels.
            seed: of the random sub-patterns under which each row is seen as well as under its own.
            subpatterns: how many of them.
        """
        generator = torch.Generator().manual_seed(seed)
        own = rows.observed.cpu()
        masks = [own, *(random_subpattern(own, 0.5, generator) for _ in range(subpatterns))]
        found: list[list[tuple[Tensor, Tensor]]] = [[] for _ in masks]
        targets = []
        for part in torch.arange(len(own)).split(ROWS_AT_ONCE):
            batch = self.check(rows[part])
            targets.append(self._target(batch))
            code = self._code(batch)
            for mask, under in zip(masks, found, strict=True):
                under.append(self._halves(batch.see(mask[part]), None, code)[:2])
        head, heads = (torch.cat(each) for each in zip(*(pair for under in found for pair in under), strict=True))
        observed, target, summary = torch.cat(masks).to(head.device), torch.cat(targets * len(masks)), head
        if self.recipe.auxiliary > 0:
            self.blend.choose(self.outcome, head, heads, observed, target)
            summary = self.blend(self.outcome, head, heads)
        self.outcome.calibrate(summary, observed, target)

    @torch.no_grad()
    def summary(self, batch: Batch, num_samples: int | None = None) -> Tensor:
        """Uncalibrated predictive distribution, the head blended with the mean of the observed auxiliary heads."""
        return self._summary(self._halves(self.check(batch), num_samples))

    def _code(self, batch: Batch) -> Code:
        with evaluating(self):
            return self.encode(batch)

    def _halves(self, batch: Batch, num_samples: int | None, code: Code | None = None) -> _Halves:
        """What a prediction is made of; ``code`` where the rows were encoded before."""
        if num_samples is not None and num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        code = self._code(batch) if code is None else code
        with evaluating(self), full_precision(batch.observed.device):
            outputs = self.outputs(code, batch.observed, num_samples or self.recipe.draws, None)
            head = self.outcome.summary(outputs)
            if self.recipe.auxiliary == 0:
                return _Halves(head, head, outputs)
            each = torch.stack([self.outcome.summary(head(mean)[None]) for head, mean in self._unimodal(code)], 1)
        shown = batch.observed.reshape(*batch.observed.shape, *[1] * (each.ndim - 2))
        return _Halves(head, torch.where(shown, each, 0.0).sum(1) / shown.sum(1), outputs)

    def _summary(self, halves: _Halves) -> Tensor:
        return self.blend(self.outcome, halves.head, halves.auxiliary) if self.recipe.auxiliary > 0 else halves.head

    def _unimodal(self, code: Code) -> list[tuple[nn.Module, Tensor]]:
        return [(head, each.mean) for head, each in zip(self.auxiliary, code, strict=True)]

    def encode(self, batch: Batch) -> Code:
        """Every modality's embedding, and its tokens where the model needs them, from the rows that have it.

        Args:
            batch: from `check`.
        """
        return [self._encode(m, tensor(batch, name), batch.observed[:, m]) for m, name in enumerate(self.names)]

    def _encode(self, m: int, x: Tensor, shown: Tensor) -> Encoded:
        encoder: Encoder = self.encoders[m]  # type: ignore[assignment]
        blank = self.anchor.new_zeros(len(shown), self.dim)
        inside = self.card.needs == "tokens"
        if not bool(shown.any()):
            if not inside:
                return Encoded(blank, blank)
            tokens = blank.new_zeros(len(shown), 1, encoder.token_width)
            return Encoded(blank, blank, tokens, shown.new_ones(len(shown), 1))
        whole = bool(shown.all())
        given = x if whole else x[shown]
        found = self._with_tokens(encoder, given) if inside else Encoded(*encoder(given))
        return found.to(blank) if whole else found.to(blank).placed(shown)

    @staticmethod
    def _with_tokens(encoder: Encoder, x: Tensor) -> Encoded:
        tokens, padding = encoder.tokens(x)
        return Encoded(*encoder.posterior(encoder.pool(tokens, padding)), tokens, padding)

    def features(self, batch: Batch, name: str) -> tuple[Tensor, Tensor]:
        """What a decoder explains of a modality (see `Encoder.features`), and which of it is known; ``(B, F)`` each.

        Args:
            batch: from `check`; nothing is known of rows that lack the modality.
            name: of the modality.
        """
        encoder, shown = self.encoder(name), batch.observed[:, self.names.index(name)]
        if bool(shown.all()):
            return encoder.features(tensor(batch, name))
        values = self.anchor.new_zeros(len(batch), len(encoder.scaling.mean))
        known = torch.zeros_like(values, dtype=torch.bool)
        if bool(shown.any()):
            values[shown], known[shown] = encoder.features(tensor(batch, name)[shown])
        return values, known

    @property
    def anchor(self) -> Tensor:
        """A parameter, which has the dtype and the device of the model."""
        return next(self.parameters())

    def _target(self, batch: Batch) -> Tensor:
        if batch.target is None:
            raise ValueError("this batch has no targets; mark single unlabelled rows with -1 (NaN for regression)")
        self.outcome.check(batch.target)
        return batch.target

    def check(self, batch: Batch) -> Batch:
        """The batch with its modalities in the model's order and missing inputs set to zero.

        Raises:
            KeyError: a modality unknown to the model, or one that the batch lacks.
            ValueError: another width, a row with nothing observed, NaN or infinity in an observed input.
            TypeError: a mask that is not boolean.
        """
        for name in batch.inputs:
            if name not in self.inputs:
                raise KeyError(f"unknown modality {name!r}; this model has {self.names}")
        device = self.anchor.device
        target = None if batch.target is None else batch.target.to(device)
        if target is not None and len(target) != len(batch):
            raise ValueError(f"the batch has {len(batch)} rows but {len(target)} targets")
        observed = check_observed(batch.observed, self.names, len(batch), device)
        inputs = {}
        for m, name in enumerate(self.names):
            if name not in batch.inputs:
                if bool(observed[:, m].any()):
                    raise KeyError(f"the batch has no modality {name!r}, though some row has it by its mask")
                inputs[name] = observed.new_empty(len(batch), 0)  # nobody reads it
                continue
            inputs[name] = self.encoder(name).read(batch.inputs[name], observed[:, m], name)
        return Batch(inputs, observed, target)


def tensor(batch: Batch, name: str) -> Tensor:
    """An input of a checked batch, which is a tensor."""
    return batch.inputs[name]  # type: ignore[return-value]


def subpattern(observed: Tensor, drop: float, noise: Noise | None) -> Tensor:
    """`random_subpattern` from a training step's noise; without any, always the same one."""
    return random_subpattern(observed, drop, order=fixed(noise).uniform(tuple(observed.shape), 0, observed.device))


def full_precision(device: torch.device) -> torch.autocast:
    """No mixed precision within the block: densities and their inverses need their digits."""
    return torch.autocast(device.type, enabled=False)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode within the block, the mode that it had afterwards."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
