"""A product of experts as the posterior of one latent variable, with a classifier."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from sklar.data import Batch
from sklar.models.base import Source, subpattern
from sklar.models.card import Card
from sklar.models.code import Code, stacked
from sklar.models.noise import Noise, fixed
from sklar.models.shared_latent import SharedLatent, divergence, product


class MVAE(SharedLatent):
    """``q(z | x_O)`` proportional to ``N(0, I) prod_{m in O} N(mean_m, sigma_m^2)``.

    The paper trains on the evidence bounds of the whole, of each modality alone and of random subsets, each
    reconstructing what it sees. Here, as in `VariationalCopula` and so that the arms are alike, the posterior given
    ``O`` reconstructs ``O`` (with its divergence from the prior), and the posterior given a random subset of ``O``,
    each modality kept with probability 1/2, reconstructs all of ``O``. The classifier is no part of the paper.

    Args:
        inputs: see `SharedLatent`.
        settings: see `SharedLatent`.

    References:
        Wu, Goodman, "Multimodal Generative Models for Scalable Weakly-Supervised Learning", NeurIPS 2018, arXiv
        1802.05335, section 2.2.
    """

    name = "mvae"
    card: ClassVar[Card] = Card(
        "Wu & Goodman, MVAE, NeurIPS 2018, arXiv 1802.05335",
        departs="a classifier on the latent; a random subset reconstructs all that is observed, in place of "
        "sub-sampled evidence bounds; one normal scale a feature",
        generates=True,
        space=SharedLatent.space,
    )

    def components(self, code: Code, observed: Tensor, draws: int, noise: Noise | None) -> tuple[Tensor, Tensor]:
        """One normal for all draws, ``(1, B, d)``; see `SharedLatent.components`."""
        mean, log_scale = product(*stacked(code), observed)
        return mean[None], log_scale[None]

    def regularizer(self, batch: Batch, code: Code, source: Source) -> dict[str, Tensor]:
        """The generative terms, weighted."""
        noise = fixed(source)
        subset = subpattern(batch.observed, 0.5, noise)
        mean, log_scale = product(*stacked(code), torch.stack([batch.observed, subset]))
        z = mean + torch.exp(log_scale) * noise.normal(tuple(mean.shape), 1, mean)
        misfit, scale = self._misfit(batch, z)
        return {
            "reconstruction": self.weight * self.reconstruction * misfit[0],
            "cross_reconstruction": self.weight * self.reconstruction * misfit[1],
            "decoder_scale": self.weight * scale[0],
            "divergence": self.weight * divergence(mean[0], log_scale[0]),
        }
