"""Tables of expensive smooth functions of one variable."""

from __future__ import annotations

import torch
from torch import Tensor


class Hermite:
    """Piecewise polynomial through values and derivatives at equally spaced nodes from zero.

    With two derivatives it is quintic, its error about ``step^6 / 46080`` times the sixth derivative; with one it is
    cubic, its error ``step^4 / 384`` times the fourth.

    Args:
        step: distance of the nodes, a number or ``(functions, 1)``.
        values: at the nodes, ``(functions, n)``: one table a row.
        first: first derivatives, ``(functions, n)``.
        second: second derivatives, ``(functions, n)``, or None.
    """

    def __init__(self, step: float | Tensor, values: Tensor, first: Tensor, second: Tensor | None = None) -> None:
        self.step = step
        d0, d1 = (first * step)[:, :-1], (first * step)[:, 1:]
        start, rise = values[:, :-1], values[:, 1:] - values[:, :-1]
        if second is None:
            rows = [start, d0, 3 * rise - 2 * d0 - d1, d0 + d1 - 2 * rise]
        else:
            half = 0.5 * second * step * step
            s0, s1 = half[:, :-1], half[:, 1:]
            rest, slope, bend = rise - d0 - s0, d1 - d0 - 2 * s0, s1 - s0
            rows = [
                start, d0, s0, 10 * rest - 4 * slope + bend, 7 * slope - 15 * rest - 2 * bend,
                6 * rest - 3 * slope + bend,
            ]  # fmt: skip
        self.cells = start.shape[1]
        self.rows = torch.stack(rows, -1).flatten(0, 1)
        self.begin = torch.arange(len(values), device=values.device).unsqueeze(-1) * self.cells

    def __call__(self, x: Tensor) -> Tensor:
        """Each function at ``x >= 0`` of its own, ``(functions, points)``; beyond the last node its value there."""
        place = (x / self.step).clamp(max=self.cells)
        index = place.nan_to_num(0.0).floor().clamp(max=self.cells - 1)
        t = place - index
        c = self.rows[index.long() + self.begin]
        result = c[..., -1]
        for k in range(c.shape[-1] - 2, -1, -1):
            result = torch.addcmul(c[..., k], result, t)
        return result
