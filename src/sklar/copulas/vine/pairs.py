"""The pair copulas of a batch of vines, those of one kind kept together."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from functools import cached_property

import torch
from torch import Tensor, nn

from sklar.copulas.pair import Blend, Mixture, PairCopula, PairScores, Turned, pair_copula
from sklar.copulas.vine.plan import Place
from sklar.copulas.vine.structure import VineStructure
from sklar.copulas.vine.take import Take

Part = tuple[str, int]  # family and rotation
Kind = tuple[Part, ...]  # one part: that family; several: a mixture of them
HIDDEN = 8  # units of the networks of a conditional vine


def kind_of(spec: object) -> Kind:
    """What a name, ``(name, rotation)``, a pair copula or a list of names means; TypeError if nothing."""
    if isinstance(spec, Mixture):
        return tuple((part.family.name, part.rotation) for part in spec.parts())
    if isinstance(spec, PairCopula):
        return ((spec.family.name, spec.rotation),)
    if isinstance(spec, str):
        return ((spec, 0),)
    if isinstance(spec, Sequence) and len(spec) == 2 and isinstance(spec[0], str) and isinstance(spec[1], int):
        return ((spec[0], spec[1]),)
    if isinstance(spec, Sequence) and spec:
        return tuple(kind_of(part)[0] for part in spec)
    raise TypeError(f"a pair needs a family's name, (name, rotation), a list of these or a pair copula, got {spec!r}")


class Offsets(nn.Module):
    """How the unconstrained numbers of one tree's pairs of one kind move with the conditioning scores.

    A network with one hidden layer a pair, zero at the start: then the vine is a simplified one.

    Args:
        batch: number of vines.
        pairs: number of pairs.
        given: number of conditioning scores.
        numbers: unconstrained numbers a pair.
    """

    def __init__(self, batch: int, pairs: int, given: int, numbers: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(given)
        self.inner = nn.Parameter(torch.randn(batch, pairs, given, HIDDEN, generator=generator) / given**0.5)
        self.shift = nn.Parameter(torch.randn(batch, pairs, HIDDEN, generator=generator))
        self.outer = nn.Parameter(torch.zeros(batch, pairs, HIDDEN, numbers))

    def forward(self, w: Tensor, choose: Callable[[Tensor], Tensor]) -> Tensor:
        """``(..., B, pairs, given) -> (..., B, pairs, numbers)``; ``choose`` picks vines and pairs."""
        inner, shift, outer = (choose(p).to(w.dtype) for p in (self.inner, self.shift, self.outer))
        hidden = torch.tanh((w.unsqueeze(-1) * inner).sum(-2) + shift)
        return (hidden.unsqueeze(-1) * outer).sum(-2)


class VinePairs(nn.Module):
    """Parameters of all pairs of a batch of vines that share structure and families.

    Args:
        structure: the trees.
        specs: for each pair what `kind_of` understands; a pair copula's parameters are taken over.
        batch: number of vines.
        conditional: whether parameters from the second tree on depend on the conditioning scores.
    """

    def __init__(
        self, structure: VineStructure, specs: Mapping[Place, object], batch: int, conditional: bool = False
    ) -> None:
        super().__init__()
        self.structure, self.batch = structure, batch
        members: dict[Kind, list[Place]] = {}
        for place in sorted(specs):
            members.setdefault(kind_of(specs[place]), []).append(place)
        self.keys = list(members)
        self.places = {
            place: (k, position) for k, kind in enumerate(self.keys) for position, place in enumerate(members[kind])
        }
        self.sizes = [len(members[kind]) for kind in self.keys]
        self.kinds = nn.ModuleList(_make(kind, (batch, len(members[kind]))) for kind in self.keys)
        self.begins: dict[tuple[int, int], int] = {}  # by tree and kind: its first pair's position
        for (tree, _), (kind, position) in self.places.items():
            self.begins.setdefault((tree, kind), position)
        self.offsets = nn.ModuleDict()
        if conditional:
            for tree, kind in self.begins:
                count = sum(1 for place in members[self.keys[kind]] if place[0] == tree)
                numbers = self.kind(kind).numbers
                if tree and numbers:
                    self.offsets[f"{tree}-{kind}"] = Offsets(batch, count, tree, numbers)
        for place, spec in specs.items():
            if isinstance(spec, PairScores):
                self.assign(place, spec)

    def kind(self, index: int) -> PairCopula | Mixture:
        """The module that holds all pairs of a kind, batch shape ``(B, pairs)``."""
        return self.kinds[index]  # type: ignore[return-value]

    @property
    def silent(self) -> frozenset[Place]:
        """Pairs that are independent whatever their parameters."""
        return frozenset(p for p, (k, _) in self.places.items() if self.keys[k] == (("indep", 0),))

    @torch.no_grad()
    def assign(self, place: Place, pair: PairScores, vine: int | None = None) -> None:
        """Take over one pair copula's parameters, in one vine or in all."""
        index, position = self.places[place]
        own = dict(self.kind(index).named_parameters())
        for name, value in pair.named_parameters():
            own[name][slice(None) if vine is None else vine, position] = value.to(own[name])

    @torch.no_grad()
    def single(self, place: Place, vine: int = 0) -> PairCopula | Mixture:
        """One pair copula, alone; of a conditional vine the one at conditioning scores that move nothing."""
        index, position = self.places[place]
        pair = _make(self.keys[index], ())
        own = dict(self.kind(index).named_parameters())
        for name, value in pair.named_parameters():
            value.copy_(own[name][vine, position])
        return pair

    @torch.no_grad()
    def start(self, taus: Mapping[Place, Tensor]) -> None:
        """Give every pair a Kendall's tau ``(B,)``, or its nearest, away from the bounds, where gradients vanish."""
        for k in range(len(self.keys)):
            own = sorted((position, place) for place, (kind, position) in self.places.items() if kind == k)
            module = self.kind(k)
            module.set_tau(torch.stack([taus[place] for _, place in own], -1))
            for part in module.parts() if isinstance(module, Mixture) else [module]:
                part.raw.clamp_(-6.0, 6.0)

    def bind(self, dtype: torch.dtype, device: torch.device | None = None) -> BoundPairs:
        """The pairs at their present parameters."""
        return BoundPairs(self, dtype, device)


class BoundPairs:
    """Pair copulas of a call: parameters computed once, picked from as trees and rows need them."""

    def __init__(self, pairs: VinePairs, dtype: torch.dtype, device: torch.device | None) -> None:
        self.pairs, self.dtype, self.device = pairs, dtype, device
        self.conditional, self.sizes = bool(pairs.offsets), pairs.sizes
        self.vines: Tensor | None = None
        self._whole: BoundPairs | None = None  # that of all vines, where this is of some
        self._at = [pairs.kind(k).at(dtype) for k in range(len(pairs.keys))]

    def of(self, vines: Tensor | None) -> BoundPairs:
        """Those of some vines; None for all."""
        if vines is None:
            return self
        some = copy(self)
        some.vines, some._whole = vines, self
        some._at = [copula.pick(some._choose_vines) for copula in self._at]
        return some

    def _choose_vines(self, x: Tensor) -> Tensor:
        return x if self.vines is None else x.index_select(0, self.vines)

    def pick(self, tree: int, kind: int, members: Take, given: Tensor | None) -> Turned | Blend:
        """Pairs of one tree and kind by position, ``given`` their conditioning scores ``(..., B, pairs, t)``."""
        name = f"{tree}-{kind}"
        if given is None or name not in self.pairs.offsets:
            return self._at[kind].pick(members)
        begin = self.pairs.begins[tree, kind]
        local = Take([i - begin for i in members.indices], self.pairs.offsets[name].inner.shape[1])  # type: ignore

        def choose(x: Tensor) -> Tensor:
            return local(self._choose_vines(x), 1)

        offset = self.pairs.offsets[name](given, choose)
        return self.pairs.kind(kind).at(self.dtype, offset, lambda raw: members(self._choose_vines(raw), 1))

    def partial_correlations(self) -> dict[Place, Tensor]:
        """For each pair ``(B,)``: a Gaussian's correlation, of the others ``sin(pi tau / 2)``."""
        each = []
        for copula in self._at:
            parts = copula.parts if isinstance(copula, Blend) else (copula,)
            own = [_correlation(part) for part in parts]
            if isinstance(copula, Blend):
                own = [w.exp() * value for w, value in zip(copula.log_weights, own, strict=True)]
            each.append(sum(own[1:], own[0]))
        batch = self.pairs.batch
        return {place: each[k].expand(batch, self.sizes[k])[:, i] for place, (k, i) in self.pairs.places.items()}

    def correlation(self) -> Tensor:
        """Correlation matrices ``(B, M, M)`` with these partial correlations (Lewandowski et al. 2009)."""
        partial = self.partial_correlations()
        order, array, batch = self.pairs.structure.order, self.pairs.structure.array, self.pairs.batch
        r = torch.ones(batch, 1, 1, dtype=self.dtype, device=self.device)
        for e in range(len(order) - 2, -1, -1):
            parents = [row[e] - e - 1 for row in array if e < len(row)]
            line = r.new_zeros(batch, r.shape[-1])
            if parents:
                rest = torch.ones_like(r[:, 0, 0])
                coordinates = []
                for t in range(len(parents)):
                    coordinates.append(partial[t, e] * rest.sqrt())
                    rest = rest * (1 - partial[t, e].square())
                factor = torch.linalg.cholesky(r[:, parents][:, :, parents])
                solved = torch.linalg.solve_triangular(factor, r[:, parents], upper=False)
                line = (torch.stack(coordinates, -1).unsqueeze(-1) * solved).sum(-2)
            top = torch.cat([torch.ones_like(line[:, :1]), line], -1)
            r = torch.cat([top.unsqueeze(-2), torch.cat([line.unsqueeze(-1), r], -1)], -2)
        place = [order.index(v) for v in range(len(order))]
        return r[:, place][:, :, place]

    @property
    def frame(self) -> Tensor:
        """The correlation matrices as a rough place to search from: without gradients, computed once a call."""
        return self._frame if self._whole is None else self._choose_vines(self._whole._frame)

    @cached_property
    def _frame(self) -> Tensor:
        with torch.no_grad():
            return self.correlation()


def _correlation(part: Turned) -> Tensor:
    if part.family.name in ("gaussian", "student"):
        return part.values[0]
    tau = part.family.tau(part.values)
    return torch.sin(0.5 * math.pi * (-tau if part.rotation in (90, 270) else tau))


def _make(kind: Kind, batch: tuple[int, ...]) -> PairCopula | Mixture:
    parts = [pair_copula(family, rotation=rotation, batch_shape=batch) for family, rotation in kind]
    return parts[0] if len(parts) == 1 else Mixture(parts)
