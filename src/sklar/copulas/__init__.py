"""How variables depend: densities on the unit cube, in scores."""

from __future__ import annotations

from sklar.copulas.base import Copula
from sklar.copulas.gaussian import GaussianCopula
from sklar.copulas.independence import IndependenceCopula
from sklar.copulas.pair import FAMILIES, Mixture, PairCopula, pair_copula, pair_from_json, select
from sklar.copulas.student import StudentCopula

COPULAS: dict[str, type[GaussianCopula] | type[IndependenceCopula] | type[StudentCopula]] = {
    "gaussian": GaussianCopula,
    "independence": IndependenceCopula,
    "student": StudentCopula,
}

__all__ = [
    "COPULAS",
    "FAMILIES",
    "Copula",
    "GaussianCopula",
    "IndependenceCopula",
    "Mixture",
    "PairCopula",
    "StudentCopula",
    "pair_copula",
    "pair_from_json",
    "select",
]
