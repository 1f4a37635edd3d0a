"""scikit-learn estimators: ``pip install 'sklar[train]'``."""

from __future__ import annotations

try:
    import sklearn  # noqa: F401
except ImportError as error:
    raise ImportError("sklar.estimators needs scikit-learn 1.6 or newer: pip install 'sklar[train]'") from error

from sklar.estimators.fusion import CopulaFusionClassifier, CopulaFusionRegressor
from sklar.estimators.imputer import CopulaImputer

__all__ = ["CopulaFusionClassifier", "CopulaFusionRegressor", "CopulaImputer"]
