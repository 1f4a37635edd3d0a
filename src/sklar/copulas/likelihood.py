"""Maximum likelihood of multivariate copulas by gradient, missing entries allowed."""

from __future__ import annotations

import torch
from torch import Tensor

from sklar.copulas.base import Copula

ROWS = 512  # rows of one backward pass, to bound memory


def maximise(copula: Copula, scores: Tensor, mask: Tensor, iterations: int = 60) -> None:
    """Raise the mean log density of the observed scores in place by L-BFGS.

    Args:
        copula: with its parameters where the search begins; they are what is optimised.
        scores: ``(n, *batch, M)``, zero where missing.
        mask: bool, ``(n, *batch, M)``.
        iterations: at most.
    """
    parameters = [p for p in copula.parameters() if p.numel()]
    if not parameters:
        return
    wanted = [p.requires_grad for p in parameters]
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer = torch.optim.LBFGS(
        parameters, max_iter=iterations, tolerance_grad=1e-7, tolerance_change=1e-10, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimizer.zero_grad()
        total = scores.new_zeros(())
        for rows, shown in zip(scores.split(ROWS), mask.split(ROWS), strict=True):
            loss = -copula.log_prob(rows, shown).sum() / len(scores)
            if loss.requires_grad:
                loss.backward()
            total = total + loss.detach()
        return total

    with torch.enable_grad():
        optimizer.step(closure)
    for parameter, want in zip(parameters, wanted, strict=True):
        parameter.requires_grad_(want)
        parameter.grad = None
