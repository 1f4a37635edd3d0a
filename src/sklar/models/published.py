"""CM2 as its paper means it, under the common recipe."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sklar.models.variational import VariationalCopula


class Published(VariationalCopula):
    """The published rule: a missing embedding is drawn from its own marginal mixture, whatever was observed.

    Everything else is the variational copula model's: true densities, components that differ, a component drawn and
    then sampled, the draw fused. The copula enters the density term of the objective, not the imputation.

    References:
        Wu et al., "Cross-Modal Alignment via Variational Copula Modelling", ICML 2025, arXiv 2511.03196, section 3.
    """

    name = "published"

    def _complete(self, z: Mapping[str, Tensor], observed: Tensor, noise: Tensor) -> dict[str, Tensor]:
        shape = (len(noise), *observed.shape[:1], self.dim)
        scores = [noise[..., m].expand(shape) for m in range(len(self.names))]
        drawn = self.joint.marginals.from_scores(scores, ~observed)
        return {
            name: torch.where(observed[:, m, None], z[name], drawn[m])  # the embedding is not realigned inside a model
            for m, name in enumerate(self.names)
        }
