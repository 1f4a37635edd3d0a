"""Mixtures of normals of rows that lack cells, many patterns at once, and each cell's distribution given the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from sklar.copulas import GaussianCopula
from sklar.copulas.patterns import Patterns
from sklar.joint import Joint, JointMixture
from sklar.joint.clusters import k_means
from sklar.numerics import LOG_SQRT_2PI, log_normal

AT_ONCE = 2**23  # numbers of the matrices held at a time
LEAST_VARIANCE = 1e-6  # of a column given the others, in units of its own variance


class Normals(NamedTuple):
    """A mixture of ``K`` normals in ``D`` columns.

    Attributes:
        log_weights: ``(K,)``.
        mean: ``(K, D)``.
        covariance: ``(K, D, D)``, positive definite.
    """

    log_weights: Tensor
    mean: Tensor
    covariance: Tensor

    def joint(self, names: Sequence[str]) -> JointMixture:
        """The same distribution as a mixture of joints with normal marginals, each column a modality."""
        joints = []
        for mean, covariance in zip(self.mean, self.covariance, strict=True):
            joint = Joint(dict.fromkeys(names, 1), "independent", "gaussian", "full", components=1).double()
            spread = covariance.diagonal().sqrt()
            for alignment, shift, scale in zip(joint.alignments, mean, spread, strict=True):
                alignment.assign(shift[None], 1 / scale[None, None])  # type: ignore[operator]
            assert isinstance(joint.copula, GaussianCopula)
            joint.copula.set_correlation(covariance / (spread[:, None] * spread))
            joints.append(joint)
        return JointMixture(joints, self.log_weights.exp()).requires_grad_(False)


class Cells(NamedTuple):
    """Distributions of ``N`` cells, each a one-dimensional mixture of ``K`` normals.

    Attributes:
        row: of each cell, ``(N,)``.
        column: of each cell, ``(N,)``.
        log_weights: ``(N, K)``.
        mean: ``(N, K)``.
        log_scale: ``(N, K)``.
    """

    row: Tensor
    column: Tensor
    log_weights: Tensor
    mean: Tensor
    log_scale: Tensor


class _Given(NamedTuple):
    """What one component says of the rows.

    Attributes:
        precision: inverse covariances of what each pattern shows, padded with zeros, ``(P, D, D)``.
        gap: deviations from the mean, zero where nothing is shown, ``(n, D)``.
        solved: precision times gap, ``(n, D)``.
        log_density: of what each row shows, ``(n,)``.
    """

    precision: Tensor
    gap: Tensor
    solved: Tensor
    log_density: Tensor


def _given(x: Tensor, mask: Tensor, patterns: Patterns, mean: Tensor, covariance: Tensor) -> _Given:
    pair = patterns.masks.unsqueeze(-1) & patterns.masks.unsqueeze(-2)
    shown = torch.where(pair, covariance, torch.eye(len(mean), dtype=x.dtype))
    factor = torch.linalg.cholesky(shown)
    precision = torch.where(pair, torch.cholesky_inverse(factor), 0.0)
    gap = torch.where(mask, x - mean, 0.0)
    solved = patterns.apply(precision, gap)
    log_det = factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    density = -0.5 * (gap * solved).sum(-1) - log_det[patterns.index] - mask.sum(-1) * LOG_SQRT_2PI
    return _Given(precision, gap, solved, density)


def _pieces(mask: Tensor) -> list[Tensor]:
    """Rows few enough for their matrices to fit, rows of one pattern beside each other."""
    rows = Patterns(mask, 1).index.argsort(stable=True)
    return list(rows.split(max(1, AT_ONCE // mask.shape[1] ** 2)))


def fit_normals(
    x: Tensor,
    mask: Tensor,
    components: int,
    prior: float,
    generator: torch.Generator,
    shrinkage: float = 0.5,
    steps: int = 50,
    tolerance: float = 1e-2,
) -> Normals:
    """Expectation-maximisation (Dempster, Laird & Rubin 1977), missing cells in closed form.

    A component's covariance is shrunk towards the pooled one within components, as in regularised discriminant analysis
    (Friedman 1989), and that towards its diagonal, as if ``prior`` rows of independent columns had been seen too.

    Args:
        x: rows ``(n, D)`` in units of each column's standard deviation; anything where nothing is shown.
        mask: bool ``(n, D)``.
        components: ``K``, at most the number of rows. More than one start from k-means on rows that one has completed.
        prior: prior rows, positive.
        generator: of the k-means starts.
        shrinkage: of a component's covariance, in (0, 1].
        steps: at most.
        tolerance: largest change of a mean or a covariance at which to stop.
    """
    width = x.shape[1]
    x = torch.where(mask, x, 0.0)
    eye = torch.eye(width, dtype=x.dtype)
    share = torch.ones(len(x), 1, dtype=x.dtype)
    current = Normals(torch.zeros(1, dtype=x.dtype), torch.zeros(1, width, dtype=x.dtype), eye[None])
    if components > 1:
        whole = fit_normals(x, mask, 1, prior, generator, shrinkage, steps, tolerance)
        label = k_means(_completed(whole, x, mask), components, generator)
        share = torch.nn.functional.one_hot(label).to(x.dtype)
        count = share.sum(0)
        mean = share.T @ _completed(whole, x, mask) / count[:, None]
        between = ((mean - whole.mean).mT * (count / len(x))) @ (mean - whole.mean)
        spread, vectors = torch.linalg.eigh(whole.covariance[0] - between)
        within = (vectors * spread.clamp(min=0.05 * float(spread.mean()))) @ vectors.mT
        current = Normals(torch.log(count / len(x)), mean, within.expand(len(count), -1, -1).clone())
    pieces = [(rows, Patterns(mask[rows], 1)) for rows in _pieces(mask)]
    for _ in range(steps):
        updated = _step(x, mask, pieces, current, prior, shrinkage)
        change = max(float((new - old).abs().max()) for new, old in zip(updated[1:], current[1:], strict=True))
        current = updated
        if change < tolerance:
            break
    return current


def _completed(normals: Normals, x: Tensor, mask: Tensor) -> Tensor:
    """Rows with their missing cells at their means under the only component."""
    whole = x.clone()
    for rows in _pieces(mask):
        given = _given(x[rows], mask[rows], Patterns(mask[rows], 1), normals.mean[0], normals.covariance[0])
        filled = normals.mean[0] + given.solved @ normals.covariance[0]
        whole[rows] = torch.where(mask[rows], x[rows], filled)
    return whole


def _step(
    x: Tensor,
    mask: Tensor,
    pieces: list[tuple[Tensor, Patterns]],
    current: Normals,
    prior: float,
    shrinkage: float,
) -> Normals:
    """One step of expectation-maximisation."""
    mass = torch.zeros_like(current.log_weights)
    first, second = torch.zeros_like(current.mean), torch.zeros_like(current.covariance)
    for rows, patterns in pieces:
        each = [_given(x[rows], mask[rows], patterns, *pair) for pair in zip(*current[1:], strict=True)]
        log_share = current.log_weights + torch.stack([given.log_density for given in each], -1)
        share = torch.softmax(log_share, -1)
        mass = mass + share.sum(0)
        for k, (given, covariance) in enumerate(zip(each, current.covariance, strict=True)):
            weight = torch.zeros(len(patterns.masks), dtype=x.dtype).index_add(0, patterns.index, share[:, k])
            known = torch.einsum("p,pij->ij", weight, given.precision)
            gap = torch.where(mask[rows], given.gap, given.solved @ covariance)
            first[k] += share[:, k] @ gap
            second[k] += (gap.T * share[:, k]) @ gap + weight.sum() * covariance - covariance @ known @ covariance
    mass = mass.clamp(min=1e-10)
    step = first / mass[:, None]
    own = second - mass[:, None, None] * step[:, :, None] * step[:, None, :]
    pooled = own.sum(0) / len(x)
    scale = pooled.diagonal().clamp(min=LEAST_VARIANCE)
    pooled = (len(x) * pooled + prior * torch.diag(scale)) / (len(x) + prior)
    if len(mass) > 1:
        own = (own + pooled) / (mass + 1)[:, None, None]
        covariance = (1 - shrinkage) * own + shrinkage * pooled
    else:
        covariance = pooled[None]
    covariance = 0.5 * (covariance + covariance.mT) + LEAST_VARIANCE * torch.eye(x.shape[1], dtype=x.dtype)
    return Normals(torch.log(mass / mass.sum()), current.mean + step, covariance)


def missing_cells(normals: Normals, x: Tensor, mask: Tensor) -> Cells:
    """Each missing cell's distribution given what its row shows (its marginal where the row shows nothing)."""
    found = []
    for rows in _pieces(mask):
        patterns, shown = Patterns(mask[rows], 1), mask[rows]
        row, column = (~shown).nonzero(as_tuple=True)
        weight, mean, log_scale = [], [], []
        for k, covariance in enumerate(normals.covariance):
            given = _given(x[rows], shown, patterns, normals.mean[k], covariance)
            explained = torch.einsum("ij,pjk,ki->pi", covariance, given.precision, covariance)
            variance = (covariance.diagonal() - explained).clamp(min=0.5 * LEAST_VARIANCE)
            weight.append(normals.log_weights[k] + given.log_density[row])
            mean.append((normals.mean[k] + given.solved @ covariance)[row, column])
            log_scale.append(0.5 * variance.log()[patterns.index[row], column])
        log_weights = torch.log_softmax(torch.stack(weight, -1), -1)
        found.append(Cells(rows[row], column, log_weights, torch.stack(mean, -1), torch.stack(log_scale, -1)))
    return _together(found)


def left_out_cells(normals: Normals, x: Tensor, mask: Tensor, groups: Sequence[Sequence[int]]) -> Cells:
    """Each observed cell's distribution given what its row shows outside the cell's group, in closed form.

    With ``K`` the precision of what is shown, a group given the rest has covariance ``(K_GG)^-1`` and lies
    ``(K_GG)^-1 (K gap)_G`` away from its mean given the rest.
    """
    found = []
    for rows in _pieces(mask):
        patterns, shown = Patterns(mask[rows], 1), mask[rows]
        each = [_given(x[rows], shown, patterns, *pair) for pair in zip(*normals[1:], strict=True)]
        for group in groups:
            place = torch.as_tensor(group)
            inside = shown[:, place]
            row, column = inside.nonzero(as_tuple=True)
            weight, mean, log_scale = [], [], []
            for k, given in enumerate(each):
                block = given.precision[:, place[:, None], place]
                lacking = torch.diag_embed((~patterns.masks[:, place]).to(x.dtype))
                factor = torch.linalg.cholesky(block + lacking)
                inverse = torch.cholesky_inverse(factor)
                away = torch.einsum("nij,nj->ni", inverse[patterns.index], given.solved[:, place])
                log_det = -2 * factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)[patterns.index]
                quadratic = (away * given.solved[:, place]).sum(-1)
                own = -0.5 * (quadratic + log_det) - inside.sum(-1) * LOG_SQRT_2PI
                weight.append((normals.log_weights[k] + given.log_density - own)[row])
                mean.append((x[rows][:, place] - away)[row, column])
                variance = inverse.diagonal(dim1=-2, dim2=-1)[patterns.index]
                log_scale.append(0.5 * variance[row, column].log())
            log_weights = torch.log_softmax(torch.stack(weight, -1), -1)
            cells = Cells(rows[row], place[column], log_weights, torch.stack(mean, -1), torch.stack(log_scale, -1))
            found.append(cells)
    return _together(found)


def log_density(cells: Cells, value: Tensor) -> Tensor:
    """Log density of a value ``(N,)`` in each cell, nats."""
    t = (value[:, None] - cells.mean) * torch.exp(-cells.log_scale)
    return torch.logsumexp(cells.log_weights + log_normal(t) - cells.log_scale, -1)


def _together(found: list[Cells]) -> Cells:
    if not found:
        return Cells(*[torch.zeros(0, dtype=torch.long)] * 2, *[torch.zeros(0, 1, dtype=torch.float64)] * 3)
    return Cells(*(torch.cat(parts) for parts in zip(*found, strict=True)))
