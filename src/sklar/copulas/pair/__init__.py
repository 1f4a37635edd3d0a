"""Pair copulas: every family, exact in the tails, differentiable in everything."""

from sklar.copulas.pair.family import Family
from sklar.copulas.pair.module import ROTATIONS, PairCopula, PairScores, pair_copula, pair_from_json
from sklar.copulas.pair.registry import FAMILIES
from sklar.copulas.pair.uniform import Uniform

__all__ = [
    "FAMILIES",
    "ROTATIONS",
    "Family",
    "PairCopula",
    "PairScores",
    "Uniform",
    "pair_copula",
    "pair_from_json",
]
