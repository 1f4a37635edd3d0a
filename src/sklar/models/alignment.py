"""Losses that draw the embeddings of one row together, an option of every model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations

import torch
from torch import Tensor, nn

from sklar.joint import Joint
from sklar.models.code import Code
from sklar.numerics.masking import mean_over

ALIGNMENTS = ("copula", "cosine", "kl", "infonce")
NOWHERE = -1e9  # a logit of what is not to be chosen
HOTTEST, COLDEST = math.log(10.0), math.log(0.01)  # of the contrast's temperature


class Alignment(nn.Module):
    """A loss over the modalities that a row has; rows with fewer than two have none.

    ``"cosine"``: one minus the cosine of two embeddings' means, averaged over the pairs. ``"kl"``: the symmetrised
    Kullback-Leibler divergence between two modalities' ``N(mean, scale^2)``, likewise. ``"copula"``: minus the log
    density of a paired Gaussian copula in nats; its marginals, mixtures, are fitted to the embeddings held fixed, so
    that the embeddings learn their dependence alone, which no rescaling of them changes (a joint likelihood would
    shrink them). ``"infonce"``: the cross-entropy in nats of telling, by cosine over a learned temperature, a row's own
    embedding of one modality among those of all rows of the batch that have both, averaged over both directions and
    over the pairs; of several processes each tells among its own rows.

    Args:
        kind: one of `ALIGNMENTS`.
        names: of the modalities.
        dim: embedding width ``d``.
        points: the model uses no scales, so that nothing but the divergence would learn them: they count as one.

    References:
        Wu et al., ICML 2025, arXiv 2511.03196, whose ablation names the three without formulas; there the embeddings
        are points and the divergence is presumably between their softmaxes. InfoNCE: van den Oord et al., 2018, arXiv
        1807.03748; symmetric and with a learned temperature: Radford et al., CLIP, ICML 2021, arXiv 2103.00020.
    """

    def __init__(self, kind: str, names: list[str], dim: int, points: bool = False) -> None:
        super().__init__()
        if kind not in ALIGNMENTS:
            raise ValueError(f"unknown alignment {kind!r}; choose one of {list(ALIGNMENTS)}")
        if len(names) < 2:
            raise ValueError("an alignment needs at least two modalities")
        self.kind, self.names, self.points = kind, names, points
        if kind == "infonce":
            self.log_temperature = nn.Parameter(torch.tensor(math.log(0.07)))
        if kind == "copula":
            self.joint = Joint(dict.fromkeys(names, dim), "independent", "gaussian", "paired", 2, 0.15)

    def forward(self, code: Code, observed: Tensor) -> Tensor:
        """``(B,)``, in nats where it is a divergence or a density."""
        if self.kind == "copula":
            return dependence_loss(self.joint, [each.mean for each in code], observed)
        pairs = list(combinations(range(len(code)), 2))
        shown = torch.stack([observed[:, i] & observed[:, j] for i, j in pairs], -1)
        each = torch.stack(
            [self._pair(code, i, j, both) for (i, j), both in zip(pairs, shown.unbind(-1), strict=True)], -1
        )
        return mean_over(each, shown)

    def _pair(self, code: Code, i: int, j: int, both: Tensor) -> Tensor:
        first, second = code[i], code[j]
        if self.kind == "infonce":
            return self._contrast(first.mean, second.mean, both)
        if self.kind == "cosine":
            return 1 - nn.functional.cosine_similarity(first.mean, second.mean, dim=-1, eps=1e-6)
        gap = (first.mean - second.mean).square()
        if self.points:
            return 0.5 * gap.sum(-1)
        ratio = 2 * (first.log_scale - second.log_scale)
        spread = torch.exp(-2 * first.log_scale) + torch.exp(-2 * second.log_scale)
        return 0.25 * (torch.exp(ratio) + torch.exp(-ratio) - 2 + gap * spread).sum(-1)

    def _contrast(self, first: Tensor, second: Tensor, both: Tensor) -> Tensor:
        """Of each row, ``(B,)``; none chooses a row that lacks one, whose own value means nothing."""
        unit = [nn.functional.normalize(z, dim=-1, eps=1e-6) for z in (first, second)]
        logits = unit[0] @ unit[1].T * torch.exp(-self.log_temperature.clamp(COLDEST, HOTTEST))
        each = [table.masked_fill(~both, NOWHERE).log_softmax(-1).diagonal() for table in (logits, logits.T)]
        return -0.5 * (each[0] + each[1])


def dependence_loss(joint: Joint, z: list[Tensor], observed: Tensor) -> Tensor:
    """Minus the log copula density of embeddings that are points, and the fit of their marginals, ``(B,)`` in nats.

    The marginals learn from the embeddings, the embeddings and the copula from the copula's density alone.

    Args:
        joint: with its alignments at the identity, as inside a model.
        z: embeddings ``(B, d)``, by modality.
        observed: bool ``(B, M)``.
    """

    def apart(values: list[Tensor]) -> Tensor:
        return torch.where(observed, joint.marginals.log_prob(values), 0.0).sum(-1)

    fit = apart([value.detach() for value in z])
    with held(joint.marginals):
        dependence = joint.log_prob(dict(zip(joint.names, z, strict=True)), observed) - apart(z)
    return -dependence - fit


@contextmanager
def held(module: nn.Module) -> Iterator[None]:
    """Parameters that ask for no gradient within the block."""
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)
