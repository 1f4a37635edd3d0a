"""A convex mixture of pair copulas, whose weights are learned: family selection without a search."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from sklar.copulas.pair.module import PairCopula, PairScores, adjusted, finite, pair_copula, pair_from_description
from sklar.copulas.pair.turned import Blend
from sklar.numerics import log_normal, ndtr

FURTHEST, POINTS = 8.5, 201  # of the rule for a mixture's tau


class Mixture(PairScores):
    """``c = sum_k pi_k c_k``: again a copula, with mixed distribution function and mixed h-functions.

    Args:
        components: the copulas, of one batch shape; or names of families, each at its start.
        weights: positive, ``(K,)`` or ``(*batch_shape, K)``; default equal.

    Raises:
        ValueError: no components, different batch shapes, weights that are not positive, not
            finite or of another shape. TypeError: a name alone.
    """

    def __init__(self, components: Sequence[PairCopula | str], weights: Tensor | Sequence[float] | None = None) -> None:
        super().__init__()
        if isinstance(components, str):
            raise TypeError(f"components must be a list, got the text {components!r}; write [{components!r}]")
        if not components:
            raise ValueError("a mixture needs at least one component")
        self.components = nn.ModuleList(pair_copula(c) if isinstance(c, str) else c for c in components)
        shapes = {tuple(c.batch_shape) for c in self.components}  # type: ignore[arg-type]
        if len(shapes) > 1:
            raise ValueError(f"the components of a mixture must have one batch shape, got {sorted(shapes)}")
        count = len(components)
        given = torch.ones(count) if weights is None else torch.as_tensor(weights)
        given = given.double()
        if given.shape[-1:] != (count,) or not bool(((given > 0) & torch.isfinite(given)).all()):
            raise ValueError(f"weights must be {count} finite positive numbers, got {given.tolist()}")
        self.logits = nn.Parameter(torch.log(given).expand(*self.batch_shape, count).clone())

    @property
    def batch_shape(self) -> torch.Size:
        """Shape of the batch of pairs."""
        return self.parts()[0].batch_shape

    def weights(self) -> Tensor:
        """Mixture weights, ``(*batch_shape, K)``."""
        return torch.softmax(self.logits, -1)

    def parts(self) -> list[PairCopula]:
        """The components, in order."""
        return list(self.components)  # type: ignore[arg-type]

    @property
    def numbers(self) -> int:
        """How many unconstrained numbers each pair has: those of the components, then the weights' logits."""
        return sum(c.numbers for c in self.parts()) + len(self.components)

    def at(
        self,
        dtype: torch.dtype | None = None,
        offset: Tensor | None = None,
        choose: Callable[[Tensor], Tensor] | None = None,
    ) -> Blend:
        """See `PairScores.at`."""
        sizes = [c.numbers for c in self.parts()] + [len(self.components)]
        *own, last = [None] * len(sizes) if offset is None else offset.split(sizes, -1)
        log_weights = torch.log_softmax(adjusted(self.logits, dtype, last, choose), -1)
        parts = tuple(c.at(dtype, part, choose) for c, part in zip(self.parts(), own, strict=True))
        return Blend(parts, log_weights.unbind(-1))

    def tau(self) -> Tensor:
        """Kendall's tau, ``(*batch_shape)``, differentiable.

        ``sum_ij pi_i pi_j Q_ij``, ``Q_ij = 1 - 4 int int (dC_i/du) (dC_j/dv) du dv`` the concordance of two components,
        their own tau where ``i = j``; else the trapezoidal rule on scores.
        """
        parts, weights = self.parts(), self.weights()
        axis = torch.linspace(-FURTHEST, FURTHEST, POINTS, dtype=weights.dtype, device=weights.device)
        a, b = (w.reshape(-1, *[1] * len(self.batch_shape)) for w in torch.meshgrid(axis, axis, indexing="ij"))
        mass = torch.exp(log_normal(a) + log_normal(b)) * (axis[1] - axis[0]).square()
        slopes = [(ndtr(part.hfunc1(a, b)), ndtr(part.hfunc2(a, b))) for part in parts] if len(parts) > 1 else []
        total = torch.zeros_like(weights[..., 0])
        for i, part in enumerate(parts):
            total = total + weights[..., i].square() * part.tau()
            for j in range(i):
                concordance = 1 - 4 * (slopes[i][0] * slopes[j][1] * mass).sum(0)
                total = total + 2 * weights[..., i] * weights[..., j] * concordance
        return total

    def tail_dependence(self) -> tuple[Tensor, Tensor]:
        """Lower and upper tail-dependence coefficients, ``(*batch_shape)`` each: the components' weighted means."""
        weights, tails = self.weights(), [part.tail_dependence() for part in self.parts()]
        lower, upper = ((torch.stack(each, -1) * weights).sum(-1) for each in zip(*tails, strict=True))
        return lower, upper

    def set_tau(self, tau: Tensor | float) -> Mixture:
        """Move each component to this Kendall's tau, or its nearest, in place; that of the mixture is then near it."""
        for part in self.parts():
            part.set_tau(tau)
        return self

    def prune(self) -> PairCopula:
        """The component with the largest weight, alone; of a batch, the largest mean weight."""
        best = int(self.weights().reshape(-1, len(self.components)).mean(0).argmax())
        return self.parts()[best]

    def description(self) -> dict[str, Any]:
        """Components and logits of the weights."""
        return {
            "mixture": [c.description() for c in self.parts()],
            "logits": self.logits.detach().double().tolist(),
        }

    @classmethod
    def from_description(cls, content: dict[str, Any]) -> Mixture:
        """The mixture that `description` described, exactly."""
        try:
            mixture = cls([pair_from_description(part) for part in content["mixture"]])
            logits = finite(content["logits"], "logits")
            if logits.shape != mixture.logits.shape:
                raise ValueError(f"expected weights of shape {tuple(mixture.logits.shape)}, got {tuple(logits.shape)}")
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a mixture's description: {error}") from error
        with torch.no_grad():
            mixture.logits.copy_(logits)
        return mixture

    def extra_repr(self) -> str:
        """Weights, for printing."""
        if self.batch_shape:
            return f"batch_shape={tuple(self.batch_shape)}"
        return "weights=[" + ", ".join(f"{w:.3f}" for w in self.weights().tolist()) + "]"


def pair_from_json(text: str) -> PairCopula | Mixture:
    """The copula that `PairScores.to_json` described, exactly.

    Raises:
        ValueError: not such a description.
    """
    try:
        content = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"not a pair copula's JSON: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"not a pair copula's JSON: expected an object, got {type(content).__name__}")
    return Mixture.from_description(content) if "mixture" in content else pair_from_description(content)
