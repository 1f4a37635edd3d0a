"""CM2 as its paper means it, under the common recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sklar.data import Batch
from sklar.models.base import Source
from sklar.models.code import Code, Encoded
from sklar.models.variational import VariationalCopula


class Published(VariationalCopula):
    """The published rule: a missing embedding is drawn from its own marginal mixture, whatever was observed.

    Embeddings are the encoders' means, the objective is the prediction terms plus ``weight`` times the negative log
    joint density of what is observed: true densities, components that differ, a component drawn and then sampled, the
    draw fused. The paper has no decoders; here they learn beside the model, from embeddings held fixed, so that its
    draws can be looked at. The copula enters the density alone, not the imputation.

    References:
        Wu et al., "Cross-Modal Alignment via Variational Copula Modelling", ICML 2025, arXiv 2511.03196, section 3.
    """

    name = "published"

    def __init__(self, inputs: Mapping[str, int | Mapping[str, Any]], **settings: Any) -> None:
        if settings.get("objective", "recipe") != "recipe":
            raise ValueError("the published rule has point embeddings, hence no evidence bound: objective is 'recipe'")
        super().__init__(inputs, **settings)

    def encode(self, batch: Batch) -> Code:
        """The encoders' means, with a standard deviation of zero."""
        return [Encoded(each.mean, torch.full_like(each.mean, -torch.inf)) for each in super().encode(batch)]

    def _complete(self, z: Mapping[str, Tensor], observed: Tensor, noise: Tensor) -> dict[str, Tensor]:
        shape = (len(noise), len(observed), self.dim)
        scores = [noise[..., m].expand(shape) for m in range(len(self.names))]
        drawn = self.joint.marginals.from_scores(scores, ~observed)
        return {
            name: torch.where(observed[:, m, None], z[name], drawn[m])  # inside a model the alignment is the identity
            for m, name in enumerate(self.names)
        }

    def regularizer(self, batch: Batch, code: Code, source: Source) -> dict[str, Tensor]:
        """``-log p(z_O)``, weighted, and the decoders' own fit, which reaches nothing else."""
        z = self._named([each.mean for each in code])
        fixed = {name: value.detach() for name, value in z.items()}
        return {
            "density": -self.weight * self.joint.log_prob(z, batch.observed),
            "decoders": -self.weight * self._log_inputs(batch, fixed),
        }
