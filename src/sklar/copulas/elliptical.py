"""What the Gaussian and the t copula share: a correlation matrix, its parts by pattern, its estimate."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sklar.copulas.base import Copula
from sklar.copulas.patterns import Patterns
from sklar.copulas.whitening import invert, whiten
from sklar.numerics import shrinkage_intensity

LEAST = 1e-5  # shrinkage of a fit: rows on a line would make correlations of exactly one


class EllipticalCopula(Copula):
    """Variables with correlation matrix ``R``, made by a Cholesky factor.

    ``R = L L'`` with a Cholesky factor whose rows have unit norm, so that any real parameters give a correlation
    matrix. With ``blocks``, ``R`` has identity blocks on its diagonal: block rows of ``L`` are made orthonormal
    instead.

    Args:
        dim: number of variables ``M``.
        batch_shape: shape of the batch of copulas.
        blocks: sizes of consecutive groups of variables that are uncorrelated within the group; default all of size 1.
        correlation: the start, the same for all pairs of variables that stand at the same place in their blocks, zero
            for the others.

    Raises:
        ValueError: blocks that do not sum to ``dim``, a start that is no correlation matrix.
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
            raise ValueError(f"{type(self).__name__}: blocks {self.blocks} must sum to dim={dim}")
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
            place = torch.cat([torch.arange(size) for size in self.blocks])
            start = torch.where(place[:, None] == place, float(correlation), 0.0)
            self.set_correlation(torch.where(self.within, torch.eye(dim), start))

    def cholesky(self, dtype: torch.dtype | None = None) -> Tensor:
        """Lower triangular factor ``L`` of the correlation matrix, ``(*batch, M, M)``, in the type asked for."""
        lower = self.lower if dtype is None else self.lower.to(dtype)
        x = torch.eye(self.dim, dtype=lower.dtype, device=lower.device).expand(*self.batch_shape, -1, -1)
        x = x.clone()
        x[..., self.rows, self.columns] = lower
        if len(self.blocks) == self.dim:
            return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True)
        parts = []
        for block in x.split(self.blocks, dim=-2):
            factor = torch.linalg.cholesky(block @ block.mT)
            parts.append(torch.linalg.solve_triangular(factor, block, upper=False))
        return torch.cat(parts, dim=-2)

    def correlation(self, dtype: torch.dtype | None = None) -> Tensor:
        """Correlation matrix ``R``, ``(*batch, M, M)``, exactly the identity within blocks."""
        return self._correlation(self.cholesky(dtype))

    def _correlation(self, factor: Tensor) -> Tensor:
        eye = torch.eye(self.dim, dtype=factor.dtype, device=factor.device)
        return torch.where(self.within, eye, factor @ factor.mT)

    @torch.no_grad()
    def set_correlation(self, correlation: Tensor) -> None:
        """Take over a positive definite matrix ``(..., M, M)`` with identity blocks, broadcast to the batch.

        Raises:
            ValueError: it is not positive definite.
        """
        factor, failed = torch.linalg.cholesky_ex(correlation.double())
        if bool((failed != 0).any()):
            raise ValueError(f"{type(self).__name__}: the correlation matrix is not positive definite")
        parts, begin = [], 0
        for size in self.blocks:
            block = factor[..., begin : begin + size, :]
            own = block[..., begin : begin + size]
            parts.append(torch.linalg.solve_triangular(own, block, upper=False))
            begin += size
        x = torch.cat(parts, dim=-2)
        self.lower.copy_(x[..., self.rows, self.columns].expand_as(self.lower))

    @staticmethod
    def _em(
        x: Tensor,
        patterns: Patterns,
        prior: Tensor,
        start: Tensor,
        degrees: Tensor | None,
        tolerance: float = 1e-6,
        steps: int = 200,
    ) -> Tensor:
        """Correlation matrix by EM over the missing entries.

        Args:
            x: rows of the elliptical distribution, ``(n, *batch, M)``, zero where missing.
            patterns: theirs.
            prior: rows of independent variables added in every step, as a share of the rows, ``(*batch, 1, 1)``.
            start: correlation matrices, ``(*batch, M, M)``.
            degrees: degrees of freedom of a t distribution, ``(*batch)``: far rows then weigh less (Liu & Rubin
                1995). None for the normal, which is done after one step where all rows share a pattern.
            tolerance: largest change of a correlation at which to stop.
            steps: at most.
        """
        share = (patterns.counts / patterns.counts.sum()).to(x.dtype)
        eye = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
        current = start
        for _ in range(steps):
            precision = _observed_precision(current, patterns.masks)
            rest = current - current @ torch.einsum("p,p...->...", share, precision) @ current
            if degrees is None:
                completed = patterns.apply(current @ precision, x)
            else:
                solved = patterns.apply(precision, x)
                count = patterns.spread(patterns.masks.sum(-1))
                weight = (degrees + count) / (degrees + (x * solved).sum(-1))
                completed = multiply(current, solved) * weight.sqrt().unsqueeze(-1)
            moment = torch.einsum("n...i,n...j->...ij", completed, completed) / len(x) + rest + prior * eye
            scale = moment.diagonal(dim1=-2, dim2=-1).rsqrt()
            updated = (moment * scale.unsqueeze(-1) * scale.unsqueeze(-2)).lerp(eye, LEAST)
            updated = 0.5 * (updated + updated.mT)  # rounding to one side would grow from step to step
            change = float((updated - current).abs().max())
            current = updated
            if change < tolerance or (degrees is None and len(patterns.counts) == 1):
                break
        return current

    @staticmethod
    def _prior_rows(w: Tensor, mask: Tensor) -> Tensor:
        """How many prior rows of independent scores to add, as a share of the rows, ``(*batch, 1, 1)``.

        So many that a pair seen in an average number of rows is shrunk by `shrinkage_intensity`.
        """
        shown = mask.expand(w.shape)
        count = shown.sum(0).clamp(min=1)
        standard = w / (w.square().sum(0) / count).sqrt().clamp(min=1e-12)
        shown = shown.movedim(0, -2)
        intensity = shrinkage_intensity(standard.movedim(0, -2), shown).clamp(max=1 - 1e-6)
        seen = shown.to(w.dtype)
        together = (seen.mT @ seen / len(w)).mean((-2, -1))
        return (together * intensity / (1 - intensity)).clamp(min=1e-9)[..., None, None]


def observed_part(correlation: Tensor, masks: Tensor) -> Tensor:
    """``R_OO`` padded with the identity where something is missing: ``(P, *batch, M, M)``."""
    pair = masks.unsqueeze(-1) & masks.unsqueeze(-2)
    eye = torch.eye(masks.shape[-1], dtype=correlation.dtype, device=correlation.device)
    return torch.where(pair, correlation, eye)


def observed_whitening(correlation: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """``L_OO^-1`` padded with the identity, ``(P, *batch, M, M)``, and ``log det L_OO``, ``(P, *batch)``."""
    return whiten(observed_part(correlation, masks))


def _observed_precision(correlation: Tensor, masks: Tensor) -> Tensor:
    """``R_OO^-1`` padded with zeros: ``(P, *batch, M, M)``."""
    pair = masks.unsqueeze(-1) & masks.unsqueeze(-2)
    inverse, _ = invert(observed_part(correlation, masks))
    return torch.where(pair, inverse, torch.zeros_like(inverse))


def multiply(matrix: Tensor, vectors: Tensor) -> Tensor:
    """``(*batch, i, j)`` times ``(..., *batch, j)``."""
    if matrix.ndim == 2:
        return vectors @ matrix.T
    return torch.einsum("...ij,...j->...i", matrix, vectors)
