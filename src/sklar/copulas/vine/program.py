"""The log density of some of a vine's pairs, a tree's pairs of one kind at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sklar.copulas.vine.pairs import BoundPairs
from sklar.copulas.vine.plan import Key, Place, Planner
from sklar.copulas.vine.take import Take
from sklar.numerics.remember import remembering


@dataclass(frozen=True)
class Group:
    """Pairs of one tree and one kind: where their arguments are, and what is asked of them."""

    tree: int
    kind: int
    members: Take
    first: Take
    second: Take
    given: Take | None
    density: Take | None
    h1: Take | None
    h2: Take | None


class Program:
    """The sum of the log densities of given pairs, with the h-functions that they need.

    Args:
        planner: of the vine.
        kinds: kind of each pair and its place among the pairs of that kind.
        sizes: number of pairs of each kind.
        targets: the pairs to be summed.
        conditional: whether parameters depend on the conditioning scores.
    """

    def __init__(
        self,
        planner: Planner,
        kinds: Mapping[Place, tuple[int, int]],
        sizes: Sequence[int],
        targets: Iterable[Place],
        conditional: bool = False,
    ) -> None:
        self.planner, self.kinds = planner, kinds
        wanted = set(targets)
        self.variables = sorted(set().union(*(planner.edge(p).union for p in wanted))) if wanted else []
        needed = self._needed(wanted)
        trees = sorted({t for t, _ in needed})
        pool: list[Key] = [(v, frozenset()) for v in self.variables]
        self.steps: list[tuple[list[Group], Take | None]] = []
        for t in trees:
            places = sorted(p for p in needed if p[0] == t)
            later = {key for p in needed if p[0] > t for key in self._arguments(p)}
            groups: list[Group] = []
            outputs: list[Key] = []
            for kind in sorted({kinds[p][0] for p in places}):
                own = [p for p in places if kinds[p][0] == kind]
                edges = [planner.edge(p) for p in own]
                slots = {key: place for place, key in enumerate(pool)}
                arguments = [self._arguments(p) for p in own]
                first_key = [(e.second, e.union - {e.second}) for e in edges]
                second_key = [(e.first, e.union - {e.first}) for e in edges]
                given = [self.variables.index(v) for e in edges for v in e.given]
                groups.append(
                    Group(
                        t, kind,
                        Take([kinds[p][1] for p in own], sizes[kind]),
                        Take([slots[a] for a, _ in arguments], len(pool)),
                        Take([slots[b] for _, b in arguments], len(pool)),
                        Take(given, len(self.variables)) if conditional and t else None,
                        Take.some([i for i, p in enumerate(own) if p in wanted], len(own)),
                        Take.some([i for i, key in enumerate(first_key) if key in later], len(own)),
                        Take.some([i for i, key in enumerate(second_key) if key in later], len(own)),
                    )
                )  # fmt: skip
                outputs += [key for key in first_key if key in later] + [key for key in second_key if key in later]
            kept = [i for i, key in enumerate(pool) if key in later]
            self.steps.append((groups, Take.some(kept, len(pool))))
            pool = outputs + [pool[i] for i in kept]

    def _resolve(self, key: Key) -> Key:
        """The key without what silent pairs would condition on."""
        while key[1]:
            place = self.planner.sources[key]
            if place not in self.planner.silent:
                break
            edge = self.planner.edge(place)
            other = edge.second if key[0] == edge.first else edge.first
            key = (key[0], key[1] - {other})
        return key

    def _arguments(self, place: Place) -> tuple[Key, Key]:
        edge = self.planner.edge(place)
        given = frozenset(edge.given)
        return self._resolve((edge.first, given)), self._resolve((edge.second, given))

    def _needed(self, wanted: set[Place]) -> set[Place]:
        needed, queue = set(wanted), list(wanted)
        while queue:
            for key in self._arguments(queue.pop()):
                if key[1] and self.planner.sources[key] not in needed:
                    needed.add(self.planner.sources[key])
                    queue.append(self.planner.sources[key])
        return needed

    def log_density(self, scores: Tensor, pairs: BoundPairs) -> Tensor:
        """Sum of the log densities, ``(..., B, variables) -> (..., B)``."""
        total = scores.new_zeros(scores.shape[:-1])
        pool = scores
        for groups, kept in self.steps:
            outputs = []
            for group in groups:
                first, second = group.first(pool), group.second(pool)
                given = None
                if group.given is not None:
                    given = group.given(scores).unflatten(-1, (len(group.members.indices), group.tree))
                pair = pairs.pick(group.tree, group.kind, group.members, given)
                with remembering():
                    if group.density is not None:
                        total = total + group.density(pair.log_prob(first, second)).sum(-1)
                    for part, function in ((group.h1, "hfunc1"), (group.h2, "hfunc2")):
                        if part is None:
                            continue
                        if 2 * len(part.indices) > len(group.members.indices):  # the tails are there for all
                            outputs.append(part(getattr(pair, function)(first, second)))
                        else:
                            outputs.append(getattr(pair.pick(part), function)(part(first), part(second)))
            if kept is not None:
                outputs.append(kept(pool))
            if outputs:
                pool = outputs[0] if len(outputs) == 1 else torch.cat(outputs, -1)
        return total
