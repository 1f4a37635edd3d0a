"""A mixture of whole joints: one discrete root shared by all modalities and coordinates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sklar.copulas import GaussianCopula
from sklar.joint.checks import check_embeddings, check_pair, check_rows_to_fit
from sklar.joint.clusters import Clusters, fit_clusters, k_means, normal_log_densities
from sklar.joint.holdout import Holdout
from sklar.joint.joint import Joint
from sklar.marginals.em import coordinate_scale
from sklar.numerics import log_normal, quasi_normal


class JointMixture(nn.Module):
    """``p(z_O) = sum_k pi_k p_k(z_O)``, each ``p_k`` a whole `Joint`: the clusters of a cohort.

    It has a joint's interface and answers every pattern: the density of a subset is the mixture of the components'
    densities of it, ``p(k | z_O)`` is Bayes' formula (`responsibilities`), and what is missing is drawn from component
    ``k`` with that probability, given what is observed.

    Args:
        joints: the components, over the same modalities with the same widths.
        weights: their probabilities, positive, ``(K,)``; default equal. Learnable through ``logits``.

    References:
        McLachlan & Peel, "Finite mixture models" (2000); with missing entries, Ghahramani & Jordan (1994).
    """

    def __init__(self, joints: Sequence[Joint], weights: Any | None = None) -> None:
        super().__init__()
        if not joints:
            raise ValueError("a mixture needs at least one joint")
        for joint in joints:
            if list(joint.widths.items()) != list(joints[0].widths.items()):
                raise ValueError(
                    f"the joints of a mixture must have the same modalities: {joints[0].widths} and {joint.widths}"
                )
        self.joints = nn.ModuleList(joints)
        self.widths = dict(joints[0].widths)
        start = torch.as_tensor([1.0] * len(joints) if weights is None else weights, dtype=torch.float64).detach()
        if tuple(start.shape) != (len(joints),) or not bool((torch.isfinite(start) & (start > 0)).all()):
            raise ValueError(f"weights must be {len(joints)} positive numbers, one a joint, got {start.tolist()}")
        self.logits = nn.Parameter(torch.log(start / start.sum()).to(joints[0].anchor))
        self.report: dict[str, float] = {}

    @property
    def names(self) -> list[str]:
        """Modality names, in the order of the mask's columns."""
        return list(self.widths)

    @property
    def anchor(self) -> Tensor:
        """A tensor with the dtype and the device of the mixture."""
        return self.logits

    @classmethod
    def fit(
        cls,
        z: Mapping[str, Any],
        observed: Any | None = None,
        components: int | Sequence[int] = (5, 10, 20),
        shrinkage: float | Sequence[float] = (0.3, 0.5, 0.7),
        holdout: float = 0.2,
        seed: int = 0,
    ) -> JointMixture:
        """Gaussian components fitted to given embeddings by expectation-maximisation from k-means starts.

        Rows may lack modalities. Each component's covariance is shrunk towards the pooled one within components, which
        keeps it positive definite with few rows. With several candidates, number of components and shrinkage are those
        with the highest held-out log density of missing parts given observed ones (random sub-patterns of the held-out
        rows; of what is observed, where no row has two modalities); then all rows are fitted. The result is frozen and
        has the dtype of the first embedding, float32 at least. ``report`` holds the candidates' scores in nats a row.

        Args:
            z: embeddings ``{name: (n, d_m)}``, numpy or torch.
            observed: bool ``(n, M)``; None means that every row is complete.
            components: numbers of components to choose from; those above the number of rows to fit are left out.
            shrinkage: intensities to choose from, each in (0, 1].
            holdout: share of the rows by which the candidates are compared.
            seed: of the starts, the held-out rows and the sub-patterns.

        Raises:
            KeyError, ValueError, TypeError: for unknown names, wrong shapes, NaN in an observed embedding, rows with
                nothing observed, a modality seen in fewer than two rows, settings out of range.
        """
        numbers = [components] if isinstance(components, int) else list(components)
        intensities = [shrinkage] if isinstance(shrinkage, float | int) else list(shrinkage)
        if not numbers or min(numbers) < 1:
            raise ValueError(f"a mixture needs at least one component, got components={components}")
        if not intensities or not all(0 < value <= 1 for value in intensities):
            raise ValueError(f"shrinkage must be above 0 and at most 1, got {shrinkage}")
        values, mask, widths, dtype = check_rows_to_fit(z, observed)
        data = _Rows(values, mask, list(widths.values()))
        generator = torch.Generator().manual_seed(seed)
        report: dict[str, float] = {}
        chosen = (numbers[0], intensities[0])
        if len(numbers) * len(intensities) > 1:
            scores = data.compare(numbers, intensities, holdout, generator)
            chosen = max(scores, key=lambda candidate: scores[candidate])
            report = {f"{number} components, shrinkage {value:g}": s for (number, value), s in scores.items()}
        elif chosen[0] > len(mask):
            raise ValueError(f"{chosen[0]} components need as many rows, got {len(mask)}")
        label = k_means(data.x, chosen[0], generator)
        mixture = cls._from_clusters(widths, data, fit_clusters(data.x, data.mask, label, chosen[1]))
        mixture.report = report
        return mixture.to(dtype).requires_grad_(False)

    @classmethod
    def _from_clusters(cls, widths: dict[str, int], data: _Rows, clusters: Clusters) -> JointMixture:
        """Each component a joint: normal marginals, a Gaussian copula, mean and scale in the alignments."""
        joints = []
        sizes = list(widths.values())
        for mean, covariance in zip(clusters.mean, clusters.covariance, strict=True):
            joint = Joint(widths, "independent", "gaussian", "full", components=1).double().to(mean.device)
            spread = covariance.diagonal().sqrt()
            shifts = (data.shift + data.scale * mean).split(sizes)
            scales = (data.scale * spread).split(sizes)
            for alignment, shift, scale in zip(joint.alignments, shifts, scales, strict=True):
                alignment.assign(shift, torch.diag(1 / scale))  # type: ignore[operator]
            joint.copula.set_correlation(covariance / (spread[:, None] * spread))  # type: ignore[operator]
            joints.append(joint)
        return cls(joints, clusters.log_weights.exp())

    def log_prob(self, z: Mapping[str, Any], observed: Any | None = None) -> Tensor:
        """Log density of what is observed, in nats: ``{name: (B, d_m)}``, ``(B, M) -> (B,)``.

        Raises:
            KeyError, ValueError, TypeError: see `check_embeddings`.
        """
        return torch.logsumexp(self._joint_log_prob(*self._check(z, observed)), -1)

    def responsibilities(self, z: Mapping[str, Any], observed: Any | None = None) -> Tensor:
        """Probability of each component given what is observed, ``p(k | z_O)``: ``(B, K)``, rows sum to one.

        Raises:
            KeyError, ValueError, TypeError: see `check_embeddings`.
        """
        return torch.softmax(self._joint_log_prob(*self._check(z, observed)), -1)

    def impute(
        self,
        z: Mapping[str, Any],
        observed: Any,
        num_samples: int = 1,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Draws of the missing embeddings given the observed ones.

        The first coordinate of a draw's noise, a standard normal, chooses the component: its distribution function is
        compared with the cumulated ``p(k | z_O)``. With the evenly spread set of `noise` the draws enumerate the
        components in proportion to their probabilities, without the scatter of independent choices.

        Args:
            z: embeddings ``{name: (B, d_m)}``; what stands in a missing row never matters.
            observed: bool ``(B, M)``.
            num_samples: number of draws ``S``.
            generator: source of the randomness.
            noise: instead of ``generator``: standard normals that broadcast to ``(S, B, 1 + E)``, as from `noise`.

        Returns:
            ``{name: (S, B, d_m)}``, observed embeddings repeated bit for bit. Gradients reach the chosen components'
            parameters and the observed embeddings, not the choice.

        Raises:
            KeyError, ValueError, TypeError: see `check_embeddings`.
        """
        values, mask = self._check(z, observed)
        if noise is None:
            shape = (num_samples, len(mask), 1 + self._coordinates)
            noise = torch.randn(shape, generator=generator, dtype=self.anchor.dtype, device=self.anchor.device)
        noise = noise.expand(len(noise), len(mask), -1)
        with torch.no_grad():
            probability = torch.softmax(self._joint_log_prob(values, mask).double(), -1)
            place = torch.special.ndtr(noise[..., 0].double()) * probability.sum(-1)
            choice = (place.unsqueeze(-1) > probability.cumsum(-1)[:, :-1]).sum(-1)
        order, parts = [], []
        for k, joint in enumerate(self._components()):
            draw, row = (choice == k).nonzero(as_tuple=True)
            if not len(row):
                continue
            drawn = joint.impute(
                {name: value[row] for name, value in zip(self.names, values, strict=True)}, mask[row],
                noise=self._part(joint, noise[draw, row]).unsqueeze(0),
            )  # fmt: skip
            order.append(draw * len(mask) + row)
            parts.append([value[0] for value in drawn.values()])
        back = torch.cat(order).argsort()
        return {
            name: torch.cat(pieces)[back].unflatten(0, (len(noise), len(mask)))
            for name, pieces in zip(self.names, zip(*parts, strict=True), strict=True)
        }

    def rsample(self, num_samples: int, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Draws of all embeddings, ``{name: (S, d_m)}``; reparameterised but for the choice of the component."""
        probability = torch.softmax(self.logits.detach().double(), -1)
        choice = torch.multinomial(probability, num_samples, replacement=True, generator=generator)
        order, parts = [], []
        for k, joint in enumerate(self._components()):
            rows = (choice == k).nonzero().flatten()
            if len(rows):
                order.append(rows)
                parts.append(list(joint.rsample(len(rows), generator).values()))
        place = torch.cat(order).argsort()
        return {n: torch.cat(pieces)[place] for n, pieces in zip(self.names, zip(*parts, strict=True), strict=True)}

    def noise(self, num_samples: int, seed: int = 0) -> Tensor:
        """A fixed quasi-random set for `impute`, ``(S, 1, 1 + E)``: the same draws for every row of any batch.

        The first coordinate chooses the component, the others are that component's own noise, flat.
        """
        points = quasi_normal(num_samples, (1, 1 + self._coordinates), seed, self.anchor.dtype)
        return points.to(self.anchor.device)

    def match(self, z: Mapping[str, Any], i: str, j: str, pairwise: bool = False) -> Tensor:
        """How much better two embeddings fit together than apart, ``log p(z_i, z_j) - log p(z_i) - log p(z_j)``, nats.

        Args:
            z: embeddings, at least of ``i`` and ``j``.
            i: a modality.
            j: another modality.
            pairwise: compare every row of ``i`` with every row of ``j``.

        Returns:
            ``(B,)``, or ``(B_i, B_j)`` with rows of ``i`` first when ``pairwise``.

        Raises:
            KeyError: an unknown modality. ValueError: twice the same one.
        """
        check_pair(z, self.widths, i, j)
        first, second = self._alone(z, i), self._alone(z, j)
        together: Tensor | None = None
        for k, joint in enumerate(self._components()):
            own, other = first[:, k], second[:, k] - torch.log_softmax(self.logits, -1)[k]
            both = joint.match(z, i, j, pairwise) + (own[:, None] + other if pairwise else own + other)
            together = both if together is None else torch.logaddexp(together, both)
        own, other = torch.logsumexp(first, -1), torch.logsumexp(second, -1)
        return together - (own[:, None] + other if pairwise else own + other)  # type: ignore[operator]

    def _alone(self, z: Mapping[str, Any], name: str) -> Tensor:
        """``log pi_k + log p_k`` of one modality, ``(B, K)``."""
        mask = torch.zeros(len(z[name]), len(self.names), dtype=torch.bool, device=self.anchor.device)
        mask[:, self.names.index(name)] = True
        return self._joint_log_prob(*self._check({name: z[name]}, mask))

    def _components(self) -> list[Joint]:
        return list(self.joints)  # type: ignore[arg-type]

    @property
    def _coordinates(self) -> int:
        """Length ``E`` of the longest component's noise."""
        return max(math.prod(joint.copula.event_shape) for joint in self._components())

    @staticmethod
    def _part(joint: Joint, noise: Tensor) -> Tensor:
        """A component's own noise, ``(N, 1 + E) -> (N, *event)``."""
        shape = joint.copula.event_shape
        return noise[:, 1 : 1 + math.prod(shape)].unflatten(-1, shape)

    def _check(self, z: Mapping[str, Any], observed: Any | None) -> tuple[list[Tensor], Tensor]:
        return check_embeddings(z, observed, self.widths, self.anchor.dtype, self.anchor.device)

    def _joint_log_prob(self, values: list[Tensor], mask: Tensor) -> Tensor:
        """``log pi_k + log p_k(z_O)``, ``(B, K)``. Gaussian copulas over all scores are evaluated together."""
        joints, weights = self._components(), torch.log_softmax(self.logits, -1)
        if all(joint.coupling == "full" and isinstance(joint.copula, GaussianCopula) for joint in joints):
            parts = [joint._independent_part(values, mask) for joint in joints]
            scores = torch.stack([w for _, w in parts])
            correlation = torch.stack([joint.copula.correlation() for joint in joints])  # type: ignore[operator]
            cells = joints[0]._score_mask(mask)
            tied = normal_log_densities(scores, cells, correlation)
            apart = torch.where(cells, log_normal(scores), 0.0).sum(-1).T
            return weights + torch.stack([density for density, _ in parts], -1) + tied - apart
        z = dict(zip(self.names, values, strict=True))
        return weights + torch.stack([joint.log_prob(z, mask) for joint in joints], -1)


class _Rows:
    """The rows to fit, side by side in units of each coordinate's standard deviation, missing ones at the mean.

    Args:
        values: ``(n, d_m)`` a modality.
        observed: bool ``(n, M)``.
        sizes: ``d_m``.
    """

    def __init__(self, values: list[Tensor], observed: Tensor, sizes: list[int]) -> None:
        self.observed, self.sizes = observed, torch.tensor(sizes, device=observed.device)
        columns = list(zip(values, observed.T, strict=True))
        self.shift = torch.cat([value[rows].mean(0) for value, rows in columns])
        self.scale = torch.cat([coordinate_scale(value[rows]) for value, rows in columns])
        self.mask = self._spread(observed)
        self.x = torch.where(self.mask, (torch.cat(values, -1) - self.shift) / self.scale, 0.0)

    def _spread(self, observed: Tensor) -> Tensor:
        return observed.repeat_interleave(self.sizes, dim=-1)

    def compare(
        self, numbers: list[int], intensities: list[float], holdout: float, generator: torch.Generator
    ) -> dict[tuple[int, float], float]:
        """Held-out mean log density of missing parts given observed ones, of every candidate, nats."""
        split = Holdout(self.observed, holdout, generator)
        rest = split.rest
        scores = {}
        for number in numbers:
            if number > len(rest):
                continue
            label = k_means(self.x[rest], number, generator)
            for intensity in intensities:
                clusters = fit_clusters(self.x[rest], self.mask[rest], label, intensity)
                scores[number, intensity] = split.score(self._density(clusters))
        if not scores:
            raise ValueError(f"{min(numbers)} components need as many rows to fit, got {len(rest)} with some held out")
        return scores

    def _density(self, clusters: Clusters) -> Callable[[Tensor, Tensor], Tensor]:
        """Log densities as a function of rows and mask."""

        def log_prob(rows: Tensor, shown: Tensor) -> Tensor:
            gap = self.x[rows] - clusters.mean[:, None]
            each = normal_log_densities(gap, self._spread(shown), clusters.covariance)
            return torch.logsumexp(each + clusters.log_weights, -1)

        return log_prob
