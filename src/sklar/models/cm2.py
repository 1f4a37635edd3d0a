"""CM2 in two arms, kept apart in every comparison: what its paper means, and what its released code does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sklar.data import Batch
from sklar.encoders import mlp
from sklar.joint import Joint
from sklar.models.base import FusionModel, Source
from sklar.models.card import Card
from sklar.models.cm2_penalty import ReleasedPenalty
from sklar.models.code import Code, stacked
from sklar.models.generative import Generative
from sklar.models.medfuse import last_state
from sklar.models.noise import Noise
from sklar.numerics import quasi_normal

PAPER = "Wu et al., CM2, ICML 2025, arXiv 2511.03196"
READ = 2  # modalities that the released fusion reads


class CM2(FusionModel):
    """``CM2(arm="published", inputs=..., ...)`` is a `CM2Published`, ``CM2(arm="released", ...)`` a `CM2Released`.

    Args:
        inputs: see `FusionModel`.
        arm: ``"published"``, the default, or ``"released"``.
        settings: see the arm, and `FusionModel`.

    Raises:
        ValueError: an unknown arm, or another one than the class's own.

    References:
        Wu, Chan, Wang, Yin, Yu, "Cross-Modal Alignment via Variational Copula Modelling", ICML 2025, arXiv 2511.03196.
    """

    arm: ClassVar[str] = ""

    def __new__(cls, *args: Any, arm: str | None = None, **settings: Any) -> CM2:
        """An instance of the arm's class."""
        if cls is not CM2:
            return super().__new__(cls)
        arms = {each.arm: each for each in (CM2Published, CM2Released)}
        chosen = "published" if arm is None else arm
        if chosen not in arms:
            raise ValueError(f"unknown arm {arm!r}; choose one of {list(arms)}")
        return super().__new__(arms[chosen])

    def __init__(
        self, inputs: Mapping[str, int | Mapping[str, Any]], *, arm: str | None = None, **settings: Any
    ) -> None:
        if arm not in (None, self.arm):
            raise ValueError(f"{type(self).__name__} is the arm {self.arm!r}, got arm={arm!r}; use CM2(arm={arm!r})")
        super().__init__(inputs, **settings)


class CM2Published(CM2, Generative):
    """The paper's rule: a missing embedding is drawn from its own marginal mixture, whatever was observed.

    Embeddings are the encoders' means. The objective is the prediction terms plus ``weight`` times the negative log
    joint density of what is observed: true densities, components that differ, a component drawn and then sampled, the
    draw fused. The copula enters the density alone, not the imputation. The paper's families, for two modalities:
    ``copula="gaussian"`` for Gaussian's, ``copula="vine", options={"families": "gumbel"}`` for Gumbel's, and so with
    ``"frank"``, ``"clayton"`` and ``"student"``; with more modalities that is a vine of such pairs.

    Departs from the paper: the copula ties coordinate ``j`` with coordinate ``j``, since Sklar's theorem is for
    scalars; embeddings keep their length (on a sphere the mixtures would be no densities); weights of the mixtures are
    parameters, not a network's output; two components in place of three; the fused embeddings go side by side into a
    network with one hidden layer, not through an LSTM. The paper has no decoders; here they learn beside the model,
    from embeddings held fixed, so that its draws can be looked at.

    Args:
        inputs: see `FusionModel`.
        copula: a name in `sklar.copulas.COPULAS`.
        marginal: a name in `sklar.marginals.MARGINALS`.
        components: components ``K`` of each mixture.
        correlation: where the copula starts.
        options: further arguments of the copula.
        weight: of the density (the paper's 1e-6 is as good as none).
        gradient: whether what is drawn carries gradients back to the marginals, the paper's gradient-preserving
            sampling; without, draws are held fixed.
        settings: see `FusionModel`.

    References:
        See `CM2`; section 3.
    """

    name = "cm2_published"
    arm = "published"
    card: ClassVar[Card] = Card(
        PAPER,
        departs="a copula a coordinate; embeddings of any length; mixture weights are parameters; a network with one "
        "hidden layer in place of the LSTM; decoders beside the model",
        generates=True,
        space={"weight": (1e-6, 0.006, 0.02, 0.06), "correlation": (0.5, 0.15), "components": (2, 3)},
    )

    def __init__(
        self,
        inputs: Mapping[str, int | Mapping[str, Any]],
        copula: str = "gaussian",
        marginal: str = "independent",
        components: int = 2,
        correlation: float = 0.5,
        options: Mapping[str, Any] | None = None,
        weight: float = 0.02,
        gradient: bool = True,
        **settings: Any,
    ) -> None:
        super().__init__(inputs, **settings)
        self.weight, self.gradient = weight, gradient
        self.settings |= {
            "copula": copula, "marginal": marginal, "components": components, "correlation": correlation,
            "options": None if options is None else dict(options), "weight": weight,
            "gradient": gradient,
        }  # fmt: skip
        start = 0.0 if copula == "independence" else correlation
        self.joint = Joint(dict.fromkeys(self.inputs, self.dim), marginal, copula, "paired", components, start, options)
        self.head = mlp(len(self.inputs) * self.dim, self.hidden, self.outcome.size, self.dropout)

    def embedding_joint(self) -> Joint:
        """The joint density of the objective."""
        return self.joint

    def _draws(self, code: Code, observed: Tensor, draws: int, source: Source) -> dict[str, Tensor]:
        """The observed embeddings, and draws from their own marginals for the others, ``{name: (S, B, d)}``."""
        mean, (rows, count) = code[0].mean, observed.shape
        if source is not None:
            noise = Noise.of(source).normal((draws, rows, count, self.dim), 1, mean)
        else:
            points = quasi_normal(draws, (1, count, self.dim), dtype=mean.dtype).to(mean.device)
            noise = points.expand(-1, rows, -1, -1)
        drawn = self.joint.marginals.from_scores(list(noise.unbind(2)), ~observed)
        if not self.gradient:
            drawn = [each.detach() for each in drawn]
        return {
            name: torch.where(observed[:, m, None], code[m].mean, drawn[m])  # in a model the alignment is the identity
            for m, name in enumerate(self.names)
        }

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """Outputs of the head on completed embeddings, ``(S, B, k)``."""
        outputs: Tensor = self.head(torch.cat(list(self._draws(code, observed, draws, source).values()), -1))
        return outputs

    def regularizer(self, batch: Batch, code: Code, source: Source) -> dict[str, Tensor]:
        """``-log p(z_O)``, weighted, and the decoders' own fit, which reaches nothing else."""
        z = {name: each.mean for name, each in zip(self.names, code, strict=True)}
        x, known = self.explained(batch)
        fit = self.decoders.log_prob(x, self.decoders([value.detach() for value in z.values()]), known)
        return {"density": -self.weight * self.joint.log_prob(z, batch.observed), "decoders": -self.weight * fit}


class CM2Released(CM2):
    """What the released code does, departures from its theory included: an exhibit, in our own words and code.

    Embeddings have length one. A missing one is an average of the components of its mixture, which start identical and
    therefore stay so; it is held fixed. An LSTM reads the embeddings that a row has, as in `MedFuse`, the imputed one
    behind their end: it never reaches the classifier, nor does any modality after the second (a row that has no other
    is predicted from a state of zeros, and by the common recipe's unimodal heads). What stands for the negative log
    joint density, see `ReleasedPenalty`, is computed with imputed embeddings among the others, and weighs next to
    nothing.

    Args:
        inputs: see `FusionModel`.
        family: ``"gumbel"``, ``"frank"`` or ``"gaussian"``.
        components: components ``K`` of each mixture.
        weight: of the penalty.
        settings: see `FusionModel`; ``hidden`` is the width of the LSTM's state.

    References:
        See `CM2`, and its code's behaviour.
    """

    name = "cm2_released"
    arm = "released"
    card: ClassVar[Card] = Card(
        PAPER,
        departs="from the paper as its released code does: no joint density, no use of what is imputed",
        modalities="any number; the fusion reads the first two",
        space={"family": ("gumbel", "frank", "gaussian"), "weight": (1e-6, 1e-5)},
    )

    def __init__(
        self,
        inputs: Mapping[str, int | Mapping[str, Any]],
        family: str = "gumbel",
        components: int = 3,
        weight: float = 1e-6,
        **settings: Any,
    ) -> None:
        super().__init__(inputs, **settings)
        self.weight = weight
        self.settings |= {"family": family, "components": components, "weight": weight}
        self.penalty = ReleasedPenalty(len(self.inputs), self.dim, family, components)
        self.fusion = nn.LSTM(self.dim, self.hidden, batch_first=True)
        self.head = nn.Sequential(nn.Dropout(self.dropout), nn.Linear(self.hidden, self.outcome.size))

    def encode(self, batch: Batch) -> Code:
        """Embeddings of length one (zeros where a modality is missing)."""
        return [each._replace(mean=nn.functional.normalize(each.mean, dim=-1)) for each in super().encode(batch)]

    def completed(self, code: Code, observed: Tensor, source: Source) -> Tensor:
        """Embeddings with an imputed one, held fixed, where a modality is missing: ``(B, M, d)``."""
        z, _ = stacked(code)
        shape = tuple(self.penalty.mean.shape)
        if source is not None:
            noise = Noise.of(source).normal((len(z), *shape), 0, z)
        else:
            noise = quasi_normal(1, shape, dtype=z.dtype).to(z.device)
        return torch.where(observed.unsqueeze(-1), z, self.penalty.impute(noise).detach())

    def fuse(self, z: Tensor, observed: Tensor) -> Tensor:
        """Raw outputs ``(B, k)`` from completed embeddings ``(B, M, d)``."""
        outputs: Tensor = self.head(last_state(self.fusion, z, observed[:, :READ]))
        return outputs

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """One set of outputs ``(1, B, k)``: they do not depend on what is drawn."""
        return self.fuse(self.completed(code, observed, source), observed)[None]

    def regularizer(self, batch: Batch, code: Code, source: Source) -> dict[str, Tensor]:
        """What stands for the negative log joint density, imputed embeddings included, weighted."""
        return {"density": self.weight * self.penalty(self.completed(code, batch.observed, source))}
