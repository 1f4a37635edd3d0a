"""Pair copulas on (0, 1)^2, for code written against pyvinecopulib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sklar.numerics import ndtr

if TYPE_CHECKING:
    from sklar.copulas.pair.module import PairScores


class Uniform:
    """A pair copula's view on ``(0, 1)^2``, with pyvinecopulib's method names and conventions.

    Each method takes ``u`` of shape ``(n, 2)``, numpy, tensor or lists, and returns a float64 tensor ``(n,)``. Values
    at 0 or 1, or so near that float64 cannot tell, are moved to 1e-10 from the bound, as pyvinecopulib does.

    Args:
        copula: one pair, not a batch; ValueError otherwise.
    """

    def __init__(self, copula: PairScores) -> None:
        if copula.batch_shape:
            raise ValueError(
                f".uniform is of one pair, not a batch of shape {tuple(copula.batch_shape)}: use the methods on scores"
            )
        self.copula = copula

    def _scores(self, u: Any) -> tuple[Tensor, Tensor]:
        u = torch.as_tensor(u, dtype=torch.float64, device=self.copula.anchor.device)
        if u.ndim != 2 or u.shape[1] != 2:
            raise ValueError(f"expected u of shape (n, 2), got {tuple(u.shape)}")
        bad = ~((u >= 0) & (u <= 1)).all(-1)
        if bool(bad.any()):
            raise ValueError(f"row {int(bad.nonzero()[0])}: values must lie in [0, 1], none NaN")
        w = torch.special.ndtri(u.clamp(1e-10, 1 - 1e-10))
        return w[:, 0], w[:, 1]

    def fit(self, u: Any, weights: Tensor | None = None) -> PairScores:
        """Fit the copula to data ``(n, 2)`` by maximum likelihood, in place; returns it."""
        return self.copula.fit(torch.stack(self._scores(u), -1), weights)

    def pdf(self, u: Any) -> Tensor:
        """Copula density."""
        return torch.exp(self.copula.log_prob(*self._scores(u)))

    def cdf(self, u: Any) -> Tensor:
        """``P(U1 <= u1, U2 <= u2)``."""
        return self.copula.cdf(*self._scores(u))

    def hfunc1(self, u: Any) -> Tensor:
        """``P(U2 <= u2 | U1 = u1)``."""
        return ndtr(self.copula.hfunc1(*self._scores(u)))

    def hfunc2(self, u: Any) -> Tensor:
        """``P(U1 <= u1 | U2 = u2)``."""
        return ndtr(self.copula.hfunc2(*self._scores(u)))

    def hinv1(self, u: Any) -> Tensor:
        """Inverse of `hfunc1` in ``u2``: columns ``u1`` and the probability."""
        return ndtr(self.copula.hinv1(*self._scores(u)))

    def hinv2(self, u: Any) -> Tensor:
        """Inverse of `hfunc2` in ``u1``: columns the probability and ``u2``."""
        return ndtr(self.copula.hinv2(*self._scores(u)))

    @torch.no_grad()
    def simulate(self, n: int, seed: int = 0) -> Tensor:
        """``n`` draws, ``(n, 2)``, the same for the same seed."""
        generator = torch.Generator(self.copula.anchor.device).manual_seed(seed)
        return ndtr(torch.stack(self.copula.rsample(n, generator), -1).double())
