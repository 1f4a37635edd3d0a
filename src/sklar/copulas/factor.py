"""The one-factor copula: pair copulas to one latent variable that all share."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sklar.copulas.base import Copula
from sklar.copulas.gaussian import GaussianCopula
from sklar.copulas.likelihood import maximise
from sklar.copulas.pair import Blend, Mixture, PairCopula, Turned
from sklar.copulas.pair.family import score_of
from sklar.copulas.pair.inverse import solve_quantile
from sklar.copulas.vine.pairs import VinePairs
from sklar.copulas.vine.structure import VineStructure
from sklar.copulas.vine.take import Take
from sklar.numerics import log_ndtr_tails, log_normal
from sklar.numerics.line import MOST, SHARPEST, LineIntegral

POINTS, FINE = 32, 64  # nodes of a density, and of a quantile
STEEP = 256  # of an average of h-functions, which climb faster than densities fall
# A normal dependence that may grow a tail at either end; negative ones stay normal.
FAMILIES_OF_A_FACTOR = ("gaussian", "clayton", ("clayton", 180))
STRONGEST = 0.95  # loading of a start at most


class FactorCopula(Copula):
    """``c(u) = int prod_m c_m(u_m, v) dv``: variables independent given one latent root (Krupskii & Joe 2013).

    Any pattern costs one integral over the latent score, linear in the number of observed variables; rows of all
    patterns are integrated side by side, each on its own support.

    Args:
        dim: number of variables ``M``.
        batch_shape: shape of the batch of copulas.
        blocks: must be of size one each: a factor ties all variables.
        families: one family's name, ``(name, rotation)``, a list of such for a learnable `Mixture`, or a pair copula,
            for all variables; the variable is the pair's first argument, the root its second.
        correlation: start, the correlation of any two variables where the families can.

    Raises:
        ValueError: blocks, a start out of range. TypeError: families that are none.
    """

    def __init__(
        self,
        dim: int,
        batch_shape: tuple[int, ...] = (),
        blocks: tuple[int, ...] | None = None,
        families: Any = FAMILIES_OF_A_FACTOR,
        correlation: float = 0.0,
    ) -> None:
        super().__init__(dim, batch_shape)
        self._refuse_blocks(blocks)
        if not 0 <= correlation < 1:
            raise ValueError(f"FactorCopula: one factor makes correlations from 0 to below 1, got {correlation}")
        self.copulas = math.prod(self.batch_shape)
        star = VineStructure((*range(dim), dim), ((dim,) * dim,))
        self.pairs = VinePairs(star, {(0, m): families for m in range(dim)}, self.copulas)
        if correlation:
            self._start(torch.full((self.copulas, dim), correlation, dtype=torch.float64).sqrt())

    def pair(self, variable: int, copula: int = 0) -> PairCopula | Mixture:
        """The pair copula of a variable (first argument) and the root; ``copula`` counts in the flattened batch."""
        return self.pairs.single((0, variable), copula)

    def set_pair(self, variable: int, pair: PairCopula | Mixture, copula: int | None = None) -> None:
        """Take over a pair copula's parameters, of the kind that is there; in one copula of the batch or in all."""
        self.pairs.assign((0, variable), pair, copula)

    def correlation(self) -> Tensor:
        """Correlation matrix of the normal one-factor model with the pairs' Kendall's taus, ``(*batch, M, M)``."""
        partial = self.pairs.bind(torch.float64).partial_correlations()
        loadings = torch.stack([partial[0, m] for m in range(self.dim)], -1)
        eye = torch.eye(self.dim, dtype=torch.bool, device=loadings.device)
        r = torch.where(eye, 1.0, loadings.unsqueeze(-1) * loadings.unsqueeze(-2))
        return r.reshape(*self.batch_shape, self.dim, self.dim).to(self.anchor.dtype)

    @torch.no_grad()
    def _start(self, loadings: Tensor) -> None:
        """Give each pair the Kendall's tau of its normal loading, ``(B, M)``."""
        tau = 2 / torch.pi * torch.asin(loadings.clamp(-STRONGEST, STRONGEST))
        self.pairs.start({(0, m): tau[:, m] for m in range(self.dim)})

    def _bind(self, dtype: torch.dtype) -> Turned | Blend:
        return self.pairs.bind(dtype).pick(0, 0, Take(range(self.dim), self.dim), None)

    def _elements(self, dtype: torch.dtype, elements: Tensor) -> Turned | Blend:
        """The pairs of some elements, numbered over rows and copulas: parameters ``(E, M)``."""
        copulas = elements % self.copulas
        return self._bind(dtype).pick(lambda value: value[copulas])

    def _flat(self, scores: Tensor, mask: Tensor) -> tuple[Tensor, Tensor, torch.Size, Tensor]:
        """Scores of all rows and copulas ``(E, M)``, their mask, the leading shape, and which rows hold NaN."""
        events = len(self.event_shape)
        lead = torch.broadcast_shapes(scores.shape[: scores.ndim - events], mask.shape[: mask.ndim - events])
        shape = (*lead, *self.event_shape)
        w, broken = self._shown(scores, mask)
        return w.expand(shape).reshape(-1, self.dim), mask.expand(shape).reshape(-1, self.dim), lead, broken

    @staticmethod
    def _root(w: Tensor, shown: Tensor, pair: Turned | Blend, points: int, most: int = MOST) -> LineIntegral:
        """The integral over the root, ``(E, M) -> (E,)``."""

        def log_f(nodes: Tensor) -> Tensor:
            each = pair.log_prob(w, nodes.unsqueeze(-1))
            return torch.where(shown, each, torch.zeros_like(each)).sum(-1) + log_normal(nodes)

        with torch.no_grad():
            count = shown.sum(-1).clamp(min=1)
            centre = w.clamp(-8, 8).sum(-1) / count
        return LineIntegral(log_f, centre, torch.rsqrt(count.to(w.dtype)), points, most)

    def log_prob(self, scores: Tensor, observed: Tensor | None = None) -> Tensor:
        """Log copula density of the observed scores: ``(..., *batch, M) -> (..., *batch)``."""
        w, shown, lead, broken = self._flat(scores, self._mask(scores, observed))
        some = (shown.sum(-1) > 1).nonzero().flatten()
        result = w.new_zeros(len(w))
        if len(some):
            line = self._root(w[some], shown[some], self._elements(w.dtype, some), POINTS)
            result = result.index_put((some,), line.log_value)
            sharp = some[~line.settled]  # contradictory tails make peaks that need more nodes
            if len(sharp):
                pair = self._elements(w.dtype, sharp)
                again = self._root(w[sharp], shown[sharp], pair, 2 * MOST, SHARPEST)
                result = result.index_put((sharp,), again.log_value)
        return result.reshape((*lead, *self.batch_shape)).masked_fill(broken, torch.nan)

    def impute(
        self,
        scores: Tensor,
        observed: Tensor,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Missing scores replaced by exact conditional draws: see `Copula.impute`.

        The root is drawn given what is observed, from the noise of an observed variable, then the missing ones given
        the root. Where nothing is observed there is no noise to spare: the variables are drawn one after another, each
        from its conditional distribution with the root integrated out.
        """
        mask = self._mask(scores, observed)
        noise = self._noise(scores, mask, generator, noise)
        draws, full = self._draws_and_rows(scores, mask, noise)
        w, shown, _, broken = self._flat(scores.expand(full), mask.expand(full))
        z = noise.expand(*draws, *full).reshape(math.prod(draws), *w.shape)
        count = shown.sum(-1)
        drawn = torch.zeros_like(z)
        for elements, draw in (
            (count == 0, self._one_by_one),
            (count == 1, self._given_one),
            ((count > 1) & (count < self.dim), self._given_some),
        ):
            some = elements.nonzero().flatten()
            if len(some):
                new = draw(w[some], shown[some], z[:, some], self._elements(w.dtype, some))
                drawn = drawn.index_put((torch.arange(len(z), device=z.device)[:, None], some), new)
        return self._completed(scores, mask, drawn.reshape(*draws, *full), broken)

    @staticmethod
    def _given_one(w: Tensor, shown: Tensor, z: Tensor, pair: Turned | Blend) -> Tensor:
        """Draws ``(S, E, M)`` where one variable is observed: the root from its inverse h-function."""
        only = shown.byte().argmax(-1, keepdim=True)

        def own(value: Tensor) -> Tensor:
            return value.gather(-1, only)

        root = pair.pick(own).hinv1(own(w), z.gather(-1, only.expand(len(z), -1, -1)))
        return pair.hinv2(z, root)

    def _given_some(self, w: Tensor, shown: Tensor, z: Tensor, pair: Turned | Blend) -> Tensor:
        """Draws ``(S, E, M)`` where several are observed."""
        spare = z.gather(-1, shown.byte().argmax(-1, keepdim=True).expand(len(z), -1, -1))[..., 0]
        root = self._root(w, shown, pair, FINE).quantile(spare)
        return pair.hinv2(z, root.unsqueeze(-1))

    def _one_by_one(self, _: Tensor, __: Tensor, z: Tensor, pair: Turned | Blend) -> Tensor:
        """Draws ``(S, E, M)`` where nothing is observed, from as many normals: each given those before it."""
        flat = z.flatten(0, 1)
        pair = pair.pick(lambda value: value.repeat(len(z), 1))
        found = [flat[:, 0]]
        for m in range(1, self.dim):
            w = torch.cat([torch.stack(found, -1), flat.new_zeros(len(flat), self.dim - m)], -1)
            line = self._root(w, (torch.arange(self.dim, device=z.device) < m).expand_as(w), pair, STEEP)
            given = _GivenRoot(pair.pick(partial(torch.select, dim=-1, index=m)), line)
            q = flat[:, m]
            found.append(solve_quantile(q, torch.zeros_like(q), given.conditional, given.log_prob))
        return torch.stack(found, -1).reshape(z.shape)

    def rsample(self, shape: tuple[int, ...] | torch.Size = (), generator: torch.Generator | None = None) -> Tensor:
        """Reparameterised draws of all scores, ``(*shape, *batch, M)``: the root first."""
        size = (*shape, self.copulas, self.dim + 1)
        noise = torch.randn(size, generator=generator, dtype=self.anchor.dtype, device=self.anchor.device)
        drawn = self._bind(noise.dtype).hinv2(noise[..., :-1], noise[..., -1:])
        return drawn.reshape(*shape, *self.event_shape)

    def fit(self, scores: Tensor, observed: Tensor | None = None) -> FactorCopula:
        """Maximum likelihood of the observed scores, from the loadings of their normal one-factor model; in place.

        Raises:
            ValueError: shapes that do not fit.
        """
        w, mask = self._rows(scores, observed)
        normal = GaussianCopula(self.dim, self.batch_shape).double().to(w.device).fit(w, mask)
        self._start(_loadings(normal.correlation().detach().reshape(-1, self.dim, self.dim)))
        maximise(self, w, mask.expand(w.shape))
        return self


class _GivenRoot:
    """One variable's distribution given others: its pair with the root, averaged over the root's own distribution."""

    def __init__(self, pair: Turned | Blend, line: LineIntegral) -> None:
        self.pair, self.nodes = pair, line.nodes()
        self.weights = line.values - torch.logsumexp(line.values, 0)

    def conditional(self, a: Tensor) -> Tensor:
        """Score of its distribution function at ``(E,)``."""
        tails = log_ndtr_tails(self.pair.hfunc2(a, self.nodes))
        return score_of(*(torch.logsumexp(self.weights + tail, 0) for tail in tails))

    def log_prob(self, a: Tensor) -> Tensor:
        """Log of its density over the standard normal's."""
        return torch.logsumexp(self.weights + self.pair.log_prob(a, self.nodes), 0)


def _loadings(correlation: Tensor, rounds: int = 50) -> Tensor:
    """One-factor loadings of correlation matrices ``(B, M, M)`` by principal axes with iterated communalities."""
    off = ~torch.eye(correlation.shape[-1], dtype=torch.bool, device=correlation.device)
    communality = torch.where(off, correlation.abs(), 0.0).amax(-1)
    loadings = communality.sqrt()
    for _ in range(rounds):
        reduced = torch.where(off, correlation, torch.diag_embed(communality))
        values, vectors = torch.linalg.eigh(reduced)
        loadings = vectors[..., -1] * values[..., -1:].clamp(min=0).sqrt()
        communality = loadings.square().clamp(max=STRONGEST**2)
    return loadings * torch.where(loadings.sum(-1, keepdim=True) < 0, -1.0, 1.0)
