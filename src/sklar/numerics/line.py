"""Integrals over the line of smooth densities given by their logs, one an element of a batch."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

WIDE, DENSE = 49, 145  # points of the first search, which must not overlook a second peak; of one for narrow peaks
SCAN = 25  # points of a later one
STARTS, ZOOMS = 4, 3  # local maxima that are climbed, and how often each is zoomed in on
NARROW = 0.3  # a scale below which that is done
REACH = 9.0  # scores that the first search covers at least
ROUNDS = 16  # searches at most; one or two are needed
MOST = 512  # nodes of an integral, unless more are asked for
SHARPEST = 8192  # nodes at most of the few elements for which those are not enough
FURTHEST = 40.0  # no score lies farther out
LogFunction = Callable[[Tensor], Tensor]


class LineIntegral:
    """``int exp(log_f(x)) dx`` of a smooth positive function that falls off at both ends, and its quantiles.

    The trapezoidal rule, whose error falls exponentially for such functions (Trefethen & Weideman 2014), on each
    element's own support: where the function is not below its peak by the rounding of its type. The points are doubled
    until every second one gives nearly the same. ``error`` is then that relative difference squared, since halving the
    step at least squares the error of an analytic function; elsewhere the difference itself.

    Gradients pass through the values of ``log_f``; the nodes are constants.

    Args:
        log_f: from nodes ``(n, *shape)`` to the logs of the function there, the same shape.
        centre: where to look first, ``(*shape)``.
        scale: about the function's standard deviation, ``(*shape)``; the search widens or narrows it.
        points: nodes to begin with, even.
        most: nodes at most.
        careful: whether to look for peaks far narrower than the first search's steps where the scale is small.

    Attributes:
        log_value: log of the integral, ``(*shape)``.
        error: estimated relative error, ``(*shape)``.
        settled: whether the points were doubled often enough, ``(*shape)``.
        values: logs of the function at the nodes, ``(n, *shape)``.
    """

    def __init__(
        self,
        log_f: LogFunction,
        centre: Tensor,
        scale: Tensor,
        points: int = 32,
        most: int = MOST,
        careful: bool = True,
    ) -> None:
        with torch.no_grad():
            self.lower, self.width = _support(log_f, centre.detach(), scale.detach(), careful)
        self._log_f, self._most = log_f, most
        self.values = log_f(self._nodes(points, 0.0))
        self._refine(1e-5 if self.lower.dtype == torch.float64 else 1e-3)

    def _refine(self, close: float) -> None:
        """Double the nodes until every second one gives nearly the same integral."""
        while True:
            with torch.no_grad():
                each = torch.logsumexp(self.values, 0)
                half = torch.logsumexp(self.values[::2], 0) + math.log(2.0)
                difference = torch.expm1(half - each).abs()
            count = len(self.values)
            if count >= self._most or not bool((difference > close).any()):
                break
            between = self._log_f(self._nodes(count, 0.5))
            self.values = torch.stack([self.values, between], 1).flatten(0, 1)
        self.settled = ~(difference > close)
        self.error = torch.where(self.settled, difference.square(), difference)
        self.log_value = torch.logsumexp(self.values, 0) + torch.log(self.width / count)

    def _nodes(self, count: int, shift: float) -> Tensor:
        place = (torch.arange(count, dtype=self.lower.dtype, device=self.lower.device) + shift) / count
        return self.lower + self.width * place.reshape(-1, *[1] * self.lower.ndim)

    def nodes(self) -> Tensor:
        """Where ``values`` are taken, ``(n, *shape)``."""
        return self._nodes(len(self.values), 0.0)

    def quantile(self, score: Tensor) -> Tensor:
        """The ``x`` below which the share ``Phi(score)`` of the integral lies, for scores ``(S, *shape)``.

        The nodes' values are a trigonometric interpolant, integrated term by term; its root is found by Newton's
        method in float64. The gradient, in ``score`` and in what the function depends on, is the implicit function's.
        """
        self._refine(1e-9 if self.lower.dtype == torch.float64 else 1e-4)  # an interpolant needs more than the sum
        series = _Series(self.values.double())
        target = torch.special.ndtr(score.double())
        with torch.no_grad():
            place, density = series.solve(target)
        x = self.lower + self.width * place
        if torch.is_grad_enabled() and (self.values.requires_grad or score.requires_grad):
            gap = (target - series.distribution(place)) / density * self.width
            x = x + (gap - gap.detach())
        return x.to(self.values.dtype)


class _Series:
    """A periodic density on [0, 1) from values at equal steps, ``(n, *shape)`` logs, as a Fourier series."""

    def __init__(self, logs: Tensor) -> None:
        values = torch.exp(logs - logs.detach().amax(0))
        count = len(values)
        terms = torch.fft.rfft(values, dim=0)[1 : (count + 1) // 2] / values.sum(0)
        frequency = 2 * math.pi * torch.arange(1, len(terms) + 1, dtype=values.dtype, device=values.device)
        self.frequency = frequency.reshape(-1, *[1] * (values.ndim - 1))
        self.density_terms = 2 * terms
        self.terms = 2 * terms / (1j * self.frequency)  # of the antiderivative
        self.count = count

    def _waves(self, place: Tensor) -> Tensor:
        return torch.polar(torch.ones_like(place).unsqueeze(1), self.frequency * place.unsqueeze(1))

    def distribution(self, place: Tensor) -> Tensor:
        """Share of the mass below places ``(S, *shape)``."""
        return place + (self.terms * (self._waves(place) - 1)).real.sum(1)

    def solve(self, target: Tensor) -> tuple[Tensor, Tensor]:
        """Places where the distribution function has these values, and the density there."""
        fine = 4 * self.count
        padded = torch.zeros(fine // 2 + 1, *self.terms.shape[1:], dtype=self.terms.dtype, device=target.device)
        padded[1 : len(self.terms) + 1] = 0.5 * self.terms * fine
        wave = torch.fft.irfft(padded, n=fine, dim=0)
        start = torch.arange(fine, dtype=target.dtype, device=target.device) / fine
        table = start.reshape(-1, *[1] * (wave.ndim - 1)) + wave - wave[0]
        table = table.cummax(0).values.movedim(0, -1).contiguous()
        right = torch.searchsorted(table, target.movedim(0, -1).contiguous()).movedim(-1, 0).clamp(1, fine)
        low, high = (right - 1).to(target.dtype) / fine, right.to(target.dtype) / fine
        place = 0.5 * (low + high)
        for _ in range(6):  # inside a cell the distribution is smooth: each step squares the error
            waves = self._waves(place)
            density = (1 + (self.density_terms * waves).real.sum(1)).clamp(min=1e-30)
            gap = target - place - (self.terms * (waves - 1)).real.sum(1)
            place = torch.minimum(torch.maximum(place + gap / density, low), high)
        return place, density


def _climb(log_f: LogFunction, grid: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Place and height of the highest peak found by zooming in on a grid's highest local maxima."""
    edge = torch.full_like(values[:1], -math.inf)
    local = (values >= torch.cat([edge, values[:-1]])) & (values >= torch.cat([values[1:], edge]))
    start = torch.where(local, values, -math.inf).topk(STARTS, 0).indices
    place, half = grid.gather(0, start), grid[1] - grid[0]
    height = values.gather(0, start)
    offsets = torch.linspace(-1, 1, SCAN, dtype=grid.dtype, device=grid.device).reshape(-1, *[1] * grid.ndim)
    for _ in range(ZOOMS):
        fine = place + half * offsets
        found = log_f(fine.flatten(0, 1)).unflatten(0, fine.shape[:2])
        height, best = found.max(0)
        place = fine.gather(0, best.unsqueeze(0))[0]
        half = half * (3 / SCAN)
    highest, which = height.max(0)
    return place.gather(0, which.unsqueeze(0))[0], highest


def _support(log_f: LogFunction, centre: Tensor, scale: Tensor, careful: bool) -> tuple[Tensor, Tensor]:
    """Lower end and width of where the function is above its peak times the rounding of its type.

    Where a scale is small, a peak may be so narrow that the first grid's values tell of it only from afar: then its
    local maxima are climbed first, from a denser grid.
    """
    depth = -math.log(torch.finfo(centre.dtype).eps)
    low = (centre - 10 * scale).clamp(-FURTHEST, -REACH)
    high = (centre + 10 * scale).clamp(REACH, FURTHEST)
    narrow = careful and bool((scale < NARROW).any())
    points, done = DENSE if narrow else WIDE, torch.zeros_like(low, dtype=torch.bool)
    summit, height = centre, torch.full_like(centre, -math.inf)
    for number in range(ROUNDS):
        steps = torch.linspace(0, 1, points, dtype=centre.dtype, device=centre.device)
        grid = low + (high - low) * steps.reshape(-1, *[1] * centre.ndim)
        values = log_f(grid)
        if number == 0 and narrow:
            summit, height = _climb(log_f, grid, values)
        above = values > torch.maximum(values.amax(0), height) - depth
        nothing = ~above.any(0)
        hidden = nothing & (height > -math.inf)  # the peak lies between two nodes
        broken = nothing & ~hidden  # NaN: nothing to find
        span, step = high - low, (high - low) / (points - 1)
        first = above.byte().argmax(0)
        last = points - 1 - above.flip(0).byte().argmax(0)
        open_left = (first == 0) & (low > -FURTHEST) & ~nothing
        open_right = (last == points - 1) & (high < FURTHEST) & ~nothing
        new_low = torch.where(open_left, low - span, low + step * (first - 1).clamp(min=0))
        new_high = torch.where(open_right, high + span, low + step * (last + 1).clamp(max=points - 1))
        # The summit stays inside, whatever the grid shows.
        climbed = height > -math.inf
        new_low = torch.where(climbed, torch.minimum(new_low, summit - step), new_low)
        new_high = torch.where(climbed, torch.maximum(new_high, summit + step), new_high)
        new_low = torch.where(hidden, summit - step, new_low)
        new_high = torch.where(hidden, summit + step, new_high)
        kept = broken | done  # a row's own support must not depend on what other rows still search
        done = kept | (~open_left & ~open_right & ~hidden & (last - first >= SCAN // 2))
        low = torch.where(kept, low, new_low.clamp(min=-FURTHEST))
        high = torch.where(kept, high, new_high.clamp(max=FURTHEST))
        if bool(done.all()):
            break
        points = SCAN
    return low, high - low
