"""The variational copula model: encoders, a joint distribution of their embeddings, decoders and a head, as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from sklar.data import Batch, Rows
from sklar.encoders import mlp
from sklar.joint import Joint, JointMixture
from sklar.models.ablated import INFERENCES, ablated
from sklar.models.base import Source, evaluating, full_precision, subpattern
from sklar.models.bound import evidence_bound
from sklar.models.card import Card
from sklar.models.code import Code, stacked
from sklar.models.generative import Generative
from sklar.models.noise import Noise, fixed
from sklar.models.posterior import POSTERIORS
from sklar.models.recipe import NO_RECIPE
from sklar.models.reconstruction import half_square
from sklar.models.root import make_root, start_root
from sklar.numerics import quasi_normal

CLOSED_FORM = {"vine": {"families": "frank"}, "factor": {"families": "frank"}}


class VariationalCopula(Generative):
    """Encoders give ``q(z_m | x_m)``, a copula ties the embeddings, whatever is missing is drawn given what is there.

    Two objectives. ``"bound"`` is the evidence bound of `evidence_bound`, a lower bound on ``log p(x_O, y)``.
    ``"recipe"`` departs from it: the prediction terms of the common recipe plus ``weight`` times the generative terms

    ``rec [ sum_{m in O} 1/2 |x_m - dec(z_m)|^2 + sum_{m in O - O'} 1/2 |x_m - dec(z~_m)|^2 ] + KL(q(z_O) || p(z_O))``

    where ``O'`` is a random subset of ``O`` and ``z~`` is drawn given ``z_O'`` (cross-reconstruction: the copula learns
    to say what the held-out modality would have been). With the structured posterior ``z~`` is drawn given ``x_O'`` and
    all of ``O`` is reconstructed from it.

    Args:
        inputs: see `FusionModel`.
        copula: a name in `sklar.copulas.COPULAS`.
        marginal: a name in `sklar.marginals.MARGINALS`.
        components: components of each mixture.
        correlation: where the copula starts.
        options: further arguments of the copula; default ``{"families": "frank"}`` for vine and factor, whose inverses
            are closed form (with a mixture of families, their own default, a step takes about four times as long).
        coupling: ``"paired"``, coordinate ``j`` with coordinate ``j``, an alignment that the encoders learn; or
            ``"full"``, one copula over all coordinates of all modalities.
        root: number of joints of a `JointMixture`, one discrete root of all modalities; they start apart, from k-means
            on the training rows' first embeddings.
        posterior: ``"independent"``; ``"copula"``, tied by a Gaussian copula of its own; ``"structured"``, what the
            encoders say is evidence that the prior combines (it needs a normal prior); see `sklar.models.posterior`.
        stochastic: whether embeddings are drawn from the posterior. Without it they are its means, points without
            entropy, and ``-log p(z_O)`` takes the divergence's place (0.02 is a better ``weight`` then).
        objective: ``"recipe"`` or ``"bound"``.
        weight: of the generative terms (recipe).
        reconstruction: ``rec`` above (recipe).
        cross_drop: probability with which a modality is left out of ``O'``; with 1 a single one is left.
        inference: how missing embeddings are drawn by the trained model, from its calibration on: ``"conditional"``,
            given what is observed; for ablations ``"marginal"``, whatever is observed, or ``"permuted"``, given the
            wrong coordinates (one joint, paired, at least as many coordinates as modalities). The weights do not
            depend on it.
        gradient: whether what is drawn for missing modalities carries the prediction's gradients back to the embeddings
            of the observed ones. Without, the joint still learns from them, the encoders do not.
        settings: see `FusionModel`.

    Raises:
        ValueError: options that do not go together.

    References:
        Wu et al., "Cross-Modal Alignment via Variational Copula Modelling", ICML 2025, arXiv 2511.03196.
    """

    name = "variational_copula"
    card: ClassVar[Card] = Card(
        "Wu et al., CM2, ICML 2025, arXiv 2511.03196",
        departs="a true joint density, drawn from given what is observed; decoders and an entropy term; any copula, "
        "any pattern",
        generates=True,
        space={"correlation": (0.8, 0.8, 0.5), "cross_drop": (1.0, 1.0, 0.5)},
    )

    trained: Tensor

    def __init__(
        self,
        inputs: Mapping[str, int | Mapping[str, Any]],
        copula: str = "gaussian",
        marginal: str = "normal",
        components: int = 2,
        correlation: float = 0.8,
        options: Mapping[str, Any] | None = None,
        coupling: str = "paired",
        root: int = 1,
        posterior: str = "independent",
        stochastic: bool = True,
        objective: str = "recipe",
        weight: float = 0.1,
        reconstruction: float = 0.2,
        cross_drop: float = 1.0,
        inference: str = "conditional",
        gradient: bool = True,
        **settings: Any,
    ) -> None:
        if objective == "bound":
            if settings.get("recipe") is not None and self.recipe_of(settings["recipe"]) != NO_RECIPE:
                raise ValueError("the bound is an objective of its own: leave the recipe out, or choose 'recipe'")
            settings["recipe"] = NO_RECIPE
        super().__init__(inputs, **settings)
        if objective not in ("recipe", "bound"):
            raise ValueError(f"unknown objective {objective!r}; choose 'recipe' or 'bound'")
        if posterior not in POSTERIORS:
            raise ValueError(f"unknown posterior {posterior!r}; choose one of {list(POSTERIORS)}")
        if not stochastic and (objective == "bound" or posterior != "independent" or root > 1):
            raise ValueError("stochastic=False has no posterior: objective 'recipe', posterior 'independent', root 1")
        if not 0 <= cross_drop <= 1:
            raise ValueError(f"cross_drop must lie in [0, 1], got {cross_drop}")
        if inference not in INFERENCES:
            raise ValueError(f"unknown inference {inference!r}; choose one of {list(INFERENCES)}")
        if inference != "conditional" and (root > 1 or coupling != "paired" or posterior == "structured"):
            raise ValueError(f"inference {inference!r} is of one paired joint whose posterior is not structured")
        if inference == "permuted" and self.dim < len(self.inputs):
            raise ValueError(f"{len(self.inputs)} modalities cannot all be permuted apart with dim={self.dim}")
        self.objective, self.weight, self.reconstruction = objective, weight, reconstruction
        self.stochastic, self.cross_drop, self.inference = stochastic, cross_drop, inference
        self.gradient = gradient
        self.settings |= {
            "copula": copula, "marginal": marginal, "components": components, "correlation": correlation,
            "options": None if options is None else dict(options), "coupling": coupling, "root": root,
            "posterior": posterior, "stochastic": stochastic, "objective": objective, "weight": weight,
            "reconstruction": reconstruction, "cross_drop": cross_drop,
            "inference": inference, "gradient": gradient,
        }  # fmt: skip
        start = 0.0 if copula == "independence" else correlation
        widths = dict.fromkeys(self.inputs, self.dim)
        chosen = CLOSED_FORM.get(copula) if options is None else options
        self.joint: Joint | JointMixture = make_root(
            root, lambda: Joint(widths, marginal, copula, coupling, components, start, chosen)
        )
        self.posterior = POSTERIORS[posterior](len(widths), self.dim, self.joint)
        self.event = tuple(self.joint.noise(1).shape[2:])  # of the joint's noise
        self.head = mlp(len(self.inputs) * self.dim, self.hidden, self.outcome.size, self.dropout)
        self.register_buffer("trained", torch.tensor(False))  # from here on `inference` counts

    @torch.no_grad()
    def start(self, rows: Rows, seed: int = 0) -> None:
        """See `FusionModel.start`; a root's joints are started apart."""
        super().start(rows, seed)
        self.trained.fill_(False)
        if isinstance(self.joint, JointMixture):
            batch = self.some(rows, seed)
            with evaluating(self):
                z = self._named([each.mean for each in self.encode(batch)])
            start_root(self.joint, z, batch.observed, torch.Generator().manual_seed(seed))

    @torch.no_grad()
    def finish(self, rows: Rows, validation: Rows, seed: int) -> None:
        """See `Generative.finish`."""
        self.trained.fill_(True)
        super().finish(rows, validation, seed)

    def embedding_joint(self) -> Joint | JointMixture:
        """The prior of the embeddings."""
        return self.joint

    # Embeddings.

    def _posterior_draws(self, code: Code, observed: Tensor, noise: Tensor) -> Tensor:
        """Draws ``(S, B, d, M)``; noise ``(S, B or 1, *normals)``."""
        mean, log_scale = stacked(code, -1)
        if not self.stochastic:
            return mean.expand(len(noise), *mean.shape)
        return self.posterior.draw(mean, log_scale, observed, noise, self.joint)

    def _draws(self, code: Code, observed: Tensor, draws: int, source: Source) -> dict[str, Tensor]:
        """Complete embeddings ``{name: (S, B, d)}``.

        In training (a source is given) one draw of what is observed serves all draws of what is missing, as the bound
        asks; otherwise both are drawn afresh, from a fixed quasi-random set.
        """
        rows, like, joint = len(observed), code[0].mean, self.joint
        if self.inference != "conditional" and isinstance(joint, Joint) and bool(self.trained):
            joint = ablated(joint, self.inference)
        if source is not None:
            noise = Noise.of(source)
            own = noise.normal((1, rows, *self.posterior.normals), 1, like)
            z = self._named(list(self._posterior_draws(code, observed, own)[0].unbind(-1)))
            other = noise.normal((draws, rows, *self.event), 1, like)
            if self.gradient:
                return joint.impute(z, observed, noise=other)
            held = joint.impute({name: value.detach() for name, value in z.items()}, observed, noise=other)
            shown = zip(self.names, observed.unsqueeze(-1).unbind(1), strict=True)
            return {name: torch.where(there, z[name], held[name]) for name, there in shown}
        sizes = [torch.Size(shape).numel() for shape in (self.posterior.normals, self.event)]
        points = quasi_normal(draws, (1, sum(sizes)), dtype=like.dtype).to(like.device)
        own, other = points.split(sizes, -1)
        z_all = self._posterior_draws(code, observed, own.unflatten(-1, self.posterior.normals))
        if self.posterior.whole:
            return self._named(list(z_all.unbind(-1)))
        flat = self._named(list(z_all.flatten(0, 1).unbind(-1)))
        noise_all = other.unflatten(-1, self.event).expand(-1, rows, *self.event).flatten(0, 1)[None]
        completed = joint.impute(flat, observed.repeat(draws, 1), noise=noise_all)
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
        rows, like = len(batch), code[0].mean
        noise = source.normal((1, rows, *self.posterior.normals), 1, like)
        draw = self._posterior_draws(code, batch.observed, noise)[0]
        target, (x, known) = batch.target, self.explained(batch)

        def log_outcome(completed: Mapping[str, Tensor]) -> Tensor:
            if target is None:
                return torch.zeros(rows, dtype=like.dtype, device=like.device)
            return self.outcome.log_prob(self._head(completed), self._target(batch))

        divergence = self.posterior.kl(*stacked(code, -1), batch.observed, draw, self.joint)
        return evidence_bound(
            self._named(list(draw.unbind(-1))), divergence, batch.observed, self.joint,
            log_inputs=lambda z: self.decoders.log_prob(x, self.decoders([z[name] for name in self.names]), known),
            log_outcome=log_outcome, noise=source.normal((num_samples, rows, *self.event), 1, like),
        )  # fmt: skip

    def regularizer(self, batch: Batch, code: Code, source: Source) -> dict[str, Tensor]:
        """The recipe's generative terms, weighted: reconstruction, cross-reconstruction, divergence from the prior."""
        observed, rows, like = batch.observed, len(batch), code[0].mean
        noise = fixed(source)
        first = noise.normal((1, rows, *self.posterior.normals), 1, like)
        draw = self._posterior_draws(code, observed, first)[0]
        subset = subpattern(observed, self.cross_drop, noise)
        x, known = self.explained(batch)
        mean = self.decoders(list(draw.unbind(-1)))
        if self.posterior.whole:
            second = noise.normal((1, rows, *self.posterior.normals), 1, like)
            crossed, wanted = list(self._posterior_draws(code, subset, second)[0].unbind(-1)), known
        else:
            second = noise.normal((1, rows, *self.event), 1, like)
            z = self._named(list(draw.unbind(-1)))
            crossed = [value[0] for value in self.joint.impute(z, subset, noise=second).values()]
            wanted = known & ~subset.repeat_interleave(self.decoders.sizes(known), -1)
        cross = half_square(x - self.decoders(crossed), wanted)
        terms = {
            "reconstruction": self.reconstruction * half_square(x - mean, known),
            "cross_reconstruction": self.reconstruction * cross,
            # The decoders' standard deviations are fitted without pulling on their means.
            "decoder_scale": -self.decoders.log_prob(x, mean.detach(), known),
        }
        if self.stochastic:
            terms["divergence"] = self.posterior.kl(*stacked(code, -1), observed, draw, self.joint)
        else:
            terms["density"] = -self.joint.log_prob(self._named(list(draw.unbind(-1))), observed)
        return {name: self.weight * value for name, value in terms.items()}
