"""scikit-learn estimators: ``pip install 'sklar[train]'``."""

from __future__ import annotations

from sklar.estimators.imputer import CopulaImputer

__all__ = ["CopulaImputer"]
