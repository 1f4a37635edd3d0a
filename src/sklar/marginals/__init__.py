"""How one modality's embedding is distributed."""

from __future__ import annotations

from sklar.marginals.base import Marginal
from sklar.marginals.mixtures import GaussianMixture, IndependentMixtures

MARGINALS: dict[str, type[GaussianMixture] | type[IndependentMixtures]] = {
    "independent": IndependentMixtures,
    "mixture": GaussianMixture,
}

__all__ = ["MARGINALS", "GaussianMixture", "IndependentMixtures", "Marginal"]
