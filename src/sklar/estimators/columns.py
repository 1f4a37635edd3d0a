"""Columns of a table brought close to normal by one smooth map each, and what values they may take."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

POWERS = torch.linspace(-3, 5, 81, dtype=torch.float64)
BEYOND = 0.25  # how far beyond the observed range a value may lie, in units of it
FEW_VALUES = 20  # a column of whole numbers that takes no more values than this is discrete; so is any of two values


def yeo_johnson(x: Tensor, power: Tensor) -> Tensor:
    """``((1 + x)^p - 1) / p`` for ``x >= 0`` and ``-((1 - x)^(2-p) - 1) / (2 - p)`` below (Yeo & Johnson 2000)."""
    p = torch.where(x >= 0, power, 2 - power)
    log = torch.log1p(x.abs())
    straight = torch.where(p.abs() < 1e-9, log, torch.expm1(p * log) / torch.where(p.abs() < 1e-9, 1.0, p))
    return torch.copysign(straight, x)


def _undo_yeo_johnson(y: Tensor, power: Tensor) -> Tensor:
    p = torch.where(y >= 0, power, 2 - power)
    flat = p.abs() < 1e-9
    log = torch.where(flat, y.abs(), torch.log1p((p * y.abs()).clamp(min=-1 + 1e-12)) / torch.where(flat, 1.0, p))
    return torch.copysign(torch.expm1(log), y)


class Columns(NamedTuple):
    """Maps of ``D`` columns: standardised, bent by a power, standardised again.

    Attributes:
        shift: of the column, ``(D,)``.
        scale: of the column, ``(D,)``.
        power: Yeo and Johnson's, ``(D,)``; one leaves a column straight.
        bent_shift: of the bent column, ``(D,)``.
        bent_scale: of the bent column, ``(D,)``.
        low: least value that may be imputed, ``(D,)``.
        high: greatest value that may be imputed, ``(D,)``.
    """

    shift: Tensor
    scale: Tensor
    power: Tensor
    bent_shift: Tensor
    bent_scale: Tensor
    low: Tensor
    high: Tensor

    @classmethod
    def fit(cls, x: Tensor, mask: Tensor, bend: bool, discrete: Tensor) -> Columns:
        """Maps of columns, each with at least two different values where the mask shows it.

        Args:
            x: values ``(n, D)``, float64; anything where nothing is shown.
            mask: bool ``(n, D)``.
            bend: choose each column's power by maximum likelihood of a normal; else all stay straight.
            discrete: bool ``(D,)``, columns that stay straight and within their observed range.
        """
        shift, scale = _moments(x, mask)
        z = torch.where(mask, (x - shift) / scale, 0.0)
        power = torch.ones_like(shift)
        if bend:
            count, slope = mask.sum(0), torch.where(mask, torch.sign(z) * torch.log1p(z.abs()), 0.0).sum(0)
            likelihood = torch.stack(
                [-count * _moments(yeo_johnson(z, p), mask)[1].log() + (p - 1) * slope for p in POWERS]
            )
            power = torch.where(discrete, power, POWERS[likelihood.argmax(0)])
        bent_shift, bent_scale = _moments(yeo_johnson(z, power), mask)
        low = torch.where(mask, x, torch.inf).amin(0)
        high = torch.where(mask, x, -torch.inf).amax(0)
        room = torch.where(discrete, 0.0, BEYOND * (high - low))
        below, above = low - room, high + room
        # A column that was never seen on the other side of zero stays on its side.
        below = torch.where(low >= 0, below.clamp(min=0.0), below)
        above = torch.where(high <= 0, above.clamp(max=0.0), above)
        return cls(shift, scale, power, bent_shift, bent_scale, below, above)

    def take(self, column: Tensor) -> Columns:
        """The maps of the given columns, one a cell."""
        return Columns(*(value[column] for value in self))

    def bend(self, x: Tensor) -> Tensor:
        """Nearly normal values: ``(..., D) -> (..., D)``."""
        return (yeo_johnson((x - self.shift) / self.scale, self.power) - self.bent_shift) / self.bent_scale

    def log_slope(self, x: Tensor) -> Tensor:
        """Log derivative of `bend`, ``(..., D)``."""
        z = (x - self.shift) / self.scale
        return torch.sign(z) * (self.power - 1) * torch.log1p(z.abs()) - torch.log(self.scale * self.bent_scale)

    def straighten(self, w: Tensor) -> Tensor:
        """Inverse of `bend`, within the values that may be imputed: ``(..., D) -> (..., D)``."""
        inside = torch.minimum(torch.maximum(w, self.bend(self.low)), self.bend(self.high))
        x = _undo_yeo_johnson(inside * self.bent_scale + self.bent_shift, self.power) * self.scale + self.shift
        return torch.minimum(torch.maximum(x, self.low), self.high)


def _moments(x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of what is shown of each column."""
    count = mask.sum(0)
    mean = torch.where(mask, x, 0.0).sum(0) / count
    return mean, (torch.where(mask, x - mean, 0.0).square().sum(0) / count).sqrt().clamp(min=1e-300)


def support(x: Tensor) -> Tensor | None:
    """The values of a discrete column, sorted, from those seen of it ``(n,)``; None for a continuous one.

    Discrete is a column that takes two values, or whole numbers only and no more than `FEW_VALUES` of them, each seen
    five times on average.
    """
    values = x.unique()
    few = len(values) <= FEW_VALUES and 5 * len(values) <= len(x) and bool((values == values.round()).all())
    return values if len(values) <= 2 or few else None
