"""A regression in the joint distribution's place: what is missing is filled in with what is expected of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from sklar.data import Batch
from sklar.encoders import mlp
from sklar.models.base import Source, subpattern
from sklar.models.card import Card
from sklar.models.code import Code, present
from sklar.models.generative import Generative
from sklar.models.noise import fixed
from sklar.models.reconstruction import half_square


class ConditionalMean(Generative):
    """`VariationalCopula` with a network where the joint is: embeddings of what is missing, regressed on the others.

    Embeddings are the encoders' means. A network of one hidden layer sees them, zeros for the missing, and the mask,
    and says what the missing ones are; the head and the decoders see the completed embeddings. Nothing is drawn but the
    decoders' noise. Beside the terms of the common recipe the loss has ``weight`` times

    ``rec [ sum_{m in O} 1/2 |x_m - dec(z_m)|^2 + sum_{m in O - O'} 1/2 |x_m - dec(z^_m)|^2 ]``

    where ``O'`` is a random subset of ``O`` and ``z^`` is regressed on ``z_O'``. It tells what a joint distribution of
    the embeddings adds to a conditional mean of as many parameters.

    Args:
        inputs: see `FusionModel`.
        weight: of the generative terms.
        reconstruction: ``rec`` above.
        cross_drop: probability with which a modality is left out of ``O'``; with 1 a single one is left.
        settings: see `FusionModel`.

    References:
        The idea of regression imputation inside a network is Ma et al.'s, "SMIL: Multimodal Learning with Severely
        Missing Modality", AAAI 2021, arXiv 2103.05677, whose meta-learning this has not.
    """

    name = "conditional_mean"
    card: ClassVar[Card] = Card(
        "regression imputation; cf. Ma et al., SMIL, AAAI 2021, arXiv 2103.05677",
        departs="a plain regression of embeddings on embeddings: no meta-learning, no prior of modality means",
        generates=True,
        space={"cross_drop": (1.0, 1.0, 0.5)},
    )

    def __init__(
        self,
        inputs: Mapping[str, int | Mapping[str, Any]],
        weight: float = 0.1,
        reconstruction: float = 0.2,
        cross_drop: float = 1.0,
        **settings: Any,
    ) -> None:
        super().__init__(inputs, **settings)
        if not 0 <= cross_drop <= 1:
            raise ValueError(f"cross_drop must lie in [0, 1], got {cross_drop}")
        self.weight, self.reconstruction, self.cross_drop = weight, reconstruction, cross_drop
        self.settings |= {"weight": weight, "reconstruction": reconstruction, "cross_drop": cross_drop}
        count = len(self.inputs)
        self.expectation = mlp(count * self.dim + count, self.hidden, count * self.dim, self.dropout)
        self.head = mlp(count * self.dim, self.hidden, self.outcome.size, self.dropout)

    def complete(self, code: Code, observed: Tensor) -> Tensor:
        """Embeddings ``(B, M, d)``: what the encoders say of what is observed, what is expected of the rest.

        Args:
            code: what the encoders gave; anything may stand where a modality is missing.
            observed: bool ``(B, M)``.
        """
        given = present(code, observed)
        expected = self.expectation(torch.cat([given.flatten(1), observed.to(given)], -1))
        return torch.where(observed.unsqueeze(-1), given, expected.unflatten(-1, given.shape[1:]))

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """One set of outputs ``(1, B, k)``: nothing is drawn."""
        outputs: Tensor = self.head(self.complete(code, observed).flatten(1))
        return outputs[None]

    def _draws(self, code: Code, observed: Tensor, draws: int, source: Source) -> dict[str, Tensor]:
        """The completed embeddings, repeated."""
        completed = self.complete(code, observed)
        return {name: completed[:, m].expand(draws, -1, -1) for m, name in enumerate(self.names)}

    def regularizer(self, batch: Batch, code: Code, source: Source) -> dict[str, Tensor]:
        """The generative terms, weighted: reconstruction and cross-reconstruction; the decoders' scales are fitted."""
        x, known = self.explained(batch)
        subset = subpattern(batch.observed, self.cross_drop, fixed(source))
        own, crossed = (self.decoders(list(self.complete(code, mask).unbind(1))) for mask in (batch.observed, subset))
        wanted = known & ~subset.repeat_interleave(self.decoders.sizes(known), -1)
        # Crossed or not: the noise is that of what a modality's own embedding and the others' say of it.
        scale = self.decoders.log_prob(x, torch.where(wanted, crossed, own).detach(), known)
        terms = {
            "reconstruction": self.reconstruction * half_square(x - own, known),
            "cross_reconstruction": self.reconstruction * half_square(x - crossed, wanted),
            "decoder_scale": -scale,
        }
        return {name: self.weight * value for name, value in terms.items()}
