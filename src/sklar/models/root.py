"""The joint of a model: one, or a mixture of several under one discrete root, started apart."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from sklar.joint import Joint, JointMixture
from sklar.joint.clusters import k_means
from sklar.marginals.em import coordinate_scale


def make_root(number: int, make: Callable[[], Joint]) -> Joint | JointMixture:
    """A joint, or a mixture of ``number`` of them.

    Raises:
        ValueError: fewer than one.
    """
    if number < 1:
        raise ValueError(f"a root has at least one joint, got root={number}")
    return make() if number == 1 else JointMixture([make() for _ in range(number)])


@torch.no_grad()
def start_root(mixture: JointMixture, z: Mapping[str, Tensor], observed: Tensor, generator: torch.Generator) -> None:
    """Start the joints apart, in place: k-means on the embeddings, then each joint's marginals on its own cluster.

    A cluster that shows a modality in fewer than two rows keeps that marginal as it was.

    Args:
        mixture: to be started.
        z: embeddings ``{name: (B, d_m)}``.
        observed: bool ``(B, M)``; missing embeddings stand at the mean while the clusters are sought.
        generator: source of the randomness.
    """
    columns = []
    for name, shown in zip(mixture.names, observed.T, strict=True):
        value = z[name].double()
        if int(shown.sum()) < 2:
            columns.append(torch.zeros_like(value))
            continue
        scaled = (value - value[shown].mean(0)) / coordinate_scale(value[shown])
        columns.append(torch.where(shown[:, None], scaled, 0.0))
    label = k_means(torch.cat(columns, -1), len(mixture.joints), generator)
    for k, joint in enumerate(mixture.joints):
        for marginal, name, shown in zip(joint.marginals, mixture.names, observed.T, strict=True):  # type: ignore[arg-type]
            mine = shown & (label == k)
            if int(mine.sum()) >= 2:
                marginal.initialize(z[name][mine], generator)
        mixture.logits[k] = torch.log((label == k).sum().clamp(min=1) / len(label))
