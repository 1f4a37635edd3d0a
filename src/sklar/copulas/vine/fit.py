"""Fitting a vine without a training loop."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sklar.copulas.gaussian import GaussianCopula
from sklar.copulas.likelihood import maximise

if TYPE_CHECKING:
    from sklar.copulas.vine.module import VineCopula

STRONGEST = 0.9  # Kendall's tau of a start at most


def fit(vine: VineCopula, scores: Tensor, observed: Tensor | None = None, iterations: int = 60) -> VineCopula:
    """Maximum likelihood of the observed scores, in place; returns the vine. Structure and families stay.

    Each pair starts at the Kendall's tau of its partial correlation of normal scores, which EM finds under missing
    entries; then all parameters climb together.

    Args:
        vine: what to fit.
        scores: ``(n, *batch, M)``.
        observed: mask as for `Copula.log_prob`.
        iterations: of L-BFGS at most.

    Raises:
        ValueError: shapes that do not fit, or scores that are not finite where observed.
    """
    w, mask = vine._rows(scores, observed)
    bad = ~torch.isfinite(w).flatten(1).all(1)
    if bool(bad.any()):
        raise ValueError(f"VineCopula: row {int(bad.nonzero()[0])} has observed scores that are not finite")
    normal = GaussianCopula(vine.dim, vine.batch_shape).double().to(w.device).fit(w, mask)
    start_from(vine, normal.correlation().reshape(vine.vines, vine.dim, vine.dim))
    maximise(vine, w, mask.expand(w.shape), iterations)
    return vine


@torch.no_grad()
def start_from(vine: VineCopula, correlation: Tensor) -> None:
    """Give every pair the Kendall's tau that belongs to its partial correlation, ``(B, M, M)``."""
    taus = {}
    for edges, columns in zip(vine.structure.edges, range(vine.structure.trees), strict=True):
        for e, edge in enumerate(edges):
            pair, given = [edge.first, edge.second], list(edge.given)
            rest = correlation[:, pair][:, :, pair]
            if given:
                cross = correlation[:, pair][:, :, given]
                rest = rest - cross @ torch.linalg.solve(correlation[:, given][:, :, given], cross.mT)
            partial = rest[:, 0, 1] * (rest[:, 0, 0] * rest[:, 1, 1]).clamp(min=1e-12).rsqrt()
            taus[columns, e] = (2 / math.pi * torch.asin(partial.clamp(-1, 1))).clamp(-STRONGEST, STRONGEST)
    vine.pairs.start(taus)
