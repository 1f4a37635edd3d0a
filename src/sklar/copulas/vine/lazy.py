"""Scores of variables given others, computed when they are asked for: what growing a vine needs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from sklar.copulas.pair import Blend, Turned
from sklar.copulas.vine.pairs import BoundPairs
from sklar.copulas.vine.plan import Key, Place, Planner
from sklar.copulas.vine.take import Take


class LazyScores:
    """Conditional scores from known ones, each computed once.

    Args:
        planner: of the vine.
        kinds: kind and position of each pair.
        pairs: the pair copulas.
        scores: by variable, shapes that broadcast to ``(..., B)``; grows with `grow`.
    """

    def __init__(
        self,
        planner: Planner,
        kinds: Mapping[Place, tuple[int, int]],
        pairs: BoundPairs,
        scores: Mapping[int, Tensor],
    ) -> None:
        self.planner, self.kinds, self.pairs = planner, kinds, pairs
        self.scores = dict(scores)
        self._known: dict[Key, Tensor] = {}

    def given(self, variable: int, others: frozenset[int]) -> Tensor:
        """Score of a variable given others, where the vine has a pair that joins them all."""
        if not others:
            return self.scores[variable]
        key = (variable, others)
        if key not in self._known:
            place = self.planner.sources[key]
            edge = self.planner.edge(place)
            given = frozenset(edge.given)
            if place in self.planner.silent:
                self._known[key] = self.given(variable, given)
            else:
                first, second = self.given(edge.first, given), self.given(edge.second, given)
                pair = self._pair(place)
                score = pair.hfunc1(first, second) if variable == edge.second else pair.hfunc2(first, second)
                self._known[key] = score
        return self._known[key]

    def _pair(self, place: Place) -> Turned | Blend:
        kind, position = self.kinds[place]
        given = self.planner.edge(place).given
        w = None
        if self.pairs.conditional and given:
            w = torch.stack(torch.broadcast_tensors(*(self.scores[v] for v in given)), -1).unsqueeze(-2)
        pair = self.pairs.pick(place[0], kind, Take([position], self.pairs.sizes[kind]), w)
        return pair.pick(lambda x: x[..., 0])

    def grow(self, variable: int, chain: tuple[Place, ...], noise: Tensor) -> None:
        """Draw one more variable given those that its chain of pairs ties it to; last tree first."""
        score = noise
        for place in chain:
            edge = self.planner.edge(place)
            given, pair = frozenset(edge.given), self._pair(place)
            first = variable == edge.first
            self._known[variable, edge.union - {variable}] = score
            other = self.given(edge.second if first else edge.first, given)
            score = pair.hinv2(score, other) if first else pair.hinv1(other, score)
            if given:
                self._known[variable, given] = score
        self.scores[variable] = score

    def last(self, variable: int, chain: tuple[Place, ...]) -> Tensor:
        """Score of a variable given all that its chain of pairs ties it to."""
        return self.given(variable, self.planner.edge(chain[0]).union - {variable}) if chain else self.scores[variable]
