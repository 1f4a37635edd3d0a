"""How variables depend: densities on the unit cube, in scores."""

from __future__ import annotations

from sklar.copulas.base import Copula
from sklar.copulas.gaussian import GaussianCopula
from sklar.copulas.independence import IndependenceCopula
from sklar.copulas.pair import FAMILIES, Mixture, PairCopula, pair_copula, pair_from_json, select

COPULAS: dict[str, type[GaussianCopula] | type[IndependenceCopula]] = {
    "gaussian": GaussianCopula,
    "independence": IndependenceCopula,
}

__all__ = [
    "COPULAS",
    "FAMILIES",
    "Copula",
    "GaussianCopula",
    "IndependenceCopula",
    "Mixture",
    "PairCopula",
    "pair_copula",
    "pair_from_json",
    "select",
]
