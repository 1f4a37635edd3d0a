"""Gaussian mixtures with full covariances of rows that lack entries: k-means starts and expectation-maximisation."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from sklar.copulas.patterns import Patterns
from sklar.marginals.em import SCALE_FLOOR, plus_plus_centers
from sklar.numerics import LOG_SQRT_2PI, shrinkage_intensity

STARTS = 4  # k-means runs, of which the tightest is taken


class Clusters(NamedTuple):
    """A mixture of ``K`` normals in ``D`` coordinates.

    Attributes:
        log_weights: ``(K,)``.
        mean: ``(K, D)``.
        covariance: ``(K, D, D)``, positive definite.
        log_likelihood: mean over the rows of the last step's log density, nats.
    """

    log_weights: Tensor
    mean: Tensor
    covariance: Tensor
    log_likelihood: float = -math.inf


class _Moments(NamedTuple):
    """What the rows say about each component: mass ``(K,)``, first ``(K, D)`` and second ``(K, D, D)`` moments."""

    mass: Tensor
    first: Tensor  # about the current means, not divided by the mass
    second: Tensor


def rows_by_pattern(mask: Tensor) -> list[tuple[Tensor, Tensor]]:
    """The distinct rows of ``mask (n, D)``: the coordinates it shows, ``(o,)``, and the rows like it, ``(r,)``."""
    patterns = Patterns(mask, 1)
    rows = patterns.index.argsort(stable=True).split(patterns.counts.tolist())
    return [(shown.nonzero().flatten(), r) for shown, r in zip(patterns.masks, rows, strict=True)]


def _log_densities(gap: Tensor, shown: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Log densities ``(r, K)`` of deviations ``(K, r, o)`` in the coordinates shown, and the factors ``(K, o, o)``."""
    factor = torch.linalg.cholesky(covariance[:, shown[:, None], shown])
    y = torch.linalg.solve_triangular(factor, gap.mT, upper=False)
    log_det = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    density = -0.5 * y.square().sum(-2) - log_det[:, None] - len(shown) * LOG_SQRT_2PI
    return density.T, factor


def normal_log_densities(gap: Tensor, mask: Tensor, covariance: Tensor) -> Tensor:
    """Log density of what each row shows under ``K`` centred normals, nats, ``(n, K)``, any number of patterns.

    Args:
        gap: deviations of the rows from each mean, ``(K, n, D)``; what is not shown never matters.
        mask: bool ``(n, D)``.
        covariance: ``(K, D, D)``.
    """
    order, parts = [], []
    for shown, rows in rows_by_pattern(mask):
        order.append(rows)
        parts.append(_log_densities(gap[:, rows[:, None], shown], shown, covariance)[0])
    return torch.cat(parts)[torch.cat(order).argsort()]


def k_means(x: Tensor, components: int, generator: torch.Generator, iterations: int = 50) -> Tensor:
    """Which of ``components`` clusters each row of ``x (n, D)`` belongs to: Lloyd's algorithm from k-means++ starts.

    Clusters that lost all their rows are left out, the others numbered from zero.
    """
    best, label = math.inf, torch.zeros(len(x), dtype=torch.long, device=x.device)
    for _ in range(STARTS):
        centers = plus_plus_centers(x, components, generator)
        previous = math.inf
        for _ in range(iterations):
            distance, nearest = torch.cdist(x, centers).min(-1)
            inertia = float(distance.square().sum())
            share = torch.nn.functional.one_hot(nearest, components).to(x.dtype)
            count, total = share.sum(0)[:, None], share.T @ x
            centers = torch.where(count > 0, total / count.clamp(min=1), centers)
            if inertia >= previous * (1 - 1e-6):
                break
            previous = inertia
        if inertia < best:
            best, label = inertia, nearest
    return label.unique(return_inverse=True)[1]


def fit_clusters(
    x: Tensor,
    mask: Tensor,
    label: Tensor,
    shrinkage: float,
    max_iterations: int = 100,
    tolerance: float = 1e-5,
) -> Clusters:
    """Expectation-maximisation (Dempster, Laird & Rubin 1977) from given clusters, missing entries in closed form.

    Every step shrinks a component's covariance ``S_k`` towards the pooled within-component one, ``W``:
    ``(1 - shrinkage) S_k + shrinkage W`` (regularised discriminant analysis, Friedman 1989). ``W`` itself is shrunk
    towards its diagonal by `shrinkage_intensity`, and one prior row of it is given to each component, so that all
    covariances are positive definite however few rows a component has.

    Args:
        x: rows ``(n, D)`` in units of each coordinate's standard deviation; anything finite where nothing is shown.
        mask: bool ``(n, D)``, what is shown.
        label: starting cluster of each row, ``(n,)``, from 0 to K - 1.
        shrinkage: in (0, 1].
        max_iterations: bound on the number of steps.
        tolerance: stop when the mean log-likelihood (nats a row and coordinate) changes by less than this.
    """
    components = int(label.max()) + 1
    share = torch.nn.functional.one_hot(label, components).to(x.dtype)
    seen = mask.to(x.dtype)
    count = share.T @ seen
    mean = share.T @ (x * seen) / count.clamp(min=1)
    gap = torch.where(mask, x - mean[label], 0.0)
    variance = (gap.square().sum(0) / seen.sum(0).clamp(min=1)).clamp(min=SCALE_FLOOR**2)
    intensity = float(shrinkage_intensity(gap / variance.sqrt(), mask).clamp(min=1e-6))
    covariance = torch.diag(variance).expand(components, -1, -1)
    log_weights = torch.log(share.mean(0))
    groups = rows_by_pattern(mask)
    previous = -math.inf
    for _ in range(max_iterations):
        moments, likelihood = _expect(x, groups, log_weights, mean, covariance)
        log_weights = torch.log(moments.mass.clamp(min=1e-10) / len(x))
        mean, covariance = _maximise(moments, mean, shrinkage, intensity)
        if abs(likelihood - previous) < tolerance * x.shape[1]:
            break
        previous = likelihood
    return Clusters(log_weights, mean, covariance, likelihood)


def _expect(
    x: Tensor, groups: list[tuple[Tensor, Tensor]], log_weights: Tensor, mean: Tensor, covariance: Tensor
) -> tuple[_Moments, float]:
    """Expected moments of the completed rows given what they show, and the mean log-likelihood."""
    mass, first, second = torch.zeros_like(log_weights), torch.zeros_like(mean), torch.zeros_like(covariance)
    likelihood = 0.0
    for shown, rows in groups:
        gap = x[rows[:, None], shown] - mean[:, None, shown]
        density, factor = _log_densities(gap, shown, covariance)
        total = torch.logsumexp(density + log_weights, -1, keepdim=True)
        likelihood += float(total.sum())
        share = torch.exp(density + log_weights - total).T
        if len(shown) < x.shape[1]:
            gain = torch.cholesky_solve(covariance[:, shown], factor).mT  # every coordinate on those shown
            gap = gap @ gain.mT
            rest = covariance - gain @ covariance[:, shown]
            second = second + share.sum(-1)[:, None, None] * rest
        mass = mass + share.sum(-1)
        weighted = share.unsqueeze(-1) * gap
        first = first + weighted.sum(1)
        second = second + weighted.mT @ gap
    return _Moments(mass, first, second), likelihood / len(x)


def _maximise(moments: _Moments, mean: Tensor, shrinkage: float, intensity: float) -> tuple[Tensor, Tensor]:
    """Means and shrunk covariances."""
    mass = moments.mass.clamp(min=1e-10)
    step = moments.first / mass[:, None]
    own = moments.second - mass[:, None, None] * step[:, :, None] * step[:, None, :]
    pooled = own.sum(0) / max(1.0, float(mass.sum()) - len(mass))
    scale = pooled.diagonal().clamp(min=SCALE_FLOOR**2).sqrt()
    off = ~torch.eye(len(scale), dtype=torch.bool, device=scale.device)
    pooled = torch.where(off, (1 - intensity) * pooled, torch.diag(scale.square()))
    own = (own + pooled) / (mass + 1)[:, None, None]
    covariance = (1 - shrinkage) * own + shrinkage * pooled
    return mean + step, 0.5 * (covariance + covariance.mT)
