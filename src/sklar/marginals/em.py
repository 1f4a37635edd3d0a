"""Starting values and expectation-maximisation (Dempster, Laird & Rubin 1977) for diagonal Gaussian mixtures."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from sklar.numerics import LOG_SQRT_2PI

SCALE_FLOOR = 1e-2  # of a coordinate's own standard deviation: a component may not collapse onto one row


def coordinate_scale(z: Tensor) -> Tensor:
    """Standard deviation of each column of ``z (n, d)``; of one that does not vary, 1e-4 of the root mean square."""
    spread = z.std(dim=0, correction=0)
    dead = spread <= 1e-6 * z.abs().amax(0)
    return torch.where(dead, (1e-4 * spread.square().mean().sqrt()).clamp(min=1e-8), spread)


def plus_plus_centers(z: Tensor, components: int, generator: torch.Generator | None = None) -> Tensor:
    """k-means++ seeding (Arthur & Vassilvitskii 2007): ``components`` rows of ``z (n, d)`` drawn apart, ``(K, d)``.

    Where fewer distinct rows exist than components, the repeated ones are moved apart by small steps.
    """
    scaled = z / coordinate_scale(z)
    first = int(torch.randint(len(z), (1,), generator=generator))
    chosen = [first]
    distance = (scaled - scaled[first]).square().sum(-1)
    for _ in range(components - 1):
        if float(distance.sum()) <= 0:
            chosen.append(chosen[0])
            continue
        pick = int(torch.multinomial(distance.double().cpu(), 1, generator=generator))
        chosen.append(pick)
        distance = torch.minimum(distance, (scaled - scaled[pick]).square().sum(-1))
    centers = z[chosen].clone()
    for k in range(1, components):
        if chosen[k] in chosen[:k]:
            centers[k] += 0.1 * k * coordinate_scale(z)
    return centers


def spread_centers(z: Tensor, components: int) -> Tensor:
    """Centres of one-dimensional mixtures, one a column of ``z (n, d)``: evenly spaced quantiles, apart, ``(d, K)``."""
    levels = (torch.arange(components, dtype=z.dtype, device=z.device) + 0.5) / components
    place = (levels * len(z)).long().clamp(max=len(z) - 1)
    quantiles = z.sort(dim=0).values[place].T
    # A column with ties has equal quantiles: a small even spread keeps the components distinct.
    return quantiles + 0.1 * coordinate_scale(z)[:, None] * torch.special.ndtri(levels)


def run_em(
    z: Tensor,
    logits: Tensor,
    mean: Tensor,
    log_scale: Tensor,
    pool: Callable[[Tensor], Tensor],
    max_iterations: int = 500,
    tolerance: float = 1e-6,
) -> tuple[Tensor, Tensor, Tensor]:
    """Maximum likelihood of diagonal mixtures from the given start.

    Args:
        z: data ``(n, d)``.
        logits: log weights, ``(d, K)``, or ``(1, K)`` where the coordinates share them.
        mean: component means, ``(d, K)``.
        log_scale: log component standard deviations, ``(d, K)``.
        pool: what a row's coordinates share: maps component log densities ``(n, d, K)`` to those that decide the
            responsibilities; the identity for a mixture per coordinate, the sum over coordinates for one mixture.
        max_iterations: bound on the number of steps.
        tolerance: stop when the mean log-likelihood (nats a row and coordinate) gains less than this.

    Returns:
        Log weights, means and log scales at the end. Scales stay above 1% of the coordinate's standard deviation.
    """
    n = len(z)
    floor = SCALE_FLOOR * coordinate_scale(z)[:, None]
    values = z.unsqueeze(-1)
    previous = -math.inf
    for _ in range(max_iterations):
        t = (values - mean) * torch.exp(-log_scale)
        joint = torch.log_softmax(logits, -1) + pool(-0.5 * t * t - log_scale - LOG_SQRT_2PI)
        total = torch.logsumexp(joint, dim=-1, keepdim=True)
        share = torch.exp(joint - total)
        mass = share.sum(0) + 1e-10
        mean = (share * values).sum(0) / mass
        scale = ((share * (values - mean).square()).sum(0) / mass).sqrt()
        log_scale = torch.log(torch.maximum(scale, floor))
        logits = torch.log(mass / n)
        current = float(total.mean())
        if current - previous < tolerance * max(1.0, abs(current)) and previous > -math.inf:
            break
        previous = current
    return logits, mean, log_scale
