"""One-dimensional Gaussian mixtures: density, score and quantile, elementwise over any batch of mixtures.

The last axis of ``log_weights``, ``mean`` and ``log_scale`` runs over the K components; all broadcast against
``z[..., None]``. Both marginals are built from these three functions: `IndependentMixtures` has one mixture a
coordinate, and the conditionals of `GaussianMixture` are one-dimensional mixtures whose weights depend on the earlier
coordinates.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sklar.numerics import find_root, inverse_mills, log_ndtr, log_ndtri, log_normal


def mixture_log_prob(z: Tensor, log_weights: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Log density of a mixture at ``z``, in nats, shape of ``z``."""
    t = (z.unsqueeze(-1) - mean) * torch.exp(-log_scale)
    return torch.logsumexp(log_weights + log_normal(t) - log_scale, dim=-1)


def mixture_score(z: Tensor, log_weights: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Score ``ndtri(F(z))`` of a mixture's distribution function, shape of ``z``, without forming ``F``."""
    t = (z.unsqueeze(-1) - mean) * torch.exp(-log_scale)
    if t.shape[-1] == 1:
        return t.squeeze(-1)
    with torch.no_grad():
        lower = (torch.exp(log_weights) * torch.special.ndtr(t)).sum(-1) <= 0.5
        side = torch.where(lower, 1.0, -1.0).to(t.dtype)
    # Only the smaller of F and 1 - F is formed, and that in logs.
    log_tail = torch.logsumexp(log_weights + log_ndtr(side.unsqueeze(-1) * t), dim=-1)
    return side * log_ndtri(log_tail)


def mixture_quantile(w: Tensor, log_weights: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """The ``z`` with ``mixture_score(z) = w``, with gradients in ``w`` and in the mixture's parameters.

    A mixture's distribution function lies between those of its components, so its quantile lies between their
    quantiles: that is the bracket. The gradient is the implicit function's, ``dz/dw = phi(w) / f(z)`` and
    ``dz/dtheta = -(d score / d theta) phi(w) / f(z)``; first derivatives only.
    """
    if mean.shape[-1] == 1:
        return (mean + torch.exp(log_scale) * w.unsqueeze(-1)).squeeze(-1)
    with torch.no_grad():
        quantiles = mean + torch.exp(log_scale) * w.unsqueeze(-1)
        # The equation is solved as log F = log Phi(w), or for the survival function, whichever is smaller, and scaled
        # so that a residual reads in scores: the same root, without a normal quantile in every step.
        side = torch.where(w <= 0, 1.0, -1.0).to(w.dtype)
        target, unit = log_ndtr(-w.abs()), inverse_mills(-w.abs())

        def residual(z: Tensor) -> tuple[Tensor, Tensor]:
            t = (z.unsqueeze(-1) - mean) * torch.exp(-log_scale)
            log_tail = torch.logsumexp(log_weights + log_ndtr(side.unsqueeze(-1) * t), dim=-1)
            log_density = torch.logsumexp(log_weights + log_normal(t) - log_scale, dim=-1)
            return side * (log_tail - target) / unit, torch.exp(log_density - log_tail) / unit

        root = find_root(
            residual,
            lower=quantiles.amin(-1),
            upper=quantiles.amax(-1),
            start=(torch.exp(log_weights) * quantiles).sum(-1),
            tolerance=2 * torch.finfo(w.dtype).eps * (1 + w.abs()),
        )
    parameters = (w, log_weights, mean, log_scale)
    if not (torch.is_grad_enabled() and any(p.requires_grad for p in parameters)):
        return root
    score = mixture_score(root, log_weights, mean, log_scale)
    with torch.no_grad():
        log_slope = mixture_log_prob(root, log_weights, mean, log_scale) - log_normal(score)
        # Between far components the density underflows; a bounded slope keeps the gradient large but finite.
        limit = 60.0 if root.dtype == torch.float32 else 600.0
        step = torch.exp(-log_slope.clamp(min=-limit))
    change = (w - score) * step
    return root + (change - change.detach())
