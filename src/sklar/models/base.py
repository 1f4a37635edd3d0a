"""The interface of every model, and the training recipe that all of them share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from sklar.copulas.patterns import random_subpattern
from sklar.data import Batch
from sklar.encoders import MLPEncoder, mlp
from sklar.joint.checks import check_observed, only_observed
from sklar.models.outcome import make_outcome


@dataclass(frozen=True)
class Recipe:
    """What is not part of a method's own idea: the common training, offered to every model.

    Attributes:
        second_pass: weight of a second prediction, from a random sub-pattern of what each row has; the first has the
            rest. Zero switches it off.
        drop: probability with which a modality is left out of the second pass.
        consistency: weight of the divergence of the second prediction from the first (held fixed).
        auxiliary: weight of the heads that see one modality each; with zero they are neither trained nor blended in.
    """

    second_pass: float = 0.5
    drop: float = 0.3
    consistency: float = 0.5
    auxiliary: float = 0.3


NO_RECIPE = Recipe(second_pass=0.0, consistency=0.0, auxiliary=0.0)

Code = list[tuple[Tensor, Tensor]]  # mean and log standard deviation of each modality's embedding, (B, d) each


class FusionModel(nn.Module):
    """A model that predicts a target from any non-empty set of modalities.

    ``loss(batch)`` gives a dict whose ``"loss"`` is to be minimised; ``predict(batch)`` the class probabilities
    ``(B, C)``, or the mean ``(B,)`` for regression. The content of a missing input never influences anything.

    Args:
        inputs: number of features of each modality, by name; the order is that of the mask's columns.
        classes: number of classes (classification).
        task: ``"classification"`` or ``"regression"``.
        dim: embedding width ``d``.
        hidden: hidden units of encoders, decoders and heads.
        dropout: rate on every hidden layer.
        recipe: the common training; a mapping of its fields, or a `Recipe`.
    """

    name = ""
    generates = False

    def __init__(
        self,
        inputs: Mapping[str, int],
        classes: int | None = None,
        task: str = "classification",
        dim: int = 16,
        hidden: int = 64,
        dropout: float = 0.1,
        recipe: Recipe | Mapping[str, float] | None = None,
    ) -> None:
        super().__init__()
        if not inputs:
            raise ValueError("a model needs at least one modality")
        self.inputs = dict(inputs)
        self.dim, self.hidden, self.dropout = dim, hidden, dropout
        self.recipe = recipe if isinstance(recipe, Recipe) else Recipe(**(recipe or {}))
        self.settings: dict[str, Any] = {
            "inputs": self.inputs, "classes": classes, "task": task, "dim": dim, "hidden": hidden, "dropout": dropout,
            "recipe": asdict(self.recipe),
        }  # fmt: skip
        self.outcome = make_outcome(task, classes)
        self.encoders = nn.ModuleList(MLPEncoder(n, dim, hidden, dropout) for n in self.inputs.values())
        if self.recipe.auxiliary > 0:
            self.auxiliary = nn.ModuleList(mlp(dim, hidden, self.outcome.size, dropout) for _ in self.inputs)

    @property
    def names(self) -> list[str]:
        """Modality names, in the order of the mask's columns."""
        return list(self.inputs)

    # What a model fills in.

    def outputs(self, code: Code, observed: Tensor, draws: int, generator: torch.Generator | None) -> Tensor:
        """Raw outputs of the head for each of ``draws`` draws of the embeddings, ``(S, B, k)``.

        Args:
            code: what the encoders gave; anything may stand where a modality is missing.
            observed: bool ``(B, M)``.
            draws: number of draws ``S``.
            generator: source of the randomness in training; without one, a fixed quasi-random set is used, the same
                for every row of any batch.
        """
        raise NotImplementedError

    def regularizer(self, batch: Batch, code: Code, generator: torch.Generator | None) -> dict[str, Tensor]:
        """Terms of the loss beside the prediction, already weighted, a value a row ``(B,)`` each. None by default."""
        return {}

    def generate(
        self, batch: Batch, num_samples: int = 16, generator: torch.Generator | None = None, noise: bool = False
    ) -> dict[str, Tensor]:
        """Draws of the missing inputs, ``{name: (S, B, features)}``, by a model whose ``generates`` is true."""
        raise NotImplementedError(f"{type(self).__name__} does not generate inputs")

    # What all models share.

    def loss(self, batch: Batch, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Terms of the training loss averaged over the rows, and their sum under ``"loss"``; scalars.

        Args:
            batch: rows; unlabelled ones lack the terms that need a label.
            generator: source of the randomness. Without one the draws are a fixed set, for validation.
        """
        batch = self.check(batch)
        code = self.encode(batch)
        terms = dict(self._prediction_terms(batch, code, generator))
        terms.update(self.regularizer(batch, code, generator))
        means = {name: value.mean() for name, value in terms.items()}
        return {"loss": torch.stack(list(means.values())).sum(), **means}

    def _prediction_terms(self, batch: Batch, code: Code, generator: torch.Generator | None) -> dict[str, Tensor]:
        recipe, observed = self.recipe, batch.observed
        target = self._target(batch)
        if recipe.second_pass > 0:
            drop = generator if generator is not None else torch.Generator(observed.device).manual_seed(0)
            masks = torch.cat([observed, random_subpattern(observed, recipe.drop, drop)])
            twice = [(mean.repeat(2, 1), log_scale.repeat(2, 1)) for mean, log_scale in code]
            first, second = self.outputs(twice, masks, self.training_draws, generator).chunk(2, dim=1)
            terms = {"second_pass": -recipe.second_pass * self.outcome.log_prob(second, target)}
            anchor = self.outcome.summary(first).detach()
            gap = self.outcome.divergence(anchor, self.outcome.summary(second))
            terms["consistency"] = recipe.consistency * gap
        else:
            first, terms = self.outputs(code, observed, self.training_draws, generator), {}
        terms["head"] = -(1 - recipe.second_pass) * self.outcome.log_prob(first, target)
        if recipe.auxiliary > 0:
            each = [self.outcome.log_prob(head(mean)[None], target) for head, mean in self._unimodal(code)]
            terms["auxiliary"] = -recipe.auxiliary * (torch.stack(each, -1) * observed).sum(-1)
        return terms

    training_draws = 2
    prediction_draws = 16

    @torch.no_grad()
    def predict(self, batch: Batch, num_samples: int | None = None) -> Tensor:
        """Class probabilities ``(B, C)``, or the mean ``(B,)``, from what each row has, whatever the mode.

        Args:
            batch: rows; targets are not needed.
            num_samples: draws to average over, default 16, from a fixed quasi-random set.
        """
        return self.outcome.prediction(self.summary(batch, num_samples), batch.observed)

    @torch.no_grad()
    def calibrate(self, batch: Batch, seed: int = 0, subpatterns: int = 4) -> None:
        """Fit the calibration ``exp(a + b log n_observed)`` on held-out rows, in place.

        Args:
            batch: held-out rows with labels.
            seed: of the random sub-patterns under which each row is seen as well as under its own.
            subpatterns: how many of them.
        """
        generator = torch.Generator().manual_seed(seed)
        masks = [batch.observed]
        masks += [random_subpattern(batch.observed.cpu(), 0.5, generator) for _ in range(subpatterns)]
        summary = torch.cat([self.summary(batch.see(mask)) for mask in masks])
        observed = torch.cat([mask.to(batch.observed.device) for mask in masks])
        self.outcome.calibrate(summary, observed, self._target(batch).repeat(len(masks)))

    def summary(self, batch: Batch, num_samples: int | None = None) -> Tensor:
        """Uncalibrated predictive distribution, the head blended with the mean of the observed auxiliary heads."""
        if num_samples is not None and num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        batch = self.check(batch)
        with evaluating(self):
            code = self.encode(batch)
            outputs = self.outputs(code, batch.observed, num_samples or self.prediction_draws, None)
            summary = self.outcome.summary(outputs)
            if self.recipe.auxiliary > 0:
                each = torch.stack([self.outcome.summary(head(mean)[None]) for head, mean in self._unimodal(code)], 1)
                shown = batch.observed.unsqueeze(-1)
                mean = torch.where(shown, each, 0.0).sum(1) / shown.sum(1)
                summary = self.outcome.blend(summary, mean)
        return summary

    def _unimodal(self, code: Code) -> list[tuple[nn.Module, Tensor]]:
        return [(head, mean) for head, (mean, _) in zip(self.auxiliary, code, strict=True)]

    def encode(self, batch: Batch) -> Code:
        """Mean and log standard deviation of every modality's embedding; what stands for a missing one is not used."""
        pairs = zip(self.encoders, batch.inputs.values(), strict=True)
        return [encoder(x) for encoder, x in pairs]

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
        anchor = next(self.parameters())
        device = anchor.device
        if batch.target is not None and len(batch.target) != len(batch):
            raise ValueError(f"the batch has {len(batch)} rows but {len(batch.target)} targets")
        observed = check_observed(batch.observed, self.names, len(batch), device)
        inputs = {}
        for m, (name, width) in enumerate(self.inputs.items()):
            if name not in batch.inputs:
                raise KeyError(f"the batch has no modality {name!r}; give a tensor and mark its rows as missing")
            x = torch.as_tensor(batch.inputs[name]).to(anchor)
            if tuple(x.shape) != (len(batch), width):
                raise ValueError(f"modality {name!r}: expected shape ({len(batch)}, {width}), got {tuple(x.shape)}")
            inputs[name] = only_observed(x, observed[:, m], name)
        return Batch(inputs, observed, batch.target)


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode within the block, the mode that it had afterwards."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
