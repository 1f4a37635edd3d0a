"""How one modality's embedding is distributed."""

from __future__ import annotations

from sklar.marginals.base import CoordinatewiseMarginal, Marginal
from sklar.marginals.mixtures import GaussianMixture, IndependentMixtures
from sklar.marginals.normal import Normal

MARGINALS: dict[str, type[GaussianMixture] | type[IndependentMixtures] | type[Normal]] = {
    "independent": IndependentMixtures,
    "mixture": GaussianMixture,
    "normal": Normal,
}

__all__ = ["MARGINALS", "CoordinatewiseMarginal", "GaussianMixture", "IndependentMixtures", "Marginal", "Normal"]
