"""A mixture of products of experts as the posterior of one latent variable, with a classifier."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Tensor

from sklar.models.card import Card
from sklar.models.code import Code, stacked
from sklar.models.noise import Noise
from sklar.models.shared_latent import SharedLatent, product, shares

MOST_MODALITIES = 20  # whose subsets are numbered


class MoPoE(SharedLatent):
    """``q(z | x_O)``: the equal mixture over all non-empty subsets ``A`` of ``O`` of the products of their experts.

    A product is that of `MVAE`, ``N(0, I) prod_{m in A} N(mean_m, sigma_m^2)``, normalised: the prior takes part in
    each. In training each draw's subset is uniform among the ``2^n - 1``. For a prediction, where these are at most the
    ``S`` draws, each subset gets ``S / (2^n - 1)`` consecutive draws, some one more than others where that does not
    divide. Beyond that, a fixed set stands for them, the same for all rows with ``n`` modalities: random subsets, each
    followed by its complement (where that is empty, by the whole), and after an odd number the whole.

    The paper's bound has, as here, the mean of the subsets' divergences from the prior. The classifier is no part of
    the paper.

    Args:
        inputs: see `SharedLatent`; at most 20 modalities.
        settings: see `SharedLatent`.

    Raises:
        ValueError: more modalities.

    References:
        Sutter, Daunhawer, Vogt, "Generalized Multimodal ELBO", ICLR 2021, arXiv 2105.02470, section 3.
    """

    name = "mopoe"
    card: ClassVar[Card] = Card(
        "Sutter et al., MoPoE, ICLR 2021, arXiv 2105.02470",
        departs="a classifier on the latent; two random subsets a row and step stand for all; the prior is an expert "
        "of every product; one normal scale a feature",
        generates=True,
        modalities=f"at most {MOST_MODALITIES}",
        space=SharedLatent.space,
    )

    def __init__(self, inputs: Mapping[str, int | Mapping[str, Any]], **settings: Any) -> None:
        super().__init__(inputs, **settings)
        if len(self.inputs) > MOST_MODALITIES:
            raise ValueError(
                f"mopoe numbers the subsets of at most {MOST_MODALITIES} modalities, got {len(self.inputs)}; use mvae"
            )

    def components(self, code: Code, observed: Tensor, draws: int, noise: Noise | None) -> tuple[Tensor, Tensor]:
        """The product over each draw's subset, ``(S, B, d)``; see `SharedLatent.components`."""
        return product(*stacked(code), self.subsets(observed, draws, noise))

    def subsets(self, observed: Tensor, draws: int, noise: Noise | None) -> Tensor:
        """The subset of what a row has that each draw is given, bool ``(S, B, M)``; see the class.

        Args:
            observed: bool ``(B, M)``.
            draws: number of draws ``S``.
            noise: chooses them; without any they are fixed.
        """
        count = observed.sum(-1)
        if noise is not None:
            number = 1 + shares(draws, 2**count - 1, noise)
        else:
            number = fixed_subsets(observed.shape[1], draws).to(observed.device)[count].T
        rank = (observed.cumsum(-1) - 1).clamp(min=0)  # bit r of a number speaks of the r-th observed modality
        return observed & ((number.unsqueeze(-1) >> rank) & 1).bool()


@lru_cache(maxsize=16)
def fixed_subsets(modalities: int, draws: int) -> Tensor:
    """Numbers of the subsets over which a prediction averages, by how many modalities are observed, ``(M + 1, S)``."""
    table = torch.zeros(modalities + 1, draws, dtype=torch.long)
    for n in range(1, modalities + 1):
        whole = 2**n - 1
        if whole <= draws:
            table[n] = 1 + torch.arange(draws) * whole // draws
            continue
        random = torch.randint(1, whole + 1, (draws // 2,), generator=torch.Generator().manual_seed(n))
        rest = whole - random
        pairs = torch.stack([random, torch.where(rest == 0, whole, rest)], -1).flatten()
        table[n] = torch.cat([pairs, pairs.new_full((draws % 2,), whole)])
    return table
