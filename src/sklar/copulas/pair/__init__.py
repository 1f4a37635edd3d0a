"""Pair copulas: every family, exact in the tails, differentiable in everything."""

from sklar.copulas.pair.family import Family
from sklar.copulas.pair.fit import select
from sklar.copulas.pair.mixture import Mixture, pair_from_json
from sklar.copulas.pair.module import PairCopula, PairScores, pair_copula
from sklar.copulas.pair.registry import FAMILIES
from sklar.copulas.pair.turned import ROTATIONS, Blend, Turned
from sklar.copulas.pair.uniform import Uniform

__all__ = [
    "FAMILIES",
    "ROTATIONS",
    "Blend",
    "Family",
    "Mixture",
    "PairCopula",
    "PairScores",
    "Turned",
    "Uniform",
    "pair_copula",
    "pair_from_json",
    "select",
]
