"""How variables depend: densities on the unit cube, in scores."""

from __future__ import annotations

from sklar.copulas.base import Copula
from sklar.copulas.gaussian import GaussianCopula
from sklar.copulas.independence import IndependenceCopula

COPULAS: dict[str, type[GaussianCopula] | type[IndependenceCopula]] = {
    "gaussian": GaussianCopula,
    "independence": IndependenceCopula,
}

__all__ = ["COPULAS", "Copula", "GaussianCopula", "IndependenceCopula"]
