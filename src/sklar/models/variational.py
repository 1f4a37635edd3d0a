"""The variational copula model: encoders, a joint distribution of their embeddings, decoders and a head, as one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sklar.data import Batch
from sklar.encoders import Decoder, mlp
from sklar.joint import Joint
from sklar.models.base import (
    NO_RECIPE,
    FusionModel,
    Source,
    evaluating,
    full_precision,
    subpattern,
    tensor,
)
from sklar.models.bound import evidence_bound
from sklar.models.card import Card
from sklar.models.code import Code
from sklar.models.noise import Noise
from sklar.numerics import log_normal, quasi_normal

CLOSED_FORM = {"vine": {"families": "frank"}, "factor": {"families": "frank"}}


class VariationalCopula(FusionModel):
    """Encoders give ``q(z_m | x_m)``, a copula ties the embeddings, whatever is missing is drawn given what is there.

    Two objectives. ``"bound"`` is the evidence bound of `evidence_bound`, a lower bound on ``log p(x_O, y)``.
    ``"recipe"`` departs from it: the prediction terms of the common recipe plus ``weight`` times the generative terms

    ``rec [ sum_{m in O} 1/2 |x_m - xhat_m|^2 + sum_{m in O - O'} 1/2 |x_m - dec(z~_m)|^2 ] - log p(z_O) - H(q)``

    where ``O'`` is a random subset of ``O`` and ``z~`` is drawn given ``z_O'`` (cross-reconstruction: the copula learns
    to say what the held-out modality would have been).

    Args:
        inputs: see `FusionModel`.
        copula: a name in `sklar.copulas.COPULAS`; coordinate ``j`` is paired with coordinate ``j``, the encoders learn
            the alignment.
        marginal: a name in `sklar.marginals.MARGINALS`.
        components: components of each mixture.
        correlation: where the copula starts.
        options: further arguments of the copula; default ``{"families": "frank"}`` for vine and factor, whose inverses
            are closed form (with a mixture of families, their own default, a step takes about four times as long).
        objective: ``"recipe"`` or ``"bound"``.
        weight: of the generative terms (recipe).
        reconstruction: ``rec`` above (recipe).
        settings: see `FusionModel`.

    References:
        Wu et al., "Cross-Modal Alignment via Variational Copula Modelling", ICML 2025, arXiv 2511.03196.
    """

    name = "variational_copula"
    card: ClassVar[Card] = Card("Wu et al., CM2, ICML 2025, arXiv 2511.03196", generates=True, departs="see its page")

    def __init__(
        self,
        inputs: Mapping[str, int | Mapping[str, Any]],
        copula: str = "gaussian",
        marginal: str = "independent",
        components: int = 2,
        correlation: float = 0.5,
        options: Mapping[str, Any] | None = None,
        objective: str = "recipe",
        weight: float = 0.02,
        reconstruction: float = 0.2,
        **settings: Any,
    ) -> None:
        if objective == "bound":
            if settings.get("recipe") not in (None, NO_RECIPE, asdict(NO_RECIPE)):
                raise ValueError("the bound is an objective of its own: leave the recipe out, or choose 'recipe'")
            settings["recipe"] = NO_RECIPE
        super().__init__(inputs, **settings)
        if objective not in ("recipe", "bound"):
            raise ValueError(f"unknown objective {objective!r}; choose 'recipe' or 'bound'")
        self.objective, self.weight, self.reconstruction = objective, weight, reconstruction
        self.settings |= {
            "copula": copula, "marginal": marginal, "components": components, "correlation": correlation,
            "options": None if options is None else dict(options),
            "objective": objective, "weight": weight, "reconstruction": reconstruction,
        }  # fmt: skip
        start = 0.0 if copula == "independence" else correlation
        widths = dict.fromkeys(self.inputs, self.dim)
        chosen = CLOSED_FORM.get(copula) if options is None else options
        self.joint = Joint(widths, marginal, copula, "paired", components, start, chosen)
        sizes = [len(self.encoder(name).scaling.mean) for name in self.names]
        self.decoders = nn.ModuleList(Decoder(self.dim, size, self.hidden, self.dropout) for size in sizes)
        self.head = mlp(len(self.inputs) * self.dim, self.hidden, self.outcome.size, self.dropout)

    # Embeddings.

    def _posterior_draws(self, code: Code, noise: Tensor) -> list[Tensor]:
        """``z_m = mean + exp(log_scale) * noise`` for every modality: noise ``(S, B or 1, M, d) -> (S, B, d)`` each."""
        return [each.mean + torch.exp(each.log_scale) * noise[:, :, m] for m, each in enumerate(code)]

    def _complete(self, z: Mapping[str, Tensor], observed: Tensor, noise: Tensor) -> dict[str, Tensor]:
        """Missing embeddings drawn: ``{name: (B, d)}``, noise ``(S, B or 1, d, M)`` ``-> {name: (S, B, d)}``."""
        return self.joint.impute(z, observed, noise=noise)

    def _draws(self, code: Code, observed: Tensor, draws: int, source: Source) -> dict[str, Tensor]:
        """Complete embeddings ``{name: (S, B, d)}``.

        In training (a source is given) one draw of what is observed serves all draws of what is missing, as the bound
        asks; otherwise both are drawn afresh, from a fixed quasi-random set.
        """
        rows, count = observed.shape
        mean = code[0].mean
        if source is not None:
            noise = Noise.of(source)
            own = noise.normal((1, rows, count, self.dim), 1, mean)
            other = noise.normal((draws, rows, self.dim, count), 1, mean)
            z = self._posterior_draws(code, own)
            return self._complete(self._named([value[0] for value in z]), observed, other)
        points = quasi_normal(draws, (2, count, self.dim), dtype=mean.dtype).to(mean.device)
        z = self._posterior_draws(code, points[:, None, 0])
        flat = self._named([value.flatten(0, 1) for value in z])
        other = points[:, 1].mT.repeat_interleave(rows, dim=0)[None]
        completed = self._complete(flat, observed.repeat(draws, 1), other)
        return {name: value[0].unflatten(0, (draws, rows)) for name, value in completed.items()}

    def _named(self, values: list[Tensor]) -> dict[str, Tensor]:
        return dict(zip(self.names, values, strict=True))

    # Prediction.

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """Outputs of the head on completed embeddings, ``(S, B, k)``."""
        return self._head(self._draws(code, observed, draws, source))

    def _head(self, z: Mapping[str, Tensor]) -> Tensor:
        outputs: Tensor = self.head(torch.cat([z[name] for name in self.names], dim=-1))
        return outputs

    # Objectives.

    def loss(self, batch: Batch, source: Source = None, progress: float = 1.0) -> dict[str, Tensor]:
        """Terms of the objective averaged over rows, and their sum: see the class and `FusionModel.loss`."""
        if self.objective == "recipe":
            return super().loss(batch, source, progress)
        bound = self.bound(batch, self.training_draws, source).mean()
        return {"loss": -bound, "bound": bound.detach()}

    def bound(self, batch: Batch, num_samples: int = 2, source: Source = None) -> Tensor:
        """One-draw estimate of the evidence bound on ``log p(x_O, y)`` in nats, a value a row ``(B,)``."""
        batch = self.check(batch)
        code = self.encode(batch)
        with full_precision(batch.observed.device):
            return self._bound(batch, code, num_samples, fixed(source))

    def _bound(self, batch: Batch, code: Code, num_samples: int, source: Noise) -> Tensor:
        rows, count = batch.observed.shape
        noise = source.normal((1, rows, count, self.dim), 1, code[0].mean)
        z = self._named([value[0] for value in self._posterior_draws(code, noise)])
        log_q = [(log_normal(noise[0, :, m]) - each.log_scale).sum(-1) for m, each in enumerate(code)]
        target = batch.target

        def log_outcome(completed: Mapping[str, Tensor]) -> Tensor:
            if target is None:
                return torch.zeros(rows, dtype=noise.dtype, device=noise.device)
            return self.outcome.log_prob(self._head(completed), self._target(batch))

        return evidence_bound(
            z, (torch.stack(log_q, -1) * batch.observed).sum(-1), batch.observed, self.joint,
            log_inputs=lambda draw: self._log_inputs(batch, draw), log_outcome=log_outcome,
            noise=source.normal((num_samples, rows, self.dim, count), 1, code[0].mean),
        )  # fmt: skip

    def _log_inputs(self, batch: Batch, z: Mapping[str, Tensor]) -> Tensor:
        """``sum_{m in O} log p(x_m | z_m)``, ``(B,)``."""
        each = []
        for name, decoder in self._decoders():
            features, known = self.features(batch, name)
            each.append(decoder.log_prob(features, decoder(z[name]), known))
        return (torch.stack(each, -1) * batch.observed).sum(-1)

    def _decoders(self) -> list[tuple[str, Decoder]]:
        return list(zip(self.names, self.decoders, strict=True))  # type: ignore[arg-type]

    def regularizer(self, batch: Batch, code: Code, source: Source) -> dict[str, Tensor]:
        """The recipe's generative terms, weighted: reconstruction, cross-reconstruction, ``-log p(z_O)``, ``-H(q)``."""
        observed = batch.observed
        rows, count = observed.shape
        own = fixed(source)
        noise = own.normal((2, rows, count, self.dim), 1, code[0].mean)
        z = self._named([value[0] for value in self._posterior_draws(code, noise[:1])])
        subset = subpattern(observed, 0.5, own)
        drawn = self._complete(z, subset, noise[1:].mT)
        direct, cross, scale = [], [], []
        for m, (name, decoder) in enumerate(self._decoders()):
            (x, known), shown = self.features(batch, name), observed[:, m]
            mean = decoder(z[name])
            direct.append(torch.where(shown, half_square(x - mean, known), 0.0))
            # The decoder's standard deviation is fitted without pulling on its mean.
            scale.append(torch.where(shown, -decoder.log_prob(x, mean.detach(), known), 0.0))
            hidden = shown & ~subset[:, m]
            cross.append(torch.where(hidden, half_square(x - decoder(drawn[name][0]), known), 0.0))
        entropy = torch.stack([each.log_scale.sum(-1) for each in code], -1)
        return {
            "reconstruction": self.weight * self.reconstruction * torch.stack(direct).sum(0),
            "cross_reconstruction": self.weight * self.reconstruction * torch.stack(cross).sum(0),
            "decoder_scale": self.weight * torch.stack(scale).sum(0),
            "density": -self.weight * self.joint.log_prob(z, observed),
            "entropy": -self.weight * (entropy * observed).sum(-1),
        }

    # Generation.

    @torch.no_grad()
    def impute(
        self, batch: Batch, num_samples: int = 16, generator: torch.Generator | None = None
    ) -> dict[str, Tensor]:
        """Draws of all embeddings given the observed inputs, ``{name: (S, B, d)}``.

        Args:
            batch: rows.
            num_samples: number of draws ``S``.
            generator: source of the randomness; without one, a fixed quasi-random set shared by all rows.
        """
        return self._impute(self.check(batch), num_samples, generator)

    def _impute(self, batch: Batch, num_samples: int, generator: torch.Generator | None) -> dict[str, Tensor]:
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        with evaluating(self):
            code = self.encode(batch)
        with full_precision(batch.observed.device):
            if generator is None:
                return self._draws(code, batch.observed, num_samples, None)
            each = [self._draws(code, batch.observed, 1, generator) for _ in range(num_samples)]
        return {name: torch.cat([draw[name] for draw in each]) for name in self.names}

    @torch.no_grad()
    def generate(
        self, batch: Batch, num_samples: int = 16, generator: torch.Generator | None = None, noise: bool = False
    ) -> dict[str, Tensor]:
        """Features of the missing modalities, decoded from draws of their embeddings, ``{name: (S, B, F)}``.

        The features are those of `Encoder.describe`, in original units: the input itself where it is a vector.

        Args:
            batch: rows.
            num_samples: number of draws ``S``.
            generator: source of the randomness; needed with ``noise``.
            noise: add the decoder's own noise, for draws from the predictive distribution rather than its means.

        Returns:
            Observed inputs' features are repeated as they are (NaN where one is unknown).
        """
        if noise and generator is None:
            raise ValueError("the decoder's noise needs a generator")
        batch = self.check(batch)
        return self._decode(batch, self._impute(batch, num_samples, generator), generator if noise else None)

    @torch.no_grad()
    def impute_and_generate(
        self, batch: Batch, num_samples: int, generator: torch.Generator
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """`impute`, and `generate` with the decoder's noise from the same draws."""
        batch = self.check(batch)
        draws = self._impute(batch, num_samples, generator)
        return draws, self._decode(batch, draws, generator)

    def _decode(self, batch: Batch, draws: Mapping[str, Tensor], noise: torch.Generator | None) -> dict[str, Tensor]:
        """Features from draws of embeddings, with the decoder's noise where there is a source of it."""
        result = {}
        with evaluating(self):
            for m, (name, decoder) in enumerate(self._decoders()):
                new, encoder = decoder(draws[name]), self.encoder(name)
                if noise is not None:
                    new = new + torch.exp(decoder.log_scale) * Noise(noise).normal(tuple(new.shape), 1, new)
                drawn, shown = encoder.scaling.undo(new), batch.observed[:, m]
                if bool(shown.any()):
                    drawn[:, shown] = encoder.describe(tensor(batch, name)[shown])
                result[name] = drawn
        return result


def half_square(gap: Tensor, known: Tensor) -> Tensor:
    """Half the squared length of the known part of ``gap (B, F)``, ``(B,)``."""
    return 0.5 * torch.where(known, gap, 0.0).square().sum(-1)


def fixed(source: Source) -> Noise:
    """The source of randomness, or always the same where there is none."""
    return Noise.of(torch.Generator().manual_seed(0) if source is None else source)
