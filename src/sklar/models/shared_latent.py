"""What variational autoencoders with one latent variable for all modalities share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from sklar.data import Batch
from sklar.encoders import mlp
from sklar.models.base import Source
from sklar.models.code import Code
from sklar.models.generative import Generative
from sklar.models.noise import Noise, fixed
from sklar.models.reconstruction import half_square
from sklar.numerics import quasi_normal

MIXTURE_DRAWS = 2  # of a mixture's components a row, in the generative terms


class SharedLatent(Generative):
    """One latent ``z ~ N(0, I)`` explains every modality; the posterior combines what the encoders say, the experts.

    The head sees draws of ``z``. Beside the terms of the common recipe the loss has ``weight`` times the generative
    ones,

    ``reconstruction * E_q [ sum_{m in O} 1/2 |x_m - dec_m(z)|^2 ] + KL``,

    where ``q`` is an equal mixture of normals and ``KL`` the mean divergence of its components from the prior, which is
    at least that of the mixture. Two components a row, drawn apart from each other where there are two, stand for all.
    Decoders' standard deviations are fitted without pulling on their means.

    A subclass gives `components`.

    Args:
        inputs: see `FusionModel`; its ``dim`` is the width ``d`` of ``z``.
        weight: of the generative terms.
        reconstruction: weight of the reconstruction among them.
        settings: see `FusionModel`.
    """

    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {"reconstruction": (0.2, 0.4)}

    def __init__(
        self,
        inputs: Mapping[str, int | Mapping[str, Any]],
        weight: float = 0.06,
        reconstruction: float = 0.2,
        **settings: Any,
    ) -> None:
        super().__init__(inputs, **settings)
        self.weight, self.reconstruction = weight, reconstruction
        self.settings |= {"weight": weight, "reconstruction": reconstruction}
        self.head = mlp(self.dim, self.hidden, self.outcome.size, self.dropout)

    def components(self, code: Code, observed: Tensor, draws: int, noise: Noise | None) -> tuple[Tensor, Tensor]:
        """The normal from which each draw of ``z`` is taken: mean and log standard deviation, ``(S or 1, B, d)`` each.

        Args:
            code: what the encoders gave; anything may stand where a modality is missing.
            observed: bool ``(B, M)``.
            draws: number of draws ``S``.
            noise: that chooses the components of a mixture; without any the choice is fixed, a function of the row's
                pattern alone.
        """
        raise NotImplementedError

    def _latent(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """Draws of ``z``, ``(S, B, d)``."""
        noise = None if source is None else Noise.of(source)
        mean, log_scale = self.components(code, observed, draws, noise)
        if noise is not None:
            points = noise.normal((draws, len(observed), self.dim), 1, mean)
        else:
            points = quasi_normal(draws, (1, self.dim), dtype=mean.dtype).to(mean.device)
        return mean + torch.exp(log_scale) * points

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """Outputs of the head on draws of ``z``, ``(S, B, k)``."""
        outputs: Tensor = self.head(self._latent(code, observed, draws, source))
        return outputs

    def _draws(self, code: Code, observed: Tensor, draws: int, source: Source) -> dict[str, Tensor]:
        """The latent, which every decoder sees."""
        return dict.fromkeys(self.names, self._latent(code, observed, draws, source))

    def regularizer(self, batch: Batch, code: Code, source: Source) -> dict[str, Tensor]:
        """The generative terms, weighted."""
        noise = fixed(source)
        mean, log_scale = self.components(code, batch.observed, MIXTURE_DRAWS, noise)
        z = mean + torch.exp(log_scale) * noise.normal(tuple(mean.shape), 1, mean)
        misfit, scale = self._misfit(batch, z)
        return {
            "reconstruction": self.weight * self.reconstruction * misfit.mean(0),
            "decoder_scale": self.weight * scale.mean(0),
            "divergence": self.weight * divergence(mean, log_scale).mean(0),
        }

    def _misfit(self, batch: Batch, z: Tensor) -> tuple[Tensor, Tensor]:
        """Half the squared error of all that is known, and what fits the decoders' scales: ``(S, B, d) -> (S, B)``."""
        x, known = self.explained(batch)
        mean = self.decoders([z] * len(self.names))
        return half_square(x - mean, known), -self.decoders.log_prob(x, mean.detach(), known)


def product(mean: Tensor, log_scale: Tensor, chosen: Tensor) -> tuple[Tensor, Tensor]:
    """``N(0, I)`` times the chosen experts, normalised: mean and log standard deviation, ``(..., B, d)`` each.

    Args:
        mean: of the experts, ``(B, M, d)``.
        log_scale: their log standard deviations, likewise.
        chosen: bool ``(..., B, M)``; the others may hold anything.
    """
    cells = chosen.unsqueeze(-1)
    precision = torch.where(cells, torch.exp(-2 * log_scale), 0.0)
    total = 1 + precision.sum(-2)
    return (precision * torch.where(cells, mean, 0.0)).sum(-2) / total, -0.5 * torch.log(total)


def divergence(mean: Tensor, log_scale: Tensor) -> Tensor:
    """``KL(N(mean, sigma^2) || N(0, I))`` in nats, ``(..., d) -> (...)``."""
    return (0.5 * (mean.square() + torch.exp(2 * log_scale) - 1) - log_scale).sum(-1)


def shares(draws: int, parts: Tensor, noise: Noise | None) -> Tensor:
    """Which of ``n`` equal parts of a mixture each draw of each row takes, ``(S, B)``: systematic sampling.

    Every part gets ``S / n`` consecutive draws; where ``n`` does not divide ``S``, some get one more than others.

    Args:
        draws: number of draws ``S``.
        parts: number of parts of each row, ``(B,)``.
        noise: shifts a row's draws at random, so that each takes every part with equal probability.
    """
    steps = torch.arange(draws, device=parts.device).unsqueeze(-1)
    if noise is None:
        return steps * parts // draws
    place = (noise.uniform((1, len(parts)), 1, parts.device) + steps / draws) % 1
    return (place * parts).long().minimum(parts - 1)  # rounding may reach the end, where there is no part
