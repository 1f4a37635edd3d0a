"""Vine copulas: products of pair copulas, answered for every missing pattern."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sklar.copulas.base import Copula
from sklar.copulas.elliptical import multiply
from sklar.copulas.gaussian import normal_impute, normal_log_prob
from sklar.copulas.pair import Mixture, PairCopula
from sklar.copulas.patterns import Patterns
from sklar.copulas.vine.blocks import Block, Part, blocks, gather
from sklar.copulas.vine.hidden import Frame, Hidden, Integral, Scores
from sklar.copulas.vine.lazy import LazyScores
from sklar.copulas.vine.pairs import BoundPairs, VinePairs
from sklar.copulas.vine.plan import Pattern, Place, Planner
from sklar.copulas.vine.program import Program
from sklar.copulas.vine.structure import VineStructure

# A normal dependence that may grow a tail at either end; negative ones stay normal.
FAMILIES_OF_A_VINE = ("gaussian", "clayton", ("clayton", 180))
CELLS = 2**22  # numbers that one step of an integral may hold a variable, without gradients


class Evaluation(NamedTuple):
    """A log density and how well it is known.

    Attributes:
        log_prob: as `VineCopula.log_prob`, ``(..., *batch)``.
        error: in nats; zero where the pattern is closed form, else the estimated error of a quadrature or the standard
            error of importance sampling.
        effective_size: effective number of importance samples, infinite where none were drawn.
        hidden: number of variables that had to be integrated out together.
    """

    log_prob: Tensor
    error: Tensor
    effective_size: Tensor
    hidden: Tensor


class VineCopula(Copula):
    """A batch of regular vine copulas that share structure and families (Bedford & Cooke 2002, Aas et al. 2009).

    Every missing pattern is answered: in closed form where the observed variables' pairs make a vine of their own, by
    quadrature where one or two hidden variables tie them together, by importance sampling beyond.

    Args:
        dim: number of variables ``M``.
        batch_shape: shape of the batch of vines.
        blocks: must be of size one each: a vine ties all variables.
        structure: ``"dvine"``, ``"cvine"`` or a `VineStructure`.
        families: one family's name or ``(name, rotation)`` for all pairs; a list of such for a learnable `Mixture` at
            every pair (the default: Gaussian and Clayton in either direction); or a list of trees, each a list with one
            of these or a pair copula for each of its pairs.
        trees: trees kept, default all; pairs of higher trees are conditionally independent.
        conditional: the parameters of pairs from the second tree on are smooth functions of the conditioning scores, by
            a small network that starts as the simplified vine's constant.
        correlation: start of all pairs of the first tree: the Kendall's tau of this normal correlation, as far as the
            family can.
        samples: importance samples where three or more variables are hidden.
        shortcut: whether a vine of Gaussian pairs may be answered as the normal distribution that it is.

    Raises:
        ValueError, KeyError, TypeError: a structure or families that do not fit.
    """

    def __init__(
        self,
        dim: int,
        batch_shape: tuple[int, ...] = (),
        blocks: tuple[int, ...] | None = None,
        structure: str | VineStructure = "dvine",
        families: Any = FAMILIES_OF_A_VINE,
        trees: int | None = None,
        conditional: bool = False,
        correlation: float = 0.0,
        samples: int = 4096,
        shortcut: bool = True,
    ) -> None:
        super().__init__(dim, batch_shape)
        self._refuse_blocks(blocks)
        if not isinstance(structure, str | VineStructure):
            raise TypeError(f"VineCopula: structure must be a name or a VineStructure, got {structure!r}")
        if samples < 1:
            raise ValueError(f"VineCopula: samples must be at least 1, got {samples}")
        if not -1 < correlation < 1:
            raise ValueError(f"VineCopula: correlation must be in (-1, 1), got {correlation}")
        built = VineStructure.named(structure, dim) if isinstance(structure, str) else structure
        if built.dim != dim:
            raise ValueError(f"VineCopula: the structure has {built.dim} variables, dim is {dim}")
        self.structure = built.truncate(trees)
        self.conditional, self.samples, self.shortcut = conditional, samples, shortcut
        self.vines = math.prod(self.batch_shape)
        self.pairs = VinePairs(self.structure, _specs(self.structure, families), self.vines, conditional)
        self.planner = Planner(self.structure, self.pairs.silent)
        self._programs: dict[tuple[Place, ...], Program] = {}
        if correlation:
            self._start(correlation)

    # Pairs.

    def pair(self, tree: int, column: int, vine: int = 0) -> PairCopula | Mixture:
        """One pair copula, alone; ``vine`` counts in the flattened batch. Where it belongs: ``structure.edges``."""
        return self.pairs.single((tree, column), vine)

    def set_pair(self, tree: int, column: int, pair: PairCopula | Mixture, vine: int | None = None) -> None:
        """Take over a pair copula's parameters, of the kind that is there; in one vine of the batch or in all."""
        self.pairs.assign((tree, column), pair, vine)

    def _start(self, correlation: float) -> None:
        first = [place for place in self.pairs.places if place[0] == 0]
        for place in first:
            self.set_pair(*place, self.pair(*place).set_tau(2 / math.pi * math.asin(correlation)))

    @property
    def gaussian(self) -> bool:
        """Whether all pairs are Gaussian or independent, so that the whole is a normal distribution's copula."""
        return not self.conditional and all(kind in ((("gaussian", 0),), (("indep", 0),)) for kind in self.pairs.keys)

    def correlation(self) -> Tensor:
        """Correlation matrix of the normal distribution with the same vine of partial correlations, ``(*batch, M, M)``.

        Those of Gaussian pairs, ``sin(pi tau / 2)`` of the others.
        """
        return self._normal(torch.float64).to(self.anchor.dtype)

    def _normal(self, dtype: torch.dtype) -> Tensor:
        return self.pairs.bind(dtype, self.anchor.device).correlation().reshape(*self.batch_shape, self.dim, self.dim)

    # Density.

    def log_prob(self, scores: Tensor, observed: Tensor | None = None) -> Tensor:
        """Log copula density of the observed scores: ``(..., *batch, M) -> (..., *batch)``."""
        return self.evaluate(scores, observed).log_prob

    def evaluate(self, scores: Tensor, observed: Tensor | None = None) -> Evaluation:
        """The log density with its error: see `Evaluation`."""
        mask = self._mask(scores, observed)
        lead = scores.shape[: scores.ndim - len(self.event_shape)]
        w, broken = self._shown(scores, mask)
        # Complete rows are cheaper pair by pair than by a factor of the matrix.
        if self.shortcut and self.gaussian and not bool(mask.all()):
            value = normal_log_prob(self._normal(w.dtype), w, Patterns(mask, len(self.event_shape)))
            nothing, value = torch.zeros_like(value), value.masked_fill(broken, math.nan)
            return Evaluation(value, nothing, torch.full_like(value, math.inf), nothing)
        w = w.reshape(-1, self.vines, self.dim)
        pairs = self.pairs.bind(w.dtype, w.device)
        found = [self._evaluate(block, w, pairs) for block in blocks(mask, self.event_shape, lead)]
        shape = (*lead, *self.batch_shape)
        value, *rest = (gather(parts, w).reshape(shape) for parts in zip(*found, strict=True))
        return Evaluation(value.masked_fill(broken, math.nan), *rest)

    def _evaluate(self, block: Block, w: Tensor, pairs: BoundPairs) -> tuple[Part, Part, Part, Part]:
        part = block.take(w)
        pattern = self.planner.pattern(block.observed)
        pairs = pairs.of(block.vines)
        total = self._program(pattern.free).log_density(self._some(part, pattern.free), pairs)
        error, size = torch.zeros_like(total), torch.full_like(total, math.inf)
        for group, tied in zip(pattern.hidden, pattern.tied, strict=True):
            found = self._integral(group, tied, part, pairs, pattern)
            total, error = total + found.log_value, error + found.error.detach()
            size = torch.minimum(size, found.effective_size.detach())
        hidden = torch.full_like(error, max(map(len, pattern.hidden), default=0))
        return (block, total), (block, error), (block, size), (block, hidden)

    def _integral(
        self, group: tuple[int, ...], tied: tuple[Place, ...], part: Tensor, pairs: BoundPairs, pattern: Pattern
    ) -> Integral:
        """One group's integral, some rows at a time."""
        nodes = self.samples if len(group) > 2 else 64 ** len(group)
        rows = max(1, CELLS // (nodes * part.shape[1]))
        found = [self._hidden(group, tied, rows_, pairs, pattern).integral() for rows_ in part.split(rows)]
        if len(found) == 1:
            return found[0]
        return Integral(*(torch.cat([getattr(f, name) for f in found]) for name in Integral.__dataclass_fields__))

    def _hidden(
        self, group: tuple[int, ...], tied: tuple[Place, ...], part: Tensor, pairs: BoundPairs, pattern: Pattern
    ) -> Hidden:
        program = self._program(tied)
        known = {v: part[..., v] for v in sorted(pattern.observed)}

        def density(scores: Scores) -> Tensor:
            stacked = torch.stack(torch.broadcast_tensors(*(scores[v] for v in program.variables)), -1)
            return program.log_density(stacked, pairs)

        return Hidden(group, density, known, Frame(pairs.frame, known), self.samples)

    def _program(self, targets: tuple[Place, ...]) -> Program:
        if targets not in self._programs:
            self._programs[targets] = Program(
                self.planner, self.pairs.places, self.pairs.sizes, targets, self.conditional
            )
        return self._programs[targets]

    def _some(self, part: Tensor, targets: tuple[Place, ...]) -> Tensor:
        variables = self._program(targets).variables
        return part if len(variables) == self.dim else part[..., variables]

    # Draws.

    def impute(
        self,
        scores: Tensor,
        observed: Tensor,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Missing scores replaced by exact conditional draws: see `Copula.impute`.

        Where three or more variables are hidden (see `evaluate`) they are resampled importance samples, through which
        no gradient passes.
        """
        mask = self._mask(scores, observed)
        noise = self._noise(scores, mask, generator, noise)
        events = len(self.event_shape)
        shown, broken = self._shown(scores, mask)
        if self.shortcut and self.gaussian:
            r = self._normal(scores.dtype)
            free = multiply(torch.linalg.cholesky(r), noise)
            return self._completed(scores, mask, normal_impute(r, free, shown, mask, Patterns(mask, events)), broken)
        draws, full = self._draws_and_rows(scores, mask, noise)
        lead = full[: len(full) - events]
        w = shown.expand(full).reshape(math.prod(lead), self.vines, self.dim)
        z = noise.expand(*draws, *full).reshape(math.prod(draws), *w.shape)
        pairs = self.pairs.bind(w.dtype, w.device)
        parts = [self._draw(block, w, z, pairs) for block in blocks(mask, self.event_shape, lead)]
        return self._completed(scores, mask, gather(parts, z).reshape(*draws, *full), broken)

    def _draw(self, block: Block, w: Tensor, z: Tensor, pairs: BoundPairs) -> tuple[Block, Tensor]:
        part, noise = block.take(w), block.take(z)
        pattern = self.planner.pattern(block.observed)
        pairs = pairs.of(block.vines)
        scores: Scores = {v: part[..., v] for v in sorted(pattern.observed)}
        for group, tied in zip(pattern.hidden, pattern.tied, strict=True):
            hidden = self._hidden(group, tied, part, pairs, pattern)
            scores |= hidden.draw({v: noise[..., v] for v in group})[0]
        lazy = LazyScores(self.planner, self.pairs.places, pairs, scores)
        for variable, chain in pattern.grown:
            lazy.grow(variable, chain, noise[..., variable])
        drawn = [lazy.scores[v].expand(noise.shape[:-1]) for v in range(self.dim)]
        return block, torch.stack(drawn, -1)

    def rosenblatt(self, scores: Tensor) -> Tensor:
        """Scores made independent, ``(..., *batch, M)``, by the vine's own order: each given those grown before it.

        The inverse is `inverse_rosenblatt`. Rosenblatt (1952).
        """
        self._mask(scores, None)
        lead = scores.shape[: scores.ndim - len(self.event_shape)]
        w = scores.reshape(-1, self.vines, self.dim)
        pairs = self.pairs.bind(w.dtype, w.device)
        lazy = LazyScores(self.planner, self.pairs.places, pairs, {v: w[..., v] for v in range(self.dim)})
        found = {v: lazy.last(v, chain) for v, chain in self.planner.pattern(frozenset()).grown}
        return torch.stack([found[v] for v in range(self.dim)], -1).reshape(*lead, *self.event_shape)

    def inverse_rosenblatt(self, noise: Tensor) -> Tensor:
        """Scores of the vine from independent normals, ``(..., *batch, M)``."""
        return self.impute(torch.zeros_like(noise), torch.zeros_like(noise, dtype=torch.bool), noise=noise)

    # Fitting and keeping.

    def fit(self, scores: Tensor, observed: Tensor | None = None) -> VineCopula:
        """Maximum likelihood of the observed data, in place: see `sklar.copulas.vine.fit.fit`."""
        from sklar.copulas.vine.fit import fit

        return fit(self, scores, observed)

    @classmethod
    def select(cls, scores: Tensor, **settings: Any) -> VineCopula:
        """Structure, truncation and families chosen by pyvinecopulib: see `sklar.copulas.vine.exchange.select`."""
        from sklar.copulas.vine.exchange import select

        return select(scores, **settings)

    def to_pyvinecopulib(self) -> Any:
        """The same vine as a ``pyvinecopulib.Vinecop``: see `sklar.copulas.vine.exchange.to_pyvinecopulib`."""
        from sklar.copulas.vine.exchange import to_pyvinecopulib

        return to_pyvinecopulib(self)

    def to_json(self) -> str:
        """All of it as JSON, from which `vine_from_json` makes the same copula."""
        from sklar.copulas.vine.keeping import description

        return json.dumps(description(self))

    def extra_repr(self) -> str:
        """Size, trees and families, for printing."""
        kinds = sorted({"+".join(name for name, _ in kind) for kind in self.pairs.keys})
        return f"{super().extra_repr()}, trees={self.structure.trees}, families={kinds}"


def _specs(structure: VineStructure, families: Any) -> Mapping[Place, object]:
    """What each pair is, from the argument ``families``."""
    places = [(t, e) for t, row in enumerate(structure.array) for e in range(len(row))]
    nested = isinstance(families, Sequence) and not isinstance(families, str) and all(
        isinstance(row, list) for row in families
    )  # fmt: skip
    if not nested or not families:
        return dict.fromkeys(places, families)
    counts = [len(row) for row in families]
    if counts[: structure.trees] != [len(row) for row in structure.array]:
        raise ValueError(f"VineCopula: families need {[len(r) for r in structure.array]} pairs a tree, got {counts}")
    return {(t, e): families[t][e] for t, e in places}
