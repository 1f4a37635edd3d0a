"""Hidden variables integrated out, or drawn: one or two by quadrature, more by importance sampling."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sklar.numerics import log_normal, quasi_normal
from sklar.numerics.line import MOST, SHARPEST, LineIntegral

Scores = dict[int, Tensor]  # by variable, shapes that broadcast to (..., rows, B)
Density = Callable[[Scores], Tensor]  # log density of what depends on the hidden variables
POINTS = 32  # nodes of an integral to begin with
NESTED = 128  # nodes at most of each of two integrals, unless a row needs more
TOLERATED = 1e-9  # error of an inner integral that needs no more nodes
FINE = 64  # of one whose quantiles are asked for: the interpolant needs more than the sum
# The proposal is a mixture of the conditional normals of the same taus, widened, and of one that covers everything.
SHARES, WIDTHS = (0.5, 0.35, 0.15), (1.1, 2.0)
EVERYWHERE = 1.5
ADAPTATIONS = 2


@dataclass(frozen=True)
class Integral:
    """An integral over hidden variables.

    Attributes:
        log_value: log of it, ``(..., rows, B)``.
        error: its standard error (importance sampling) or estimated error (quadrature), in nats.
        effective_size: effective number of importance samples; infinite for quadrature.
    """

    log_value: Tensor
    error: Tensor
    effective_size: Tensor


class Frame:
    """Where conditional distributions are, to begin a search: those of normals with the same Kendall's taus.

    Args:
        correlation: ``(B, M, M)``.
        known: observed scores.
    """

    def __init__(self, correlation: Tensor, known: Mapping[int, Tensor]) -> None:
        self.correlation, self.known = correlation, dict(known)

    def given(self, variable: int, scores: Tensor) -> Frame:
        """The frame when one more variable is known."""
        return Frame(self.correlation, {**self.known, variable: scores})

    @torch.no_grad()
    def moments(self, targets: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Conditional means ``(..., rows, B, k)`` and the Cholesky factor of the covariance ``(B, k, k)``."""
        r, t, k = self.correlation, list(targets), list(self.known)
        if not k:
            mean = torch.zeros(1, len(r), len(t), dtype=r.dtype, device=r.device)
            return mean, torch.linalg.cholesky(r[:, t][:, :, t])
        cross = r[:, t][:, :, k]
        jitter = 1e-6 * torch.eye(len(k), dtype=r.dtype, device=r.device)  # a rough place will do
        gain = torch.linalg.solve(r[:, k][:, :, k] + jitter, cross, left=False)
        known = torch.stack(torch.broadcast_tensors(*self.known.values()), -1).clamp(-9, 9)
        mean = (gain * known.unsqueeze(-2)).sum(-1).clamp(-9, 9)
        eye = 1e-6 * torch.eye(len(t), dtype=r.dtype, device=r.device)
        return mean, torch.linalg.cholesky(r[:, t][:, :, t] - gain @ cross.mT + eye)

    def line(self, target: int) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of one variable, broadcast."""
        mean, factor = self.moments((target,))
        return torch.broadcast_tensors(mean[..., 0], factor[:, 0, 0])


class Hidden:
    """A group of hidden variables of one block of rows.

    Args:
        variables: the hidden ones.
        density: log density of the pairs that depend on them, from all scores.
        known: observed scores, ``(rows, B)`` each.
        frame: where to search.
        samples: number of importance samples.
    """

    def __init__(
        self, variables: tuple[int, ...], density: Density, known: Mapping[int, Tensor], frame: Frame, samples: int
    ) -> None:
        self.variables, self.density, self.known, self.samples = variables, density, dict(known), samples
        self.frame = frame
        self._highest: Tensor | None = None
        self._inner: Tensor | None = None

    def _line(self, rest: tuple[int, ...], known: Scores, frame: Frame, points: int, most: int = MOST) -> LineIntegral:
        """The integral over the first of the variables left, all others integrated out inside."""
        variable, others = rest[0], rest[1:]

        def log_f(nodes: Tensor) -> Tensor:
            scores = {**known, variable: nodes}
            if not others:
                return self.density(scores) + log_normal(nodes)
            inner = self._line(others, scores, frame.given(variable, nodes), POINTS, most)
            value = inner.log_value + log_normal(nodes)
            self._note(inner.error, value)
            return value

        shape = torch.broadcast_shapes(*(w.shape for w in known.values()))
        centre, scale = (x.expand(shape).contiguous() for x in frame.line(variable))
        return LineIntegral(log_f, centre, scale, points, most, careful=len(self.variables) == 1)

    @torch.no_grad()
    def _note(self, error: Tensor, value: Tensor) -> None:
        """Keep the largest error of an inner integral, weighed by its share of the largest value so far."""
        highest = value.amax(0)
        self._highest = highest if self._highest is None else torch.maximum(self._highest, highest)
        own = (error * torch.exp(value - self._highest)).amax(0)
        self._inner = own if self._inner is None else torch.maximum(self._inner, own)

    def _integrate(self, known: Scores, frame: Frame, points: int, most: int) -> tuple[Tensor, Tensor, Tensor]:
        """Log of the integral, its error, and which rows have settled."""
        self._highest = self._inner = None
        line = self._line(self.variables, known, frame, points, most)
        inner = torch.zeros_like(line.error) if self._inner is None else self._inner
        return line.log_value, line.error + inner, line.settled & ~(inner > TOLERATED)

    def _quadrature(self) -> tuple[Tensor, Tensor]:
        """Log of the integral and its error; a few rows need more nodes: contradictory tails make narrow peaks."""
        two = len(self.variables) == 2
        log_value, error, settled = self._integrate(self.known, self.frame, POINTS, NESTED if two else MOST)
        rows = (~settled).any(-1).nonzero().flatten()
        # An integral inside an integral holds the square of its nodes: a row at a time.
        for part in rows.split(1 if two else max(1, len(rows))) if len(rows) else ():
            some = {v: w[part] for v, w in self.known.items()}
            points, most = (NESTED, 2 * MOST) if two else (2 * MOST, SHARPEST)
            again, last, _ = self._integrate(some, Frame(self.frame.correlation, some), points, most)
            log_value = log_value.index_copy(0, part, again)
            error = error.index_copy(0, part, last)
        return log_value, error

    def integral(self) -> Integral:
        """The integral of the density and the hidden variables' normal densities."""
        if len(self.variables) <= 2:
            log_value, error = self._quadrature()
            return Integral(log_value, error, torch.full_like(error, math.inf))
        _, log_weights = self._sample()
        log_value = torch.logsumexp(log_weights, 0)
        with torch.no_grad():
            size = torch.exp(2 * log_value - torch.logsumexp(2 * log_weights, 0))
            error = (1 / size - 1 / self.samples).clamp(min=0).sqrt()
        return Integral(log_value, error, size)

    def draw(self, noise: Mapping[int, Tensor]) -> tuple[Scores, Tensor | None]:
        """Draws of the hidden variables given the observed, from normals ``(S, rows, B)`` each.

        Returns:
            The draws ``(S, rows, B)``, and the effective sample size where they are resampled importance samples.
            Gradients reach parameters and observed scores, but not through resampled draws.
        """
        if len(self.variables) > 2:
            return self._resample(noise)
        drawn: Scores = {}
        known, frame, rest = self.known, self.frame, self.variables
        while rest:
            variable, target = rest[0], noise[rest[0]]
            line = self._line(rest, known, frame, FINE, NESTED if len(rest) == 2 else MOST)
            # The first integral is shared by all draws, the second depends on the first draw.
            drawn[variable] = line.quantile(target) if not drawn else line.quantile(target.unsqueeze(0))[0]
            known, frame, rest = {**known, variable: drawn[variable]}, frame.given(variable, drawn[variable]), rest[1:]
        return drawn, None

    def _sample(self) -> tuple[Scores, Tensor]:
        """Importance samples ``(S, rows, B)`` and the logs of their weights over ``S``.

        The proposal starts from the frame and is moved twice to the moments of its own weighted samples.
        """
        shape = torch.broadcast_shapes(*(w.shape for w in self.known.values()))
        mean, factor = self.frame.moments(self.variables)
        size = len(self.variables)
        mean, factor = mean.expand(*shape, size), factor.expand(*shape, size, size)
        with torch.no_grad():
            for _ in range(ADAPTATIONS):
                points, log_weights = self._weighted(mean, factor, max(64, self.samples // 4))
                mean, factor = _moments(points, log_weights, mean, factor)
        points, log_weights = self._weighted(mean, factor, self.samples)
        return {v: points[..., i] for i, v in enumerate(self.variables)}, log_weights

    def _weighted(self, mean: Tensor, factor: Tensor, count: int) -> tuple[Tensor, Tensor]:
        """Points ``(S, rows, B, k)`` of a proposal and the logs of their weights over ``S``."""
        size = len(self.variables)
        with torch.no_grad():
            normal = quasi_normal(count, (size,), 0, mean.dtype).to(mean.device)
            first, second = round(count * SHARES[0]), round(count * (SHARES[0] + SHARES[1]))
            width = torch.full((count, 1), WIDTHS[0], dtype=mean.dtype, device=mean.device)
            width[first:] = WIDTHS[1]
            points = (factor * (width * normal)[:, None, None, None, :]).sum(-1) + mean
            points[second:] = (EVERYWHERE * normal[second:])[:, None, None]
            log_q = torch.logsumexp(torch.stack(self._log_proposals(points, mean, factor)), 0)
        scores = {v: points[..., i] for i, v in enumerate(self.variables)}
        log_target = self.density({**self.known, **scores}) + log_normal(points).sum(-1)
        return points, log_target - log_q - math.log(count)

    @staticmethod
    def _log_proposals(points: Tensor, mean: Tensor, factor: Tensor) -> list[Tensor]:
        """Log densities of the proposal's parts, weighted by their shares."""
        size = points.shape[-1]
        gap = (points - mean).unsqueeze(-1)
        whitened = torch.linalg.solve_triangular(factor.expand(*gap.shape[:-2], size, size), gap, upper=False)[..., 0]
        log_det = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        found = [
            math.log(share) + log_normal(whitened / width).sum(-1) - log_det - size * math.log(width)
            for share, width in zip(SHARES, WIDTHS, strict=False)
        ]
        everywhere = log_normal(points / EVERYWHERE).sum(-1) - size * math.log(EVERYWHERE)
        return [*found, math.log(SHARES[2]) + everywhere]

    @torch.no_grad()
    def _resample(self, noise: Mapping[int, Tensor]) -> tuple[Scores, Tensor]:
        scores, log_weights = self._sample()
        weights = torch.softmax(log_weights, 0)
        ladder = weights.cumsum(0).movedim(0, -1).contiguous()
        place = torch.special.ndtr(noise[self.variables[0]].to(ladder.dtype)).movedim(0, -1).contiguous()
        index = torch.searchsorted(ladder, place).clamp(max=self.samples - 1).movedim(-1, 0)
        drawn = {v: w.expand(log_weights.shape).gather(0, index) for v, w in scores.items()}
        return drawn, 1 / weights.square().sum(0)


def _moments(points: Tensor, log_weights: Tensor, mean: Tensor, factor: Tensor) -> tuple[Tensor, Tensor]:
    """Weighted mean and Cholesky factor of the covariance, drawn to the old ones where few samples carry the weight."""
    weights = torch.softmax(log_weights, 0).nan_to_num(0.0)
    effective = 1 / weights.square().sum(0).clamp(min=1e-12)
    trust = (effective / (effective + 10 * points.shape[-1]))[..., None, None]
    new = (weights.unsqueeze(-1) * points).sum(0)
    gap = points - new
    covariance = torch.einsum("s...,s...i,s...j->...ij", weights, gap, gap)
    blended = trust * covariance + (1 - trust) * factor @ factor.mT
    eye = 1e-6 * torch.eye(points.shape[-1], dtype=points.dtype, device=points.device)
    changed, failed = torch.linalg.cholesky_ex(blended + eye)
    good = (failed == 0)[..., None, None] & torch.isfinite(changed).all(-1).all(-1)[..., None, None]
    return torch.where(good[..., 0], new, mean), torch.where(good, changed, factor)
