"""How well one modality's row is found from another's: the evidence that embeddings are aligned."""

from __future__ import annotations

import torch
from torch import Tensor

DEPTHS = (1, 5, 10)


def retrieval_scores(scores: Tensor) -> dict[str, float]:
    """Recall at 1, 5 and 10 and mean reciprocal rank, averaged over both directions.

    Args:
        scores: of every row of one modality with every row of the other, ``(N, N)``, higher for a better match; row
            ``i`` belongs to column ``i``. Among equal scores a row's rank is the middle one, so that a constant score
            has no better rank than chance.

    Raises:
        ValueError: not square, fewer than two rows, or a score that is NaN.
    """
    if scores.ndim != 2 or scores.shape[0] != scores.shape[1] or len(scores) < 2:
        raise ValueError(f"retrieval needs a square table of at least two rows' scores, got {tuple(scores.shape)}")
    if bool(scores.isnan().any()):
        raise ValueError("retrieval needs scores that are numbers: there is a NaN among them")
    ranks = torch.cat([_ranks(scores), _ranks(scores.T)])
    found = {f"recall_{depth}": float((ranks <= depth).double().mean()) for depth in DEPTHS}
    return {**found, "mrr": float((1 / ranks).mean())}


def _ranks(scores: Tensor) -> Tensor:
    """Of each row's own column, from 1, ``(N,)`` float64."""
    own = scores.diagonal()[:, None]
    better, equal = (scores > own).double().sum(1), (scores == own).double().sum(1)
    return better + (equal + 1) / 2


def cosine_scores(first: Tensor, second: Tensor) -> Tensor:
    """Cosines of every row of one with every row of the other: ``(N, d), (K, d) -> (N, K)``."""
    unit = [torch.nn.functional.normalize(z.double(), dim=-1) for z in (first, second)]
    return unit[0] @ unit[1].T


def effective_rank(z: Tensor) -> float:
    """Exponential of the entropy of the covariance's normalised eigenvalues, from 1 to ``d``.

    One where embeddings collapse to a line, ``d`` where they fill their space evenly.

    Args:
        z: embeddings ``(N, d)``, at least two rows. Zero where all are equal.

    References:
        Roy & Vetterli, "The effective rank", EUSIPCO 2007 (of singular values; here of the covariance's eigenvalues).
    """
    if z.ndim != 2 or len(z) < 2:
        raise ValueError(f"the effective rank needs at least two rows of embeddings (N, d), got {tuple(z.shape)}")
    values = torch.linalg.svdvals((z - z.mean(0)).double()).square()
    if float(values.sum()) <= 0:
        return 0.0
    share = values / values.sum()
    return float(torch.exp(-(share * share.clamp(min=1e-300).log()).sum()))
