"""The Gaussian copula: every missing pattern in closed form."""

from __future__ import annotations

import torch
from torch import Tensor

from sklar.copulas.elliptical import EllipticalCopula, multiply, observed_part, observed_whitening
from sklar.copulas.patterns import Patterns
from sklar.copulas.whitening import invert


class GaussianCopula(EllipticalCopula):
    """Scores are jointly normal with correlation matrix ``R`` (Song 2000), made as in `EllipticalCopula`.

    With ``blocks``, the variables of one block are independent of each other: a vector copula (Fan & Henry, arXiv
    2009.06558).

    For a pattern ``O``: ``log c_O = -1/2 log det R_OO - 1/2 w_O' (R_OO^-1 - I) w_O``, and the rest is drawn by
    conditioning a free draw ``v ~ N(0, R)``: ``w = v + R_:O R_OO^-1 (w_O - v_O)`` (Matheron's rule).

    Args:
        dim: number of variables ``M``.
        batch_shape: shape of the batch of copulas.
        blocks: sizes of consecutive groups of variables that are independent within the group; default all of size 1.
        correlation: the start, the same for all pairs of variables that stand at the same place in their blocks, zero
            for the others. Zero is independence.
    """

    def log_prob(self, scores: Tensor, observed: Tensor | None = None) -> Tensor:
        """Log copula density of the observed scores: ``(..., *batch, M) -> (..., *batch)``."""
        mask = self._mask(scores, observed)
        w, broken = self._shown(scores, mask)
        patterns = Patterns(mask, len(self.event_shape))
        return normal_log_prob(self.correlation(), w, patterns).masked_fill(broken, torch.nan)

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
        free = multiply(factor, self._noise(scores, mask, generator, noise))
        shown, broken = self._shown(scores, mask)
        drawn = normal_impute(self._correlation(factor), free, shown, mask, Patterns(mask, len(self.event_shape)))
        return self._completed(scores, mask, drawn, broken)

    @torch.no_grad()
    def fit(self, scores: Tensor, observed: Tensor | None = None) -> GaussianCopula:
        """Correlation of the scores by EM over the missing entries, shrunk by `shrinkage_intensity`; returns itself.

        With complete rows that is the shrunk normal-scores estimator; the marginals are taken as given (inference
        functions for margins, Joe 2005). With missing entries the shrinkage acts as prior rows of independent scores
        in every step, so many that a pair seen in an average number of rows is shrunk by the intensity. Blocks are made
        the identity by symmetric whitening.
        """
        w, mask = self._rows(scores, observed)
        eye = torch.eye(self.dim, dtype=w.dtype, device=w.device).expand(*self.batch_shape, -1, -1)
        patterns = Patterns(mask, len(self.event_shape))
        current = self._em(w, patterns, self._prior_rows(w, mask), eye, degrees=None)
        self.set_correlation(self._whiten_blocks(current))
        return self

    def _whiten_blocks(self, correlation: Tensor) -> Tensor:
        """The nearest matrix of the family: identity blocks by the symmetric inverse root of each."""
        if len(self.blocks) == self.dim:
            return correlation
        inside = torch.where(self.within, correlation, torch.zeros_like(correlation))
        values, vectors = torch.linalg.eigh(inside)
        root = vectors @ torch.diag_embed(values.clamp(min=1e-6).rsqrt()) @ vectors.mT
        eye = torch.eye(self.dim, dtype=correlation.dtype, device=correlation.device)
        return torch.where(self.within, eye, root @ correlation @ root)


def normal_log_prob(correlation: Tensor, w: Tensor, patterns: Patterns) -> Tensor:
    """Log density of the copula of a normal distribution, ``(..., *batch)``.

    Args:
        correlation: ``(*batch, M, M)``.
        w: scores ``(..., *batch, M)``, zero where missing.
        patterns: theirs.
    """
    inverse, log_det = observed_whitening(correlation, patterns.masks)
    y = patterns.apply(inverse, w)
    return -patterns.spread(log_det) - 0.5 * (y.square() - w.square()).sum(-1)


def normal_impute(correlation: Tensor, free: Tensor, scores: Tensor, mask: Tensor, patterns: Patterns) -> Tensor:
    """Missing scores by Matheron's rule from draws ``free`` of all of them."""
    precision, _ = invert(observed_part(correlation, patterns.masks))
    gap = torch.where(mask, scores - free, torch.zeros_like(scores))
    solved = torch.where(mask, patterns.apply(precision, gap), torch.zeros_like(scores))
    return torch.where(mask, scores, free + multiply(correlation, solved))
