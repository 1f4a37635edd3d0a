"""Vine copulas, exact for every missing pattern."""

from sklar.copulas.vine.module import Evaluation, VineCopula, vine_from_json
from sklar.copulas.vine.structure import Edge, VineStructure

__all__ = ["Edge", "Evaluation", "VineCopula", "VineStructure", "vine_from_json"]
