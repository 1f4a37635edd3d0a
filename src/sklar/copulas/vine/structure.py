"""Regular vine structures: which pairs are tied in which tree, given which variables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from numbers import Integral


@dataclass(frozen=True)
class Edge:
    """One pair copula's place: ``(first, second | given)`` in a tree, variables as indices of the scores' last axis.

    Attributes:
        tree: 0 for the first tree.
        first: first argument of the pair copula.
        second: second argument.
        given: conditioning variables, in the order in which the structure array lists them.
    """

    tree: int
    first: int
    second: int
    given: tuple[int, ...]

    @cached_property
    def union(self) -> frozenset[int]:
        """All its variables."""
        return frozenset((self.first, self.second, *self.given))

    def __str__(self) -> str:
        pair = f"{self.first},{self.second}"
        return pair if not self.given else pair + "|" + ",".join(map(str, self.given))


@dataclass(frozen=True)
class VineStructure:
    """A regular vine as an array in natural order, pyvinecopulib's convention but counted from zero.

    Column ``e`` belongs to variable ``order[e]``; in tree ``t`` it is tied to ``order[array[t][e]]`` given
    ``order[array[s][e]], s < t``. Every ``array[t][e]`` is larger than ``e``.

    Args:
        order: a permutation of the variables.
        array: ``array[t][e]``, one row a tree, ``M - 1 - t`` numbers each; fewer rows make a truncated vine, whose
            pairs in higher trees are conditionally independent.

    Raises:
        ValueError: no regular vine; the message names the entry.

    References:
        Bedford & Cooke (2002); Dissmann et al. (2013); Nagler & Vatter, vinecopulib.
    """

    order: tuple[int, ...]
    array: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        count = self.dim
        if count < 1 or sorted(self.order) != list(range(count)):
            raise ValueError(f"vine: order must be a permutation of 0 to {count - 1}, got {list(self.order)}")
        if len(self.array) > max(0, count - 1):
            raise ValueError(f"vine: {count} variables have at most {count - 1} trees, got {len(self.array)}")
        for t, row in enumerate(self.array):
            if len(row) != count - 1 - t:
                raise ValueError(f"vine: tree {t} of {count} variables has {count - 1 - t} pairs, got {len(row)}")
            for e, value in enumerate(row):
                column = [self.array[s][e] for s in range(t)]
                if not e < value < count or value in column:
                    raise ValueError(
                        f"vine: array[{t}][{e}] = {value} must be above {e}, below {count} and not in {column}"
                    )
                if t:
                    self._check_proximity(t, e)

    def _check_proximity(self, t: int, e: int) -> None:
        """The new variable and the column's earlier ones must be those of one pair of the tree before."""
        column = {self.array[s][e] for s in range(t + 1)}
        m = min(column)
        node = {self.array[s][m] for s in range(t)} if m < self.dim - t else set()
        if node | {m} != column or not (self.array[t][e] == m or self.array[t][e] == self.array[t - 1][m]):
            raise ValueError(f"vine: array[{t}][{e}] = {self.array[t][e]} breaks the proximity condition")

    @property
    def dim(self) -> int:
        """Number of variables."""
        return len(self.order)

    @property
    def trees(self) -> int:
        """Number of trees that are not truncated."""
        return len(self.array)

    @cached_property
    def edges(self) -> tuple[tuple[Edge, ...], ...]:
        """The pairs, tree by tree, in the array's order."""
        order = self.order
        return tuple(
            tuple(
                Edge(t, order[e], order[value], tuple(order[self.array[s][e]] for s in range(t)))
                for e, value in enumerate(row)
            )
            for t, row in enumerate(self.array)
        )

    def truncate(self, trees: int | None) -> VineStructure:
        """The first ``trees`` trees alone; None for all."""
        if trees is None:
            return self
        if not isinstance(trees, Integral):
            raise TypeError(f"vine: the number of trees must be an integer, got {trees!r}")
        if trees < 0:
            raise ValueError(f"vine: the number of trees must not be negative, got {trees}")
        return VineStructure(self.order, self.array[:trees])

    @classmethod
    def dvine(cls, order: Sequence[int]) -> VineStructure:
        """A path: neighbours in ``order`` are tied in the first tree."""
        count = len(order)
        array = tuple(tuple(e + t + 1 for e in range(count - 1 - t)) for t in range(count - 1))
        return cls(tuple(order), array)

    @classmethod
    def cvine(cls, order: Sequence[int]) -> VineStructure:
        """Stars: the first of ``order`` is the first tree's root, the second that of the second tree, and so on."""
        count = len(order)
        array = tuple(tuple(count - 1 - t for _ in range(count - 1 - t)) for t in range(count - 1))
        return cls(tuple(reversed(order)), array)

    @classmethod
    def named(cls, name: str, dim: int) -> VineStructure:
        """``"dvine"`` or ``"cvine"`` on the variables in their own order."""
        if name not in ("dvine", "cvine"):
            raise ValueError(f"unknown vine structure {name!r}; choose 'dvine', 'cvine' or give a VineStructure")
        return cls.dvine(range(dim)) if name == "dvine" else cls.cvine(range(dim))
