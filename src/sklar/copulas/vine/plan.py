"""What has to be computed for a missing pattern, found out once and kept.

A set of variables is *closed* where the vine's density of it is a product of its own pairs. The others are marginals
of the smallest closed set around them: what that has more is *hidden* and must be integrated out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from sklar.copulas.vine.structure import Edge, VineStructure

Place = tuple[int, int]  # tree and column of a pair
Key = tuple[int, frozenset[int]]  # the score of one variable given others


@dataclass(frozen=True)
class Pattern:
    """How to answer for one set of observed variables.

    Attributes:
        observed: the variables that are there.
        free: pairs whose arguments are all observed (or follow from them).
        hidden: groups of variables to be integrated out, independent of each other given what is observed.
        tied: for each group the pairs that depend on it.
        grown: the other missing variables in the order in which they are drawn, each with its chain of pairs, last
            tree first.
    """

    observed: frozenset[int]
    free: tuple[Place, ...]
    hidden: tuple[tuple[int, ...], ...]
    tied: tuple[tuple[Place, ...], ...]
    grown: tuple[tuple[int, tuple[Place, ...]], ...]


class Planner:
    """Plans for the patterns of one vine.

    Args:
        structure: the vine's trees.
        silent: pairs that are independent whatever happens.
    """

    def __init__(self, structure: VineStructure, silent: Iterable[Place] = ()) -> None:
        self.structure = structure
        self.silent = frozenset(silent)
        self._patterns: dict[frozenset[int], Pattern] = {}

    @cached_property
    def edges(self) -> dict[Place, Edge]:
        """Pairs that are not silent."""
        return {
            (t, e): edge
            for t, row in enumerate(self.structure.edges)
            for e, edge in enumerate(row)
            if (t, e) not in self.silent
        }

    @cached_property
    def sources(self) -> dict[Key, Place]:
        """Where the score of a variable given others comes from: the pair that joins them all."""
        found: dict[Key, Place] = {}
        for t, row in enumerate(self.structure.edges):
            for e, edge in enumerate(row):
                for variable in (edge.first, edge.second):
                    found[variable, edge.union - {variable}] = (t, e)
        return found

    def edge(self, place: Place) -> Edge:
        """The pair at a place, silent or not."""
        return self.structure.edges[place[0]][place[1]]

    def pattern(self, observed: frozenset[int]) -> Pattern:
        """The plan for one pattern."""
        if observed not in self._patterns:
            self._patterns[observed] = self._plan(observed)
        return self._patterns[observed]

    def _plan(self, observed: frozenset[int]) -> Pattern:
        remaining = frozenset(range(self.structure.dim))
        active = dict(self.edges)
        grown = []
        while True:
            chains = ((v, self._chain(v, active)) for v in self.structure.order if v in remaining - observed)
            leaf = next(((v, chain) for v, chain in chains if chain is not None), None)
            if leaf is None:
                break
            grown.append(leaf)
            remaining = remaining - {leaf[0]}
            active = {place: edge for place, edge in active.items() if leaf[0] not in edge.union}
        groups = _groups(remaining - observed, active.values())
        tied = tuple(tuple(p for p, edge in active.items() if edge.union & set(group)) for group in groups)
        free = tuple(p for p, edge in active.items() if not edge.union & (remaining - observed))
        return Pattern(observed, free, groups, tied, tuple(reversed(grown)))

    @staticmethod
    def _chain(variable: int, active: dict[Place, Edge]) -> tuple[Place, ...] | None:
        """The pairs that vanish with a variable, last tree first; None where it must be integrated out."""
        own = sorted(((p, e) for p, e in active.items() if variable in e.union), key=lambda item: -item[0][0])
        if any(variable in edge.given for _, edge in own):
            return None
        for (_, larger), (_, smaller) in pairwise(own):
            if not smaller.union < larger.union:
                return None
        return tuple(place for place, _ in own)


def _groups(hidden: frozenset[int], edges: Iterable[Edge]) -> tuple[tuple[int, ...], ...]:
    """Hidden variables that share a pair, directly or through others."""
    groups = [{v} for v in sorted(hidden)]
    for edge in edges:
        touched = [g for g in groups if g & edge.union]
        if len(touched) > 1:
            groups = [g for g in groups if g not in touched] + [set().union(*touched)]
    return tuple(sorted(tuple(sorted(group)) for group in groups))
