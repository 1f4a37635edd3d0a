"""A mixture of experts as the posterior of one latent variable, with a classifier."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from sklar.models.base import Source
from sklar.models.card import Card
from sklar.models.code import Code, stacked
from sklar.models.noise import Noise
from sklar.models.shared_latent import SharedLatent, shares


class MMVAE(SharedLatent):
    """``q(z | x_O) = 1/|O| sum_{m in O} N(mean_m, sigma_m^2)``; every expert learns to explain all modalities.

    Draws are shared out evenly: of ``S`` draws the ``n`` observed experts get ``S / n`` consecutive ones each; where
    ``n`` does not divide ``S``, some get one more than others. A prediction never has fewer draws than there are
    modalities, so that each is heard. In training the shares shift at random, a row for itself, so that every draw
    takes every expert with equal probability.

    The paper maximises an importance-weighted bound (many draws an expert, gradients doubly reparameterised) with
    Laplace posteriors and prior; here it is the evidence bound with normals, and with the mean of the experts'
    divergences from the prior in place of the mixture's, as for the other models. The classifier is no part of the
    paper.

    Args:
        inputs: see `SharedLatent`.
        settings: see `SharedLatent`.

    References:
        Shi, Siddharth, Paige, Torr, "Variational Mixture-of-Experts Autoencoders for Multi-Modal Deep Generative
        Models", NeurIPS 2019, arXiv 1911.03393, section 3.
    """

    name = "mmvae"
    card: ClassVar[Card] = Card(
        "Shi et al., MMVAE, NeurIPS 2019, arXiv 1911.03393",
        departs="a classifier on the latent; the evidence bound in place of the importance-weighted one; normals in "
        "place of Laplace distributions; mean divergence of the experts",
        generates=True,
        space=SharedLatent.space,
    )

    def components(self, code: Code, observed: Tensor, draws: int, noise: Noise | None) -> tuple[Tensor, Tensor]:
        """The expert of each draw, ``(S, B, d)``; see `SharedLatent.components`."""
        first = torch.argsort(~observed, dim=-1, stable=True)  # the observed ones, in the model's order
        rows = torch.arange(len(observed), device=observed.device)
        chosen = first[rows, shares(draws, observed.sum(-1), noise)]
        mean, log_scale = stacked(code)
        return mean[rows, chosen], log_scale[rows, chosen]

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """Outputs of the head on draws of ``z``, ``(S, B, k)``; ``S`` is at least ``M`` for a prediction."""
        return super().outputs(code, observed, draws if source is not None else max(draws, len(code)), source)
