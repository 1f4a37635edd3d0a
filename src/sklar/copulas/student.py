"""Student's t copula: every missing pattern in closed form, with both tails dependent."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from sklar.copulas.base import ABSURD
from sklar.copulas.elliptical import EllipticalCopula, observed_whitening
from sklar.copulas.pair.module import constrained, unconstrained
from sklar.copulas.patterns import Patterns
from sklar.numerics import student_score, student_value

LOW, HIGH = 2.0, 50.0  # bounds of the degrees of freedom
# A fit stays off the bounds, where no gradient is left to train on; of equal values the first, the largest, is taken.
FIT_GRID = torch.linspace(math.log(49.5), math.log(2.02), 17, dtype=torch.float64).exp()
ROUNDS = 8  # of a fit; three or four are needed


class StudentCopula(EllipticalCopula):
    """Scores of jointly t variables (Demarta & McNeil 2005): ``x_j = T_nu^-1(Phi(w_j))``, ``x ~ t_nu(0, R)``.

    ``R`` is made as in `EllipticalCopula`. ``nu``, the degrees of freedom, one number a copula of the batch, lies in
    (2, 50]: the fewer, the more extremes of all variables come together. Trainable is the logit of its place between
    the bounds, started in float64. All is computed in float64, whatever the scores' type; scores beyond 30 count as 30.

    For a pattern ``O`` of ``k`` variables: ``log c_O = log t_nu(x_O; R_OO) - sum_j log t_nu(x_j)``. The rest is drawn
    one variable after another: given those before it, ``y = L^-1 x`` with squares that sum to ``S``, the next ``y`` is
    ``sqrt((nu + S) / (nu + k))`` times a t variable with ``nu + k`` degrees of freedom (Ding 2016).

    Args:
        dim: number of variables ``M``.
        batch_shape: shape of the batch of copulas.
        blocks: accepted for a common signature; must be all of size 1.
        correlation: where every pair of variables starts. Zero is not independence: the variables share their scale.
        degrees: where the degrees of freedom start.

    Raises:
        ValueError: blocks larger than 1, degrees of freedom out of bounds, a start that is no correlation matrix.
    """

    def __init__(
        self,
        dim: int,
        batch_shape: tuple[int, ...] = (),
        blocks: tuple[int, ...] | None = None,
        correlation: float = 0.0,
        degrees: float = 8.0,
    ) -> None:
        if blocks is not None and any(size != 1 for size in blocks):
            raise ValueError(
                f"StudentCopula: blocks {tuple(blocks)} cannot be independent inside: uncorrelated t variables are "
                'dependent; use marginal="independent" (no blocks), coupling="paired", or a Gaussian copula'
            )
        if not LOW < degrees <= HIGH:
            raise ValueError(f"StudentCopula: degrees must be in ({LOW:g}, {HIGH:g}], got {degrees}")
        super().__init__(dim, batch_shape, blocks, correlation)
        start = torch.full(self.batch_shape, float(degrees), dtype=torch.float64)
        self.raw_degrees = nn.Parameter(unconstrained(start, LOW, HIGH))

    def degrees(self) -> Tensor:
        """Degrees of freedom ``nu``, ``(*batch)``, float64, differentiable in `raw_degrees`."""
        return constrained(self.raw_degrees.double(), LOW, HIGH)

    def log_prob(self, scores: Tensor, observed: Tensor | None = None) -> Tensor:
        """Log copula density of the observed scores: ``(..., *batch, M) -> (..., *batch)``, nats."""
        mask = self._mask(scores, observed)
        patterns = Patterns(mask, len(self.event_shape))
        whitening = observed_whitening(self.correlation(torch.float64), patterns.masks)
        shown, broken = self._shown(scores, mask)
        value = _log_density(shown.double(), patterns, whitening, self.degrees()).to(scores.dtype)
        return value.masked_fill(broken, torch.nan)

    def impute(
        self,
        scores: Tensor,
        observed: Tensor,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
    ) -> Tensor:
        """Missing scores replaced by exact conditional draws: see `Copula.impute`."""
        mask = self._mask(scores, observed)
        noise = self._noise(scores, mask, generator, noise)
        patterns = Patterns(mask, len(self.event_shape))
        degrees = self.degrees().unsqueeze(-1)
        shown, broken = self._shown(scores, mask)
        x = student_value(shown.double(), degrees)

        # In a pattern's own order the observed variables come first.
        order = (~patterns.masks).byte().argsort(dim=-1, stable=True)
        back = order.argsort(dim=-1)
        place = torch.arange(self.dim, device=mask.device)
        before = place < patterns.masks.sum(-1, keepdim=True)
        to_y, to_x = self._factors(order, back, before)
        order, before = patterns.spread(order), patterns.spread(before)

        shape = torch.broadcast_shapes(noise.shape, scores.shape, mask.shape)
        order = order.reshape(*[1] * (len(shape) - order.ndim), *order.shape)
        moved = torch.take_along_dim(noise.double().expand(shape), order, dim=-1)
        drawn = student_value(torch.where(before, 0.0, moved), degrees + place)

        # nu + S is multiplied by 1 + t^2 / (nu + k) with every variable drawn: all of them at once, in logs.
        y = patterns.apply(to_y, x)
        growth = torch.where(before, 0.0, torch.log1p(drawn.square() / (degrees + place)))
        start = torch.log(degrees + y.square().sum(-1, keepdim=True))
        spread = torch.exp(0.5 * (start + growth.cumsum(-1) - growth - torch.log(degrees + place)))
        x = patterns.apply(to_x, torch.where(before, y, drawn * spread))
        drawn = student_score(torch.where(mask, 0.0, x), degrees).to(scores.dtype)
        return self._completed(scores, mask, drawn, broken)

    def _factors(self, order: Tensor, back: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Matrices from the variables, in their own order, to ``y`` of the observed, and from all ``y`` to variables.

        Both ``(P, *batch, M, M)``; ``y`` is in the pattern's order.
        """
        correlation = self.correlation(torch.float64).unsqueeze(0)
        sorted_rows = torch.take_along_dim(correlation, order.unsqueeze(-1), dim=-2)
        factor = torch.linalg.cholesky(torch.take_along_dim(sorted_rows, order.unsqueeze(-2), dim=-1))
        # Where the observed come first their rows of the inverse are the inverse of their own factor.
        eye = torch.eye(self.dim, dtype=factor.dtype, device=factor.device).expand_as(factor)
        inverse = torch.linalg.solve_triangular(factor, eye, upper=False) * before.unsqueeze(-1)
        to_y = torch.take_along_dim(inverse, back.unsqueeze(-2), dim=-1)
        return to_y, torch.take_along_dim(factor, back.unsqueeze(-1), dim=-2)

    @torch.no_grad()
    def fit(self, scores: Tensor, observed: Tensor | None = None) -> StudentCopula:
        """Correlation and degrees of freedom by turns until these settle; returns itself.

        Given ``nu``, ``R`` is estimated by the EM algorithm of a t distribution with missing entries (Liu & Rubin
        1995), shrunk as in `GaussianCopula.fit`; given ``R``, ``nu`` maximises the likelihood of the observed scores
        on a grid, refined by a parabola. The marginals are taken as given.

        Args:
            scores: ``(n, *batch, M)``, two rows at least.
            observed: mask, as in `Copula.log_prob`.

        Raises:
            ValueError: scores of another shape.
        """
        w, mask = self._rows(scores, observed)
        w = w.clamp(-ABSURD, ABSURD)
        patterns = Patterns(mask, len(self.event_shape))
        prior = self._prior_rows(w, mask)
        current = torch.eye(self.dim, dtype=w.dtype, device=w.device).expand(*self.batch_shape, -1, -1)
        degrees = torch.full(self.batch_shape, 10.0, dtype=w.dtype, device=w.device)
        first, last = 0, len(FIT_GRID)
        for _ in range(ROUNDS):
            x, previous = student_value(w, degrees.unsqueeze(-1)), degrees
            current = self._em(x, patterns, prior, current, degrees, tolerance=1e-5, steps=50)
            whitening = observed_whitening(current, patterns.masks)
            grid = FIT_GRID[first:last].to(w)
            likelihood = torch.stack([_log_density(w, patterns, whitening, nu).mean(0) for nu in grid])
            degrees = _peak(likelihood, grid)
            if float((1 / degrees - 1 / previous).abs().max()) < 0.003:
                break
            best = likelihood.argmax(0) + first  # look only around it from now on
            first, last = max(int(best.min()) - 2, 0), min(int(best.max()) + 3, len(FIT_GRID))
        self.set_correlation(current)
        self.raw_degrees.copy_(unconstrained(degrees, LOW, HIGH))
        return self


def _log_density(w: Tensor, patterns: Patterns, whitening: tuple[Tensor, Tensor], nu: Tensor) -> Tensor:
    """Log copula density of scores that are zero where missing, ``(..., *batch)``.

    ``whitening`` is `observed_whitening` of the patterns, ``nu`` is ``(*batch)``.
    """
    inverse, log_det = whitening
    x = student_value(w, nu.unsqueeze(-1))
    square = patterns.apply(inverse, x).square().sum(-1)
    count = patterns.masks.sum(-1).to(nu.dtype)
    half = 0.5 * nu
    constant = torch.lgamma(half + 0.5 * count) + (count - 1) * torch.lgamma(half) - count * torch.lgamma(half + 0.5)
    constant, count = patterns.spread(constant - log_det), patterns.spread(count)
    single = 0.5 * (nu + 1) * torch.log1p(x.square() / nu.unsqueeze(-1)).sum(-1)
    value = constant + single - 0.5 * (nu + count) * torch.log1p(square / nu)
    return torch.where(count > 1, value, torch.zeros_like(value))


def _peak(values: Tensor, grid: Tensor) -> Tensor:
    """The ``nu`` with the largest value, by the parabola through the best three.

    Args:
        values: ``(g, *batch)``, three at least.
        grid: their ``nu``, ``(g,)``, in equal steps of its log.
    """
    best = values.argmax(0, keepdim=True)
    middle = best.clamp(1, len(values) - 2)
    before, at, after = (values.gather(0, middle + k).squeeze(0) for k in (-1, 0, 1))
    bend = before - 2 * at + after
    offset = torch.where(bend < 0, 0.5 * (before - after) / bend, (best - middle).squeeze(0).to(values.dtype))
    return grid[0] * (grid[1] / grid[0]) ** (middle.squeeze(0) + offset.clamp(-1, 1))
