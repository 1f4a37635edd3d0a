"""How variables depend: densities on the unit cube, in scores."""

from __future__ import annotations

from collections.abc import Callable

from sklar.copulas.base import Copula
from sklar.copulas.factor import FactorCopula
from sklar.copulas.gaussian import GaussianCopula
from sklar.copulas.independence import IndependenceCopula
from sklar.copulas.pair import FAMILIES, Mixture, PairCopula, pair_copula, pair_from_json, select
from sklar.copulas.student import StudentCopula
from sklar.copulas.vine import VineCopula, VineStructure, from_pyvinecopulib, vine_from_json

COPULAS: dict[str, Callable[..., Copula]] = {
    "gaussian": GaussianCopula,
    "student": StudentCopula,
    "vine": VineCopula,
    "factor": FactorCopula,
    "independence": IndependenceCopula,
}

__all__ = [
    "COPULAS",
    "FAMILIES",
    "Copula",
    "FactorCopula",
    "GaussianCopula",
    "IndependenceCopula",
    "Mixture",
    "PairCopula",
    "StudentCopula",
    "VineCopula",
    "VineStructure",
    "from_pyvinecopulib",
    "pair_copula",
    "pair_from_json",
    "select",
    "vine_from_json",
]
