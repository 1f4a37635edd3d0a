"""Vine copulas, exact for every missing pattern."""

from sklar.copulas.vine.exchange import from_pyvinecopulib
from sklar.copulas.vine.keeping import vine_from_json
from sklar.copulas.vine.module import Evaluation, VineCopula
from sklar.copulas.vine.structure import Edge, VineStructure

__all__ = ["Edge", "Evaluation", "VineCopula", "VineStructure", "from_pyvinecopulib", "vine_from_json"]
