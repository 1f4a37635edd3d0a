"""Distributions of the observed embeddings given their inputs, ``q(z_O | x_O)``: draws, divergence from the prior.

Embeddings are side by side here: ``mean`` and ``log_scale`` are ``(B, d, M)``, as the scores of a paired copula.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from sklar.copulas import GaussianCopula, IndependenceCopula
from sklar.copulas.elliptical import multiply, observed_part, observed_whitening
from sklar.copulas.patterns import Patterns
from sklar.copulas.whitening import invert
from sklar.joint import Joint, JointMixture

LEAST_VARIANCE = 1e-5  # of evidence, in scores: with less, float32 could not tell evidence apart from the prior
HALF_LOG_2PIE = 0.5 * (math.log(2 * math.pi) + 1)


def is_normal(joint: Joint | JointMixture) -> bool:
    """Whether a joint inside a model is a multivariate normal distribution, so that divergences are closed forms."""
    return (
        isinstance(joint, Joint)
        and isinstance(joint.copula, GaussianCopula | IndependenceCopula)
        and joint.marginals.normal
    )


def correlation_of(joint: Joint) -> Tensor:
    """Correlation of the scores of a normal joint, ``(*batch, n, n)``."""
    if isinstance(joint.copula, GaussianCopula):
        return joint.copula.correlation()
    return torch.eye(joint.copula.dim).to(joint.anchor).expand(*joint.copula.batch_shape, -1, -1)


def location_of(joint: Joint) -> tuple[Tensor, Tensor]:
    """Means and log standard deviations of normal marginals of equal width, ``(d, M)`` each."""
    mean, log_scale = (value.unflatten(0, (len(joint.widths), -1)).mT for value in joint.marginals.coordinates())
    return mean, log_scale


class MeanField(nn.Module):
    """``q = prod_{m in O} N(z_m; mean_m, diag(sigma_m^2))``: what one encoder says is not told to the others.

    Args:
        count: number of modalities ``M``.
        dim: width ``d`` of an embedding.
        joint: the prior.

    Attributes:
        whole: whether a draw holds the missing embeddings too.
        normals: how many standard normals make a draw.
    """

    whole: ClassVar[bool] = False

    def __init__(self, count: int, dim: int, joint: Joint | JointMixture) -> None:
        super().__init__()
        self.normals = (dim, count)

    def draw(
        self, mean: Tensor, log_scale: Tensor, observed: Tensor, noise: Tensor, joint: Joint | JointMixture
    ) -> Tensor:
        """Reparameterised draws, ``(S, B, d, M)``; anything stands where a modality is missing, unless `whole`.

        Args:
            mean: what the encoders say, ``(B, d, M)``.
            log_scale: how sure they are, log standard deviations ``(B, d, M)``.
            observed: bool ``(B, M)``.
            noise: standard normals ``(S, B or 1, *normals)``.
            joint: the prior.
        """
        return mean + torch.exp(log_scale) * self._tied(noise)

    def kl(
        self, mean: Tensor, log_scale: Tensor, observed: Tensor, draw: Tensor, joint: Joint | JointMixture
    ) -> Tensor:
        """``KL(q(z_O | x_O) || p(z_O))`` in nats, ``(B,)``.

        A closed form where the prior is a normal distribution that pairs coordinates; otherwise an unbiased estimate
        ``-H(q) - log p(z_O)`` from one draw.

        Args:
            mean: see `draw`.
            log_scale: see `draw`.
            observed: see `draw`.
            draw: from `draw`, ``(B, d, M)``.
            joint: the prior.
        """
        cells = observed.unsqueeze(-2)
        entropy = torch.where(cells, log_scale + HALF_LOG_2PIE, 0.0).sum((-2, -1)) + self._log_det(cells)
        if not (is_normal(joint) and joint.coupling == "paired"):
            return -entropy - joint.log_prob(dict(zip(joint.names, draw.unbind(-1), strict=True)), observed)
        place, log_spread = location_of(joint)  # type: ignore[arg-type]
        gap = torch.where(cells, (mean - place) * torch.exp(-log_spread), 0.0)
        scale = torch.where(cells, torch.exp(log_scale - log_spread), 0.0)
        patterns = Patterns(cells, 2)
        inverse, log_det = observed_whitening(correlation_of(joint), patterns.masks)  # type: ignore[arg-type]
        square = patterns.apply(inverse, gap).square() + self._spread(inverse, scale, patterns)
        cross = 0.5 * square + torch.where(cells, log_spread + 0.5 * math.log(2 * math.pi), 0.0)
        return (cross.sum(-1) + patterns.spread(log_det)).sum(-1) - entropy

    # What ties the modalities: nothing here.

    def _tied(self, noise: Tensor) -> Tensor:
        """The noise with the posterior's dependence."""
        return noise

    def _log_det(self, cells: Tensor) -> Tensor | float:
        """Half the log determinant of the noise's correlation, ``(B,)``."""
        return 0.0

    def _spread(self, inverse: Tensor, scale: Tensor, patterns: Patterns) -> Tensor:
        """Summed over the last axis, ``tr(R_OO^-1 D C_OO D)``, ``D = diag(scale)``; ``(B, d, M)``."""
        return patterns.spread(inverse.square().sum(-2)) * scale.square()


class Tied(MeanField):
    """Normal marginals ``N(mean_m, sigma_m^2)``, tied coordinate by coordinate by a Gaussian copula of their own.

    Its correlation is learned, the same for every row, and independent of the prior's; it starts at zero, where the
    posterior is the mean-field one.

    Args:
        count: number of modalities ``M``.
        dim: width ``d`` of an embedding.
        joint: the prior.
    """

    def __init__(self, count: int, dim: int, joint: Joint | JointMixture) -> None:
        super().__init__(count, dim, joint)
        self.copula = GaussianCopula(count, (dim,))

    def _tied(self, noise: Tensor) -> Tensor:
        return multiply(self.copula.cholesky(), noise)

    def _log_det(self, cells: Tensor) -> Tensor:
        patterns = Patterns(cells, 2)
        return patterns.spread(observed_whitening(self.copula.correlation(), patterns.masks)[1].sum(-1))

    def _spread(self, inverse: Tensor, scale: Tensor, patterns: Patterns) -> Tensor:
        return scale * patterns.apply(inverse.mT @ inverse * self.copula.correlation(), scale)


class Structured(MeanField):
    """The encoders' outputs as evidence: ``q(z | x_O) ~ p(z) prod_{m in O} N(mean_m; z_m, sigma_m^2)``.

    The observed embeddings are denoised by each other, and the missing ones follow from the prior. With correlations
    one it is the product of experts of MVAE (Wu & Goodman, NeurIPS 2018, arXiv 1802.05335, without its experts' prior
    terms), with correlations zero separate autoencoders. In scores, with correlation ``R`` and evidence ``a`` of
    variance ``v``: ``S = R_OO + diag(v)``, draws ``w + R_:O S^-1 (a - w_O - e_O)`` with ``w ~ N(0, R)`` and
    ``e ~ N(0, v)`` (Matheron's rule), and the divergence is the mean of ``log N(a; w_O, v)`` minus ``log N(a; 0, S)``.

    Args:
        count: number of modalities ``M``.
        dim: width ``d`` of an embedding.
        joint: the prior.

    Raises:
        ValueError: the prior is not a multivariate normal distribution.
    """

    whole = True

    def __init__(self, count: int, dim: int, joint: Joint | JointMixture) -> None:
        super().__init__(count, dim, joint)
        if not is_normal(joint):
            raise ValueError(
                'posterior="structured" needs a normal prior: copula="gaussian" or "independence", marginal="normal" '
                "and root=1"
            )
        self.normals = (2 * dim, count)

    def draw(
        self, mean: Tensor, log_scale: Tensor, observed: Tensor, noise: Tensor, joint: Joint | JointMixture
    ) -> Tensor:
        """See `MeanField.draw`; missing embeddings are drawn too."""
        assert isinstance(joint, Joint)
        place, log_spread = location_of(joint)
        evidence, variance, cells = self._evidence(mean, log_scale, observed, joint)
        first, second = noise.chunk(2, -2)
        correlation = correlation_of(joint)
        free = self._in(joint, first)
        if isinstance(joint.copula, GaussianCopula):
            free = multiply(joint.copula.cholesky(), free)
        gap = torch.where(cells, evidence - free - variance.sqrt() * self._in(joint, second), 0.0)
        inverse, _ = invert(self._covariance(correlation, variance, cells))
        solved = torch.where(cells, _apply(inverse, gap), 0.0)
        return place + torch.exp(log_spread) * self._out(joint, free + multiply(correlation, solved))

    def kl(
        self, mean: Tensor, log_scale: Tensor, observed: Tensor, draw: Tensor, joint: Joint | JointMixture
    ) -> Tensor:
        """See `MeanField.kl`; always the closed form."""
        assert isinstance(joint, Joint)
        evidence, variance, cells = self._evidence(mean, log_scale, observed, joint)
        inverse, log_det = invert(self._covariance(correlation_of(joint), variance, cells))
        solved = _apply(inverse, evidence)
        # Residuals v S^-1 a and variances 1 - v (S^-1)_ii of the posterior, divided by the evidence's variance.
        residual = variance * solved.square()
        doubt = 1 - variance * inverse.diagonal(dim1=-2, dim2=-1)
        each = evidence * solved - torch.where(cells, residual + doubt + torch.log(variance), 0.0)
        return (0.5 * each.sum(-1) + log_det).reshape(len(mean), -1).sum(-1)

    def _evidence(
        self, mean: Tensor, log_scale: Tensor, observed: Tensor, joint: Joint
    ) -> tuple[Tensor, Tensor, Tensor]:
        """In scores and the copula's layout: evidence, zero where there is none, its variance, and where it is."""
        place, log_spread = location_of(joint)
        cells = self._in(joint, observed.unsqueeze(-2).expand_as(mean))
        evidence = self._in(joint, (mean - place) * torch.exp(-log_spread))
        variance = self._in(joint, torch.exp(2 * (log_scale - log_spread)).clamp(min=LEAST_VARIANCE))
        return torch.where(cells, evidence, 0.0), torch.where(cells, variance, 1.0), cells

    @staticmethod
    def _covariance(correlation: Tensor, variance: Tensor, cells: Tensor) -> Tensor:
        """``S``, padded with the identity: ``(B, *batch, n, n)``."""
        return observed_part(correlation, cells) + torch.diag_embed(torch.where(cells, variance, 0.0))

    @staticmethod
    def _in(joint: Joint, values: Tensor) -> Tensor:
        """``(..., d, M)`` in the layout of the joint's copula."""
        return values.mT.flatten(-2) if joint.coupling == "full" else values

    def _out(self, joint: Joint, values: Tensor) -> Tensor:
        """Inverse of `_in`."""
        return values.unflatten(-1, (len(joint.widths), -1)).mT if joint.coupling == "full" else values


def _apply(matrices: Tensor, vectors: Tensor) -> Tensor:
    """``(B, *batch, n, n)`` times ``(S, B, *batch, n)`` or ``(B, *batch, n)``."""
    if vectors.ndim < matrices.ndim:
        return (matrices @ vectors.unsqueeze(-1)).squeeze(-1)
    return (matrices @ vectors.movedim(0, -1)).movedim(-1, 0)


POSTERIORS: dict[str, Callable[[int, int, Joint | JointMixture], MeanField]] = {
    "independent": MeanField,
    "copula": Tied,
    "structured": Structured,
}
