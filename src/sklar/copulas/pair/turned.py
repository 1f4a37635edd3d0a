"""Pair copulas as plain values: a family turned by a rotation at given parameters, or a blend of such.

The modules in `module.py` and `mixture.py` own trainable numbers and make these from them; a vine makes them from its
own, a choice of the batch at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

import torch
from torch import Tensor

from sklar.copulas.pair.family import Family, Parameters, score_of
from sklar.copulas.pair.inverse import solve_quantile
from sklar.numerics import log_ndtr_tails, ndtr
from sklar.numerics.remember import remembered

ROTATIONS = (0, 90, 180, 270)
# The family's first and second argument, as (index of the score, sign), by rotation; pyvinecopulib's convention.
_ARGUMENTS = {
    0: ((0, 1), (1, 1)),
    90: ((1, 1), (0, -1)),
    180: ((0, -1), (1, -1)),
    270: ((1, -1), (0, 1)),
}


Self = TypeVar("Self", bound="Turned | Blend")
P = ParamSpec("P")


def outside_graphs(method: Callable[Concatenate[Self, P], Tensor]) -> Callable[Concatenate[Self, P], Tensor]:
    """A method that torch.compile calls rather than compiles, unless the copula is plain arithmetic.

    On a CPU torch's compiler takes ``e^x - 1`` for ``expm1(x)``, whose digits the formulas live by, and needs a minute
    for a density.
    """

    @wraps(method)
    def call(self: Self, *args: P.args, **kwargs: P.kwargs) -> Tensor:
        if torch.compiler.is_compiling() and not self.plain:
            result: Tensor = torch.compiler.disable(method)(self, *args, **kwargs)
            return result
        return method(self, *args, **kwargs)

    return call


def signed(w: Tensor, sign: int) -> Tensor:
    """``w`` or ``-w``."""
    return w if sign > 0 else _negative(w)


@remembered
def _negative(w: Tensor) -> Tensor:
    return -w


@dataclass(frozen=True)
class Turned:
    """One family, rotated; parameters broadcast against the scores. The methods are those of `PairScores`.

    ``derived`` is what the family forms of the parameters before they are rounded: see `Family.derived`.
    """

    family: Family
    rotation: int
    values: Parameters
    derived: Parameters

    @classmethod
    def of(cls, family: Family, rotation: int, values: Parameters, dtype: torch.dtype) -> Turned:
        """With parameters given in float64, in a type."""
        derived = family.derived(values)
        derived = derived if family.exact else tuple(value.to(dtype) for value in derived)
        return cls(family, rotation, tuple(value.to(dtype) for value in values), derived)

    @property
    def plain(self) -> bool:
        """Whether the formulas are arithmetic alone."""
        return self.family.plain

    def pick(self, choose: Callable[[Tensor], Tensor]) -> Turned:
        """The same with each parameter passed through ``choose``, which picks from the batch."""
        values, derived = (tuple(choose(value) for value in own) for own in (self.values, self.derived))
        return Turned(self.family, self.rotation, values, derived)

    def arguments(self, w1: Tensor, w2: Tensor) -> tuple[Tensor, Tensor]:
        """The family's own first and second argument."""
        (i, s), (j, t) = _ARGUMENTS[self.rotation]
        w = (w1, w2)
        return signed(w[i], s), signed(w[j], t)

    @outside_graphs
    def log_prob(self, w1: Tensor, w2: Tensor) -> Tensor:
        """Log copula density in nats."""
        return self.family.log_prob(*self.arguments(w1, w2), self.values + self.derived)

    @outside_graphs
    def _conditional(self, target: int, w: Tensor, given: Tensor, inverse: bool) -> Tensor:
        (i, s), (_, t) = _ARGUMENTS[self.rotation]
        first = target == i  # is the target the family's first argument?
        sign, other = (s, t) if first else (t, s)
        p = self.values + self.derived
        p = p if first else self.family.swapped(p)
        function = self.family.quantile if inverse else self.family.conditional
        return signed(function(signed(w, sign), signed(given, other), p), sign)

    @outside_graphs
    def cdf(self, w1: Tensor, w2: Tensor) -> Tensor:
        """``P(U1 <= Phi(w1), U2 <= Phi(w2))``."""
        value = self.family.cdf(*self.arguments(w1, w2), self.values + self.derived)
        u1, u2 = ndtr(w1), ndtr(w2)
        if self.rotation:
            value = {90: u2 - value, 180: u1 + u2 - 1 + value, 270: u1 - value}[self.rotation]
        # Rounding must not lead beyond the bounds of every copula.
        return torch.minimum(torch.maximum(value, (u1 + u2 - 1).clamp(min=0.0)), torch.minimum(u1, u2))

    def hfunc1(self, w1: Tensor, w2: Tensor) -> Tensor:
        """Score of ``P(U2 <= u2 | U1 = u1)``."""
        return self._conditional(1, w2, w1, inverse=False)

    def hfunc2(self, w1: Tensor, w2: Tensor) -> Tensor:
        """Score of ``P(U1 <= u1 | U2 = u2)``."""
        return self._conditional(0, w1, w2, inverse=False)

    def hinv1(self, w1: Tensor, q: Tensor) -> Tensor:
        """The ``w2`` with ``hfunc1(w1, w2) = q``."""
        return self._conditional(1, q, w1, inverse=True)

    def hinv2(self, q: Tensor, w2: Tensor) -> Tensor:
        """The ``w1`` with ``hfunc2(w1, w2) = q``."""
        return self._conditional(0, q, w2, inverse=True)


@dataclass(frozen=True)
class Blend:
    """A convex mixture of families; ``log_weights`` are one tensor a part."""

    parts: tuple[Turned, ...]
    log_weights: tuple[Tensor, ...]

    @property
    def plain(self) -> bool:
        """Whether the formulas are arithmetic alone: never, for sums of probabilities are taken in logs."""
        return False

    def pick(self, choose: Callable[[Tensor], Tensor]) -> Blend:
        """See `Turned.pick`."""
        parts = tuple(part.pick(choose) for part in self.parts)
        return Blend(parts, tuple(choose(weight) for weight in self.log_weights))

    @outside_graphs
    def log_prob(self, w1: Tensor, w2: Tensor) -> Tensor:
        """Log copula density in nats."""
        each = [w + part.log_prob(w1, w2) for w, part in zip(self.log_weights, self.parts, strict=True)]
        return torch.logsumexp(torch.stack(each, -1), -1)

    @outside_graphs
    def cdf(self, w1: Tensor, w2: Tensor) -> Tensor:
        """``P(U1 <= Phi(w1), U2 <= Phi(w2))``."""
        parts = zip(self.log_weights, self.parts, strict=True)
        return torch.stack([torch.exp(w) * part.cdf(w1, w2) for w, part in parts]).sum(0)

    @outside_graphs
    def _mixed(self, scores: list[Tensor]) -> Tensor:
        tails = zip(*(log_ndtr_tails(score) for score in scores), strict=True)
        lower, upper = (
            torch.logsumexp(torch.stack([w + x for w, x in zip(self.log_weights, tail, strict=True)], -1), -1)
            for tail in tails
        )
        return score_of(lower, upper)

    def hfunc1(self, w1: Tensor, w2: Tensor) -> Tensor:
        """Score of ``P(U2 <= u2 | U1 = u1)``."""
        return self._mixed([part.hfunc1(w1, w2) for part in self.parts])

    def hfunc2(self, w1: Tensor, w2: Tensor) -> Tensor:
        """Score of ``P(U1 <= u1 | U2 = u2)``."""
        return self._mixed([part.hfunc2(w1, w2) for part in self.parts])

    @outside_graphs
    def hinv1(self, w1: Tensor, q: Tensor) -> Tensor:
        """The ``w2`` with ``hfunc1(w1, w2) = q``."""
        return solve_quantile(q, w1, lambda a: self.hfunc1(w1, a), lambda a: self.log_prob(w1, a))

    @outside_graphs
    def hinv2(self, q: Tensor, w2: Tensor) -> Tensor:
        """The ``w1`` with ``hfunc2(w1, w2) = q``."""
        return solve_quantile(q, w2, lambda a: self.hfunc2(a, w2), lambda a: self.log_prob(a, w2))
