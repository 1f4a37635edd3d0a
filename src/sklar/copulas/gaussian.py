"""The Gaussian copula: every missing pattern in closed form."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sklar.copulas.base import Copula
from sklar.copulas.patterns import Patterns
from sklar.numerics import shrinkage_intensity


class GaussianCopula(Copula):
    """Scores are jointly normal with correlation matrix ``R`` (Song 2000).

    ``R = L L'`` with a Cholesky factor whose rows have unit norm, so that any real parameters give a correlation
    matrix. With ``blocks``, the variables of one block are independent of each other (``R`` has identity blocks on its
    diagonal: a vector copula, Fan & Henry, arXiv 2009.06558): block rows of ``L`` are made orthonormal instead.

    For a pattern ``O``: ``log c_O = -1/2 log det R_OO - 1/2 w_O' (R_OO^-1 - I) w_O``, and the rest is drawn by
    conditioning a free draw ``v ~ N(0, R)``: ``w = v + R_:O R_OO^-1 (w_O - v_O)`` (Matheron's rule).

    Args:
        dim: number of variables ``M``.
        batch_shape: shape of the batch of copulas.
        blocks: sizes of consecutive groups of variables that are independent within the group; default all of size 1.
        correlation: the start, the same for every pair of variables that are not in one block. Zero is independence.
    """

    def __init__(
        self,
        dim: int,
        batch_shape: tuple[int, ...] = (),
        blocks: tuple[int, ...] | None = None,
        correlation: float = 0.0,
    ) -> None:
        super().__init__(dim, batch_shape)
        self.blocks = tuple(blocks) if blocks is not None else (1,) * dim
        if sum(self.blocks) != dim:
            raise ValueError(f"GaussianCopula: blocks {self.blocks} must sum to dim={dim}")
        member = torch.repeat_interleave(torch.arange(len(self.blocks)), torch.tensor(self.blocks))
        self.within: Tensor
        self.register_buffer("within", member[:, None] == member[None, :], persistent=False)
        rows, columns = torch.tril_indices(dim, dim, offset=-1)
        free = member[rows] != member[columns]
        self.rows: Tensor
        self.columns: Tensor
        self.register_buffer("rows", rows[free], persistent=False)
        self.register_buffer("columns", columns[free], persistent=False)
        self.lower = nn.Parameter(torch.zeros(*self.batch_shape, int(free.sum())))
        if correlation:
            start = torch.where(self.within, torch.eye(dim), torch.tensor(float(correlation)))
            self.set_correlation(start)

    def cholesky(self) -> Tensor:
        """Lower triangular factor ``L`` of the correlation matrix, ``(*batch, M, M)``."""
        x = torch.eye(self.dim, dtype=self.lower.dtype, device=self.lower.device).expand(*self.batch_shape, -1, -1)
        x = x.clone()
        x[..., self.rows, self.columns] = self.lower
        if len(self.blocks) == self.dim:
            return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        parts = []
        for block in x.split(self.blocks, dim=-2):
            factor = torch.linalg.cholesky(block @ block.mT)
            parts.append(torch.linalg.solve_triangular(factor, block, upper=False))
        return torch.cat(parts, dim=-2)

    def correlation(self) -> Tensor:
        """Correlation matrix ``R``, ``(*batch, M, M)``, exactly the identity within blocks."""
        return self._correlation(self.cholesky())

    def _correlation(self, factor: Tensor) -> Tensor:
        eye = torch.eye(self.dim, dtype=factor.dtype, device=factor.device)
        return torch.where(self.within, eye, factor @ factor.mT)

    @torch.no_grad()
    def set_correlation(self, correlation: Tensor) -> None:
        """Take over a positive definite matrix ``(..., M, M)`` with identity blocks, broadcast to the batch."""
        factor, failed = torch.linalg.cholesky_ex(correlation.double())
        if bool((failed != 0).any()):
            raise ValueError("GaussianCopula: the correlation matrix is not positive definite")
        parts, begin = [], 0
        for size in self.blocks:
            block = factor[..., begin : begin + size, :]
            own = block[..., begin : begin + size]
            parts.append(torch.linalg.solve_triangular(own, block, upper=False))
            begin += size
        x = torch.cat(parts, dim=-2)
        self.lower.copy_(x[..., self.rows, self.columns].expand_as(self.lower))

    def log_prob(self, scores: Tensor, observed: Tensor | None = None) -> Tensor:
        """Log copula density of the observed scores: ``(..., *batch, M) -> (..., *batch)``."""
        mask = self._mask(scores, observed)
        w = torch.where(mask, scores, torch.zeros_like(scores))
        patterns = Patterns(mask, len(self.event_shape))
        factor = torch.linalg.cholesky(self._observed_part(self.correlation(), patterns.masks))
        eye = torch.eye(self.dim, dtype=w.dtype, device=w.device).expand_as(factor)
        y = patterns.apply(torch.linalg.solve_triangular(factor, eye, upper=False), w)
        log_det = patterns.spread(factor.diagonal(dim1=-2, dim2=-1).log().sum(-1))
        return -log_det - 0.5 * (y.square() - w.square()).sum(-1)

    def impute(
        self,
        scores: Tensor,
        observed: Tensor,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Missing scores replaced by exact conditional draws: see `Copula.impute`."""
        mask = self._mask(scores, observed)
        factor = self.cholesky()
        free = _multiply(factor, self._noise(scores, mask, generator, noise))
        patterns = Patterns(mask, len(self.event_shape))
        gain = self._gain(self._correlation(factor), patterns.masks)
        gap = torch.where(mask, scores - free, torch.zeros_like(scores))
        return torch.where(mask, scores, free + patterns.apply(gain, gap))

    @torch.no_grad()
    def fit(self, scores: Tensor, observed: Tensor | None = None) -> GaussianCopula:
        """Correlation of the scores by EM over the missing entries, shrunk by `shrinkage_intensity`; returns itself.

        With complete rows that is the shrunk normal-scores estimator; the marginals are taken as given (inference
        functions for margins, Joe 2005). With missing entries the shrinkage acts as prior rows of independent scores
        in every step, so many that a pair seen in an average number of rows is shrunk by the intensity. Blocks are made
        the identity by symmetric whitening.
        """
        if scores.ndim != 1 + len(self.event_shape) or len(scores) < 2:
            raise ValueError(f"GaussianCopula: fitting needs (n, {self.event_shape}) scores, got {tuple(scores.shape)}")
        mask = self._mask(scores, observed)
        w = torch.where(mask, scores, torch.zeros_like(scores)).double()
        patterns = Patterns(mask, len(self.event_shape))
        share = (patterns.counts / patterns.counts.sum()).to(w.dtype)
        eye = torch.eye(self.dim, dtype=w.dtype, device=w.device)
        current = eye.expand(*self.batch_shape, -1, -1)
        prior = self._prior_rows(w, mask)
        for _ in range(200):
            gain = self._gain(current, patterns.masks)
            completed = patterns.apply(gain, w)
            rest = current - gain @ current
            moment = torch.einsum("n...i,n...j->...ij", completed, completed) / len(w)
            moment = moment + torch.einsum("p,p...->...", share, rest) + prior * eye
            scale = moment.diagonal(dim1=-2, dim2=-1).rsqrt()
            updated = moment * scale.unsqueeze(-1) * scale.unsqueeze(-2)
            change = float((updated - current).abs().max())
            current = updated
            if len(patterns.counts) == 1 or change < 1e-6:
                break
        self.set_correlation(self._whiten_blocks(current))
        return self

    @staticmethod
    def _prior_rows(w: Tensor, mask: Tensor) -> Tensor:
        """How many prior rows of independent scores to add, as a share of the rows, ``(*batch, 1, 1)``."""
        shown = mask.expand(w.shape)
        count = shown.sum(0).clamp(min=1)
        standard = w / (w.square().sum(0) / count).sqrt().clamp(min=1e-12)
        shown = shown.movedim(0, -2)
        intensity = shrinkage_intensity(standard.movedim(0, -2), shown).clamp(max=1 - 1e-6)
        seen = shown.to(w.dtype)
        together = (seen.mT @ seen / len(w)).mean((-2, -1))
        return (together * intensity / (1 - intensity)).clamp(min=1e-9)[..., None, None]

    def _whiten_blocks(self, correlation: Tensor) -> Tensor:
        """The nearest matrix of the family: identity blocks by the symmetric inverse root of each."""
        if len(self.blocks) == self.dim:
            return correlation
        inside = torch.where(self.within, correlation, torch.zeros_like(correlation))
        values, vectors = torch.linalg.eigh(inside)
        root = vectors @ torch.diag_embed(values.clamp(min=1e-6).rsqrt()) @ vectors.mT
        eye = torch.eye(self.dim, dtype=correlation.dtype, device=correlation.device)
        return torch.where(self.within, eye, root @ correlation @ root)

    @staticmethod
    def _observed_part(correlation: Tensor, masks: Tensor) -> Tensor:
        """``R_OO`` padded with the identity where something is missing: ``(P, *batch, M, M)``."""
        pair = masks.unsqueeze(-1) & masks.unsqueeze(-2)
        eye = torch.eye(masks.shape[-1], dtype=correlation.dtype, device=correlation.device)
        return torch.where(pair, correlation, eye)

    def _gain(self, correlation: Tensor, masks: Tensor) -> Tensor:
        """Regression matrix ``R_:O R_OO^-1`` of every variable on the observed ones: ``(P, *batch, M, M)``."""
        columns = masks.unsqueeze(-2)
        factor = torch.linalg.cholesky(self._observed_part(correlation, masks))
        known = torch.where(columns, correlation, torch.zeros_like(correlation))
        return torch.cholesky_solve(known.mT, factor).mT


def _multiply(matrix: Tensor, vectors: Tensor) -> Tensor:
    """``(*batch, i, j)`` times ``(..., *batch, j)``."""
    if matrix.ndim == 2:
        return vectors @ matrix.T
    return (matrix * vectors.unsqueeze(-2)).sum(-1)
