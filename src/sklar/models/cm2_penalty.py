"""What the released code of CM2 adds to the loss in place of a negative log joint density."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations

import torch
from torch import Tensor, nn

from sklar.copulas.pair import FAMILIES
from sklar.numerics import log_ndtr, log_normal

EDGE = 1e-6  # values of the batch-dependent map are kept this far from 0 and 1


class ReleasedPenalty(nn.Module):
    """``-(log "c"(u_1, ..., u_M; theta) + sum_m log f_m(z_m))``, where ``"c"`` is no copula density. An exhibit.

    ``f_m`` is an equal mixture of diagonal normals whose components start identical, hence stay so but for rounding.
    ``u_m`` is its distribution function at the whole vector, for one component the product of the ``d`` normal ones:
    far from uniform, about ``e^-d``. ``"c"`` is, by family,

    - ``gumbel``: the copula's distribution function, ``exp(-(sum_m (-log u_m)^theta)^(1/theta))``. Its integral over
      the unit square is far below one (0.31 at theta 2). It rises in ``theta`` wherever it is looked at, so that theta
      grows without limit on any data;
    - ``frank`` and ``gaussian``: the density at ``v = |log u - its mean over the batch|``, divided by the batch's
      largest. We know of the code's map that it is symmetric and depends on the batch; this is the plainest such map.
      It loses the sign of dependence. Gaussian's correlation is ``tanh theta``. More than two modalities: the sum over
      all pairs.

    Clayton's function returns nothing in the released code and is refused here.

    Args:
        modalities: number of modalities ``M``.
        dim: width ``d`` of an embedding.
        family: ``"gumbel"``, ``"frank"`` or ``"gaussian"``.
        components: components ``K`` of each mixture.

    Raises:
        ValueError: another family; no component.

    References:
        Wu et al., "Cross-Modal Alignment via Variational Copula Modelling", ICML 2025, arXiv 2511.03196: its code.
    """

    def __init__(self, modalities: int, dim: int, family: str = "gumbel", components: int = 3) -> None:
        super().__init__()
        if family not in COPULA_TERMS:
            raise ValueError(
                f"the released code has no working family {family!r}; choose one of {list(COPULA_TERMS)}, or "
                'CM2(arm="published")'
            )
        if components < 1:
            raise ValueError(f"a mixture needs at least one component, got components={components}")
        self.family = family
        self.mean = nn.Parameter(torch.zeros(modalities, components, dim))
        self.log_scale = nn.Parameter(torch.zeros(modalities, components, dim))
        self.theta = nn.Parameter(torch.ones(()))

    def impute(self, noise: Tensor) -> Tensor:
        """An average of draws of all components, not a draw of one: ``(B, M, K, d) -> (B, M, d)``."""
        return (self.mean + torch.exp(self.log_scale) * noise).mean(-2)

    def log_u(self, z: Tensor) -> Tensor:
        """Log of the mixtures' distribution functions at whole vectors: ``(B, M, d) -> (B, M)``."""
        return self._mixed(log_ndtr(self._standard(z)))

    def log_density(self, z: Tensor) -> Tensor:
        """Log densities of the mixtures in nats: ``(B, M, d) -> (B, M)``."""
        return self._mixed(log_normal(self._standard(z)) - self.log_scale)

    def forward(self, z: Tensor) -> Tensor:
        """The penalty of each row, ``(B, M, d) -> (B,)``; for Frank and Gaussian it depends on the other rows."""
        copula = COPULA_TERMS[self.family](self.log_u(z), self.theta)
        return -(copula + self.log_density(z).sum(-1))

    def _standard(self, z: Tensor) -> Tensor:
        return (z.unsqueeze(-2) - self.mean) * torch.exp(-self.log_scale)

    def _mixed(self, each: Tensor) -> Tensor:
        return torch.logsumexp(each.sum(-1), -1) - math.log(each.shape[-2])


def gumbel(log_u: Tensor, theta: Tensor) -> Tensor:
    """Log of Gumbel's distribution function where its density should be, ``(B, M) -> (B,)``."""
    minus = -log_u
    log_t = torch.log(minus.clamp(min=torch.finfo(minus.dtype).tiny))
    return -torch.exp(torch.logsumexp(theta * log_t, -1) / theta)


def frank(log_u: Tensor, theta: Tensor) -> Tensor:
    """Frank's log density at `folded` values, ``(B, M) -> (B,)``."""
    return _over_pairs(folded(log_u), "frank", theta)


def gaussian(log_u: Tensor, theta: Tensor) -> Tensor:
    """The Gaussian log density at `folded` values, ``(B, M) -> (B,)``."""
    return _over_pairs(folded(log_u), "gaussian", torch.tanh(theta))


def folded(log_u: Tensor) -> Tensor:
    """The symmetric, batch-dependent map of the released code into the unit interval, ``(B, M) -> (B, M)``."""
    gap = (log_u - log_u.mean(0)).abs()
    return (gap / gap.amax(0).clamp(min=EDGE)).clamp(EDGE, 1 - EDGE)


def _over_pairs(v: Tensor, family: str, parameter: Tensor) -> Tensor:
    kind, scores = FAMILIES[family], torch.special.ndtri(v)
    parameters = (parameter, *kind.derived((parameter,)))
    total = torch.zeros_like(v[:, 0])
    for i, j in combinations(range(v.shape[1]), 2):
        total = total + kind.log_prob(scores[:, i], scores[:, j], parameters)
    return total


COPULA_TERMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"gumbel": gumbel, "frank": frank, "gaussian": gaussian}
