"""Tables of expensive smooth functions of one variable."""

from __future__ import annotations

import torch
from torch import Tensor


class Hermite:
    """Piecewise polynomial through values and derivatives at equally spaced nodes from zero.

    With two derivatives it is quintic, its error about ``step^6 / 46080`` times the sixth derivative; with one it is
    cubic, its error ``step^4 / 384`` times the fourth.

    Args:
        step: distance of the nodes.
        values: at the nodes, ``(n,)``.
        first: first derivatives, ``(n,)``.
        second: second derivatives, ``(n,)``, or None.
    """

    def __init__(self, step: float, values: Tensor, first: Tensor, second: Tensor | None = None) -> None:
        self.step = step
        d0, d1 = first[:-1] * step, first[1:] * step
        rise = values[1:] - values[:-1]
        if second is None:
            rows = [values[:-1], d0, 3 * rise - 2 * d0 - d1, d0 + d1 - 2 * rise]
        else:
            s0, s1 = 0.5 * second[:-1] * step * step, 0.5 * second[1:] * step * step
            rest, slope, bend = rise - d0 - s0, d1 - d0 - 2 * s0, s1 - s0
            rows = [
                values[:-1], d0, s0, 10 * rest - 4 * slope + bend, 7 * slope - 15 * rest - 2 * bend,
                6 * rest - 3 * slope + bend,
            ]  # fmt: skip
        self.rows = torch.stack(rows, -1)

    def __call__(self, x: Tensor) -> Tensor:
        """The function at ``x >= 0``; beyond the last node its value there, NaN at NaN."""
        place = (x / self.step).clamp(max=len(self.rows))
        index = place.nan_to_num(0.0).floor().clamp(max=len(self.rows) - 1)
        t = place - index
        c = self.rows[index.long()]
        result = c[..., -1]
        for k in range(c.shape[-1] - 2, -1, -1):
            result = torch.addcmul(c[..., k], result, t)
        return result
