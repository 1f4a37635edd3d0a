"""How good draws of what is missing are: sharpness and calibration, in the units that they are given in."""

from __future__ import annotations

import torch
from torch import Tensor

from sklar.evaluation.metrics import energy_score

LEVELS = (50, 80, 95)  # percent, of the intervals


def imputation_scores(draws: Tensor, truth: Tensor) -> dict[str, float]:
    """Scores of draws from a predictive distribution.

    ``energy``: energy score of a row's features together; ``crps``: continuous ranked probability score of each
    feature, averaged; ``coverage_50`` and so on: share of the true values within the draws' central intervals (one that
    equals an interval's end in proportion, see `transforms`); ``width_80``: mean width of that interval; ``pit``: mean
    distance between the quantiles of the probability integral transforms, all features together, and a uniform's, 0 to
    .5.

    Args:
        draws: ``(S, N, F)``, at least twenty draws so that the widest interval has ends.
        truth: ``(N, F)``.

    Raises:
        ValueError: too few draws.

    References:
        Gneiting & Raftery, "Strictly proper scoring rules, prediction, and estimation", JASA 2007.
    """
    count = len(draws)
    if count < 20:
        raise ValueError(f"intervals of {LEVELS[-1]}% need at least 20 draws, got {count}")
    pit = transforms(draws, truth)
    ranked = draws.sort(0).values
    scores = {"energy": energy_score(draws, truth), "crps": float(_crps(ranked, truth))}
    for level in LEVELS:
        edge = (1 - level / 100) / 2
        scores[f"coverage_{level}"] = float(((pit >= edge) & (pit <= 1 - edge)).double().mean())
    scores["width_80"] = float((_quantile(ranked, 0.9) - _quantile(ranked, 0.1)).double().mean())
    ordered = pit.flatten().sort().values
    grid = (torch.arange(len(ordered), device=pit.device, dtype=pit.dtype) + 0.5) / len(ordered)
    scores["pit"] = float((ordered - grid).abs().mean())
    return scores


def transforms(draws: Tensor, truth: Tensor, seed: int = 0) -> Tensor:
    """Probability integral transforms: where each true value stands among its draws, ``(N, F)`` within (0, 1).

    The share of draws below it, its own place uniform among those equal to it: ``(below + U (equal + 1)) / (S + 1)``,
    which is uniform where truth and draws have the same distribution, a discrete one too.

    Args:
        draws: ``(S, N, F)``.
        truth: ``(N, F)``.
        seed: of the places.

    References:
        Czado, Gneiting & Held, "Predictive model assessment for count data", Biometrics 2009, section 2.1.
    """
    below = (draws < truth).sum(0).double()
    equal = (draws == truth).sum(0).double()
    place = torch.rand(truth.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (below + place.to(below.device) * (equal + 1)) / (len(draws) + 1)


def _quantile(ranked: Tensor, level: float) -> Tensor:
    """Of sorted draws ``(S, N, F)``, linear between them, ``(N, F)``."""
    place = level * (len(ranked) - 1)
    low = min(int(place), len(ranked) - 2)
    return torch.lerp(ranked[low], ranked[low + 1], place - low)


def _crps(ranked: Tensor, truth: Tensor) -> Tensor:
    """``E|X - x| - 1/2 E|X - X'|`` a feature, the second term without bias, from sorted draws; averaged."""
    count = len(ranked)
    weight = 2 * torch.arange(1, count + 1, device=ranked.device, dtype=ranked.dtype) - count - 1
    spread = 2 * torch.einsum("s,snf->nf", weight, ranked) / (count * (count - 1))
    return ((ranked - truth).abs().mean(0) - 0.5 * spread).double().mean()
