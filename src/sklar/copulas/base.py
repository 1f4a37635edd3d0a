"""The interface of a multivariate copula."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# A score beyond it counts as this one: the square of its t variable with two degrees of freedom is finite.
ABSURD = 30.0


class Copula(nn.Module):
    """A batch of ``M``-variate copulas on normal scores ``w = ndtri(u)``.

    Paired coupling: ``batch_shape = (d,)``, one copula a coordinate, each over the M modalities, scores
    ``(..., d, M)``. Full coupling: ``batch_shape = ()``, one copula over all ``D`` scores, ``(..., D)``.

    ``observed`` is a bool mask: ``(..., M)`` shared by all copulas of the batch, or with all of the scores' axes (of
    their length or one).
    The content of a missing score never matters: NaN may stand there.

    Args:
        dim: number of variables ``M`` of each copula.
        batch_shape: shape of the batch of copulas.

    Raises:
        ValueError: no variables, or a batch of no copulas.
    """

    def __init__(self, dim: int, batch_shape: tuple[int, ...] = ()) -> None:
        super().__init__()
        if dim < 1:
            raise ValueError(f"{type(self).__name__}: dim must be at least 1, got {dim}")
        if any(length < 1 for length in batch_shape):
            raise ValueError(f"{type(self).__name__}: batch_shape {tuple(batch_shape)} holds no copula")
        self.dim = dim
        self.batch_shape = tuple(batch_shape)
        # Carries dtype and device where a copula has no parameter of its own.
        self.anchor: Tensor
        self.register_buffer("anchor", torch.zeros(()), persistent=False)

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Trailing shape of the scores: ``(*batch_shape, M)``."""
        return (*self.batch_shape, self.dim)

    def log_prob(self, scores: Tensor, observed: Tensor | None = None) -> Tensor:
        """Log copula density of the observed scores in nats, ``log c_O(Phi(w_O))``.

        Shapes ``(..., *batch, M) -> (..., *batch)``. Exactly zero where none or one is observed.
        """
        raise NotImplementedError

    def impute(
        self,
        scores: Tensor,
        observed: Tensor,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """The missing scores replaced by draws from their conditional distribution; the observed ones untouched.

        Args:
            scores: ``(..., *batch, M)``.
            observed: mask, ``(..., M)`` or ``(..., *batch, M)``.
            generator: source of the randomness when ``noise`` is not given.
            noise: independent standard normals, broadcast against the scores; extra leading axes give several draws.

        Returns:
            Completed scores, of the broadcast shape of ``scores`` and ``noise``. Reparameterised: gradients reach the
            parameters and the observed scores.
        """
        raise NotImplementedError

    def fit(self, scores: Tensor, observed: Tensor | None = None) -> Copula:
        """Estimate from scores ``(n, *batch, M)`` in place, given the marginals; returns itself."""
        raise NotImplementedError

    def rsample(self, shape: tuple[int, ...] | torch.Size = (), generator: torch.Generator | None = None) -> Tensor:
        """Reparameterised draws of all scores, ``(*shape, *batch, M)``."""
        empty = torch.zeros(*shape, *self.event_shape, dtype=self.anchor.dtype, device=self.anchor.device)
        return self.impute(empty, torch.zeros_like(empty, dtype=torch.bool), generator)

    def _refuse_blocks(self, blocks: tuple[int, ...] | None) -> None:
        """For copulas that tie all their variables: ValueError for blocks independent within, or of another number."""
        if blocks is not None and all(size == 1 for size in blocks) and len(blocks) != self.dim:
            raise ValueError(f"{type(self).__name__}: blocks {tuple(blocks)} must sum to dim={self.dim}")
        if blocks is not None and any(size != 1 for size in blocks):
            raise ValueError(
                f"{type(self).__name__}: blocks {tuple(blocks)} cannot be independent within, since all variables are "
                'tied; use marginal="independent" (no blocks), coupling="paired", or a Gaussian copula'
            )

    def _mask(self, scores: Tensor, observed: Tensor | None) -> Tensor:
        """``observed`` checked against the scores, with axes of length one where the batch shares it."""
        events = len(self.event_shape)
        if scores.ndim < events or tuple(scores.shape[-events:]) != self.event_shape:
            raise ValueError(
                f"{type(self).__name__}: scores must end in {self.event_shape}, got shape {tuple(scores.shape)}"
            )
        if observed is None:
            return torch.ones(self.event_shape, dtype=torch.bool, device=scores.device)
        if observed.dtype != torch.bool:
            raise TypeError(f"{type(self).__name__}: observed must be a bool tensor, got {observed.dtype}")
        # The number of axes tells a full mask from a shared one, so that B = d cannot be misread.
        tail = tuple(observed.shape[-events:])
        lead_less = observed.ndim < scores.ndim and not self.batch_shape
        if observed.ndim == scores.ndim or lead_less:
            if len(tail) == events and all(o in (1, e) for o, e in zip(tail, self.event_shape, strict=True)):
                return self._spread_mask(observed, scores)
        elif observed.ndim == scores.ndim - len(self.batch_shape) and tail[-1:] == (self.dim,):
            shared = observed.reshape(*observed.shape[:-1], *[1] * len(self.batch_shape), self.dim)
            return self._spread_mask(shared, scores)
        raise ValueError(
            f"{type(self).__name__}: observed must end in {(self.dim,)} or {self.event_shape} after the leading axes "
            f"of the scores {tuple(scores.shape)}, got shape {tuple(observed.shape)}"
        )

    def _spread_mask(self, mask: Tensor, scores: Tensor) -> Tensor:
        """The mask with no leading axes if all rows share it, else with leading axes that are the scores' last ones."""
        events = len(self.event_shape)
        own, lead = mask.shape[:-events], scores.shape[:-events]
        mask = mask.expand(*mask.shape[:-1], self.dim)
        if all(length == 1 for length in own):
            return mask.reshape(mask.shape[-events:])
        if own == lead[len(lead) - len(own) :]:
            return mask
        return mask.expand(*lead, *mask.shape[-events:])

    def _rows(self, scores: Tensor, observed: Tensor | None) -> tuple[Tensor, Tensor]:
        """Rows to be fitted to in float64, zero where missing, and their mask.

        Raises:
            ValueError: a wrong shape, or fewer than two rows.
        """
        if scores.ndim != 1 + len(self.event_shape) or len(scores) < 2:
            raise ValueError(
                f"{type(self).__name__}: fitting needs (n, {self.event_shape}) scores, got {tuple(scores.shape)}"
            )
        mask = self._mask(scores, observed)
        return torch.where(mask, scores, torch.zeros_like(scores)).detach().double(), mask

    @staticmethod
    def _shown(scores: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Observed scores, zero where missing or NaN and no farther out than `ABSURD`, and which rows hold NaN.

        Computed with these, an absurd row leaves the gradients of others alone; its own answer is then made NaN.
        """
        w = torch.where(mask, scores, torch.zeros_like(scores))
        broken = torch.isnan(w)
        return torch.where(broken, torch.zeros_like(w), w).clamp(-ABSURD, ABSURD), broken.any(-1)

    @staticmethod
    def _completed(scores: Tensor, mask: Tensor, drawn: Tensor, broken: Tensor) -> Tensor:
        """The observed scores as they are, draws elsewhere; NaN draws where `_shown` found NaN."""
        return torch.where(mask, scores, drawn.masked_fill(broken.unsqueeze(-1), torch.nan))

    @staticmethod
    def _noise(scores: Tensor, mask: Tensor, generator: torch.Generator | None, noise: Tensor | None) -> Tensor:
        if noise is not None:
            return noise
        shape = torch.broadcast_shapes(scores.shape, mask.shape)
        return torch.randn(shape, generator=generator, dtype=scores.dtype, device=scores.device)

    @staticmethod
    def _draws_and_rows(scores: Tensor, mask: Tensor, noise: Tensor) -> tuple[torch.Size, torch.Size]:
        """The broadcast shape of the three in two: axes of several draws, and those of the rows with their events.

        Noise may bring rows where the scores have one.
        """
        shape = torch.broadcast_shapes(scores.shape, mask.shape, noise.shape)
        draws = len(shape) - max(scores.ndim, mask.ndim)
        return shape[:draws], shape[draws:]

    def extra_repr(self) -> str:
        """Size, for printing."""
        return f"dim={self.dim}, batch_shape={self.batch_shape}"
