"""Maximum likelihood for one pair, and the choice of a family."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

from sklar.copulas.pair.mixture import Mixture
from sklar.copulas.pair.module import PairCopula, PairScores, pair_copula
from sklar.copulas.pair.registry import FAMILIES
from sklar.copulas.pair.turned import ROTATIONS

STARTS = (0.3, 1.0, 2.0)  # multiples of the sample's dependence that a fit begins from
Copula = TypeVar("Copula", bound=PairScores)


def _checked(data: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    data = torch.as_tensor(data)
    if data.ndim != 2 or data.shape[1] != 2 or len(data) < 2:
        raise ValueError(f"expected scores of shape (n, 2) with n of at least 2, got {tuple(data.shape)}")
    data = data.detach().double()
    bad = ~torch.isfinite(data).all(-1)
    if bool(bad.any()):
        raise ValueError(f"row {int(bad.nonzero()[0])}: scores must be finite; uniform data goes through .uniform")
    if weights is None:
        return data[:, 0], data[:, 1], torch.ones(len(data), dtype=torch.float64, device=data.device)
    weights = torch.as_tensor(weights, device=data.device).double()
    proper = weights.shape == data.shape[:1] and bool((torch.isfinite(weights) & (weights >= 0)).all())
    if not proper or not bool(weights.sum() > 0):
        raise ValueError(f"weights must be {len(data)} finite non-negative numbers, some positive")
    return data[:, 0], data[:, 1], weights


def _tau(w1: Tensor, w2: Tensor, weights: Tensor) -> float:
    """Kendall's tau of a Gaussian copula with the sample's correlation of scores: a start, not an estimate."""
    share = weights / weights.sum()
    x, y = w1 - (share * w1).sum(), w2 - (share * w2).sum()
    scale = ((share * x * x).sum() * (share * y * y).sum()).sqrt().clamp(min=1e-12)
    return 2 / math.pi * math.asin(float(((share * x * y).sum() / scale).clamp(-0.95, 0.95)))


def _maximise(copula: PairScores, w1: Tensor, w2: Tensor, weights: Tensor) -> float:
    """Raise the weighted log likelihood in place by L-BFGS; returns it."""
    parameters = [p for p in copula.parameters() if p.numel()]
    share = weights / weights.sum()
    if parameters:
        optimizer = torch.optim.LBFGS(
            parameters, max_iter=200, tolerance_grad=1e-9, tolerance_change=1e-13, line_search_fn="strong_wolfe"
        )

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = -(share * copula.log_prob(w1, w2)).sum()
            loss.backward()
            return loss

        with torch.enable_grad():
            optimizer.step(closure)
    with torch.no_grad():
        return float((weights * copula.log_prob(w1, w2)).sum())


def fit(copula: Copula, data: Tensor, weights: Tensor | None = None) -> Copula:
    """Fit one pair copula, or a mixture, to scores by maximum likelihood, in place; returns it.

    A single family is fitted from several strengths of dependence, the best is kept. A mixture starts with each of its
    families fitted alone and equal weights.

    Args:
        copula: one pair, not a batch.
        data: scores ``(n, 2)``.
        weights: of the rows, ``(n,)``, non-negative.

    Raises:
        ValueError: a batch of pairs, or data of a wrong shape, not finite.
    """
    if copula.batch_shape:
        raise ValueError(f"fit takes one pair, not a batch of shape {tuple(copula.batch_shape)}")
    w1, w2, weights = _checked(data, weights)
    if isinstance(copula, Mixture):
        for component in copula.parts():
            _fit_family(component, w1, w2, weights)
        torch.nn.init.zeros_(copula.logits)
        _maximise(copula, w1, w2, weights)
    elif isinstance(copula, PairCopula):
        _fit_family(copula, w1, w2, weights)
    return copula


def _fit_family(copula: PairCopula, w1: Tensor, w2: Tensor, weights: Tensor) -> float:
    """Fit one family in place; returns the weighted log likelihood."""
    tau = _tau(w1, w2, weights)
    best, best_raw = -math.inf, copula.raw.detach().clone()
    for strength in STARTS if copula.family.parameters else (1.0,):
        copula.set_tau(max(-0.9, min(0.9, strength * tau)))
        with torch.no_grad():
            copula.raw.clamp_(-6.0, 6.0)  # away from the bounds, where the gradient vanishes
        reached = _maximise(copula, w1, w2, weights)
        if reached > best:
            best, best_raw = reached, copula.raw.detach().clone()
    if not math.isfinite(best):
        raise ValueError(f"{copula.family.name}: the likelihood of these data is not finite at any start")
    with torch.no_grad():
        copula.raw.copy_(best_raw)
    return best


def select(
    data: Tensor,
    weights: Tensor | None = None,
    families: Sequence[str] | None = None,
    criterion: str = "aic",
) -> PairCopula:
    """The family, rotation and parameters that describe scores best.

    A family takes part if the effective number of rows exceeds that of its parameters by more than one: with fewer only
    independence is left. Rotations whose dependence has the wrong sign are left out, as are negative families for
    positive data.

    Args:
        data: scores ``(n, 2)``.
        weights: of the rows, ``(n,)``; n in the criterion is their effective number, ``(sum w)^2 / sum w^2``.
        families: names to choose from, default all.
        criterion: ``"aic"`` or ``"bic"``.

    Raises:
        KeyError: an unknown family. TypeError: a name alone. ValueError: an unknown criterion, no families, bad data,
            or too few for any of the families.
    """
    if criterion not in ("aic", "bic"):
        raise ValueError(f"unknown criterion {criterion!r}; choose 'aic' or 'bic'")
    if isinstance(families, str):
        raise TypeError(f"families must be a list of names, got the text {families!r}; write [{families!r}]")
    names = list(FAMILIES) if families is None else list(families)
    if not names:
        raise ValueError(f"families is empty; choose among {list(FAMILIES)}, or leave it out for all")
    for name in names:
        if name not in FAMILIES:
            raise KeyError(f"unknown family {name!r}; choose among {list(FAMILIES)}")
    w1, w2, row_weights = _checked(data, weights)
    size = float(row_weights.sum().square() / row_weights.square().sum())
    row_weights = row_weights * size / row_weights.sum()
    fewest = min(len(FAMILIES[name].parameters) for name in names)
    names = [name for name in names if not FAMILIES[name].parameters or size > len(FAMILIES[name].parameters) + 1]
    if not names:
        raise ValueError(
            f"an effective number of {size:.3g} rows is too few to choose among these families: "
            f"more than {fewest + 1} are needed, or 'indep' among them"
        )
    positive = _tau(w1, w2, row_weights) >= 0
    best: PairCopula | None = None
    best_value = math.inf
    for name in names:
        turns = [r for r in ROTATIONS if (r in (0, 180)) == positive] if FAMILIES[name].rotatable else [0]
        for rotation in turns:
            candidate = pair_copula(name, rotation=rotation)
            try:
                log_likelihood = _fit_family(candidate, w1, w2, row_weights)
            except ValueError as error:
                warnings.warn(f"{name}, rotated by {rotation}, was left out: {error}", stacklevel=2)
                continue
            penalty = 2.0 if criterion == "aic" else math.log(size)
            value = penalty * len(candidate.family.parameters) - 2 * log_likelihood
            if value < best_value:
                best, best_value = candidate, value
    if best is None:
        raise ValueError("no family could be fitted to these data")
    return best
