"""A pair copula with parameters, or a batch of them, as a module."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from sklar.copulas.pair.family import Family, Parameters
from sklar.copulas.pair.registry import FAMILIES
from sklar.copulas.pair.turned import ROTATIONS, Blend, Turned
from sklar.copulas.pair.uniform import Uniform

RAW_LIMIT = 745.0  # here a sigmoid is 0 in float64: a parameter on its bound, with a gradient of zero


class PairScores(nn.Module):
    """What every pair copula answers on normal scores; arguments broadcast against each other and the batch shape.

    In each method ``w1``, ``w2`` are scores, ``(..., *batch_shape)``, and so is the result.
    """

    def at(
        self,
        dtype: torch.dtype | None = None,
        offset: Tensor | None = None,
        choose: Callable[[Tensor], Tensor] | None = None,
    ) -> Turned | Blend:
        """The copula at its present parameters, in a floating-point type.

        Args:
            dtype: type of the parameters; default that in which they are kept.
            offset: added to the unconstrained numbers, ``(..., *batch_shape, numbers)``.
            choose: picks from the batch of the unconstrained numbers, before the offset is added.
        """
        raise NotImplementedError

    @property
    def numbers(self) -> int:
        """How many unconstrained numbers each pair has."""
        raise NotImplementedError

    def _answer(self, method: str, first: Tensor, second: Tensor) -> Tensor:
        """A method of the copula at its present parameters, in the scores' type; half precision through float32."""
        for scores in (first, second):
            if not isinstance(scores, Tensor) or not scores.is_floating_point():
                kind = scores.dtype if isinstance(scores, Tensor) else type(scores).__name__
                raise TypeError(
                    f"{method}: scores must be floating-point tensors, got {kind}; "
                    "make them by torch.as_tensor, or give uniforms to .uniform"
                )
        dtype = torch.promote_types(first.dtype, second.dtype)
        wide = dtype if dtype == torch.float64 else torch.float32
        value: Tensor = getattr(self.at(wide), method)(first.to(wide), second.to(wide))
        return value.to(dtype)

    def log_prob(self, w1: Tensor, w2: Tensor) -> Tensor:
        """Log copula density ``log c(Phi(w1), Phi(w2))``, in nats."""
        return self._answer("log_prob", w1, w2)

    def hfunc1(self, w1: Tensor, w2: Tensor) -> Tensor:
        """Score of ``P(U2 <= u2 | U1 = u1)``."""
        return self._answer("hfunc1", w1, w2)

    def hfunc2(self, w1: Tensor, w2: Tensor) -> Tensor:
        """Score of ``P(U1 <= u1 | U2 = u2)``."""
        return self._answer("hfunc2", w1, w2)

    def hinv1(self, w1: Tensor, q: Tensor) -> Tensor:
        """The ``w2`` with ``hfunc1(w1, w2) = q``."""
        return self._answer("hinv1", w1, q)

    def hinv2(self, q: Tensor, w2: Tensor) -> Tensor:
        """The ``w1`` with ``hfunc2(w1, w2) = q``."""
        return self._answer("hinv2", q, w2)

    def cdf(self, w1: Tensor, w2: Tensor) -> Tensor:
        """``P(U1 <= Phi(w1), U2 <= Phi(w2))``, a probability."""
        return self._answer("cdf", w1, w2)

    @property
    def batch_shape(self) -> torch.Size:
        """Shape of the batch of pairs."""
        raise NotImplementedError

    @property
    def anchor(self) -> Tensor:
        """A tensor of the module's type and device."""
        return next(self.parameters())

    def rsample(self, num_samples: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """Draws of both scores, ``(S, *batch_shape)`` each, reparameterised: gradients reach the parameters."""
        noise = torch.randn(
            2, num_samples, *self.batch_shape, generator=generator, dtype=self.anchor.dtype, device=self.anchor.device
        )
        return noise[0], self.hinv1(noise[0], noise[1])

    def fit(self: Self, data: Tensor, weights: Tensor | None = None) -> Self:
        """Fit to scores by maximum likelihood, in place; returns itself: see `sklar.copulas.pair.fit.fit`."""
        from sklar.copulas.pair.fit import fit

        return fit(self, data, weights)

    def description(self) -> dict[str, Any]:
        """The content of `to_json`."""
        raise NotImplementedError

    def to_json(self) -> str:
        """Structure and unconstrained parameters as JSON, from which `pair_from_json` makes the same copula."""
        return json.dumps(self.description())

    @property
    def uniform(self) -> Uniform:
        """The same copula on ``(0, 1)^2``, with pyvinecopulib's method names."""
        return Uniform(self)


class PairCopula(PairScores):
    """One family with its parameters. Made by `pair_copula`.

    Trainable are unconstrained numbers, the logits of the parameters' places between their bounds, kept in float64;
    all is computed in the scores' type.

    Args:
        family: a name in `FAMILIES`.
        parameters: ``k`` numbers or tensors that broadcast to the batch shape, or one alone; None for the family's
            start.
        rotation: 0, 90, 180 or 270 degrees, as in pyvinecopulib.
        batch_shape: of a batch of pairs; by default that of the parameters.

    Raises:
        KeyError: an unknown family. ValueError: parameters out of bounds or of the wrong number, a rotation that makes
            no sense.
    """

    def __init__(
        self,
        family: str,
        parameters: Sequence[float | Tensor] | Tensor | float | None = None,
        rotation: int = 0,
        batch_shape: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(family, str) or family not in FAMILIES:
            raise KeyError(f"unknown family {family!r}; choose one of {list(FAMILIES)}")
        self.family: Family = FAMILIES[family]
        if isinstance(rotation, bool) or not isinstance(rotation, int) or rotation not in ROTATIONS:
            raise ValueError(f"rotation must be one of {list(ROTATIONS)}, got {rotation!r}")
        if rotation and not self.family.rotatable:
            raise ValueError(f"{family} covers negative dependence itself: rotation must be 0, got {rotation}")
        self.rotation = rotation
        alone = isinstance(parameters, int | float) or (isinstance(parameters, Tensor) and parameters.ndim == 0)
        given = self.family.start if parameters is None else (parameters,) if alone else tuple(parameters)  # type: ignore
        bounds = self.family.parameters
        if len(given) != len(bounds):
            raise ValueError(f"{family} has parameters {[name for name, _, _ in bounds]}, got {len(given)} of them")
        tensors = [torch.as_tensor(value, dtype=torch.float64) for value in given]
        shapes = [tuple(value.shape) for value in tensors] + [tuple(batch_shape or ())]
        try:
            shape = torch.broadcast_shapes(*shapes)
        except RuntimeError as error:
            raise ValueError(f"{family}: shapes of parameters and batch_shape do not broadcast: {shapes}") from error
        self._batch_shape = shape
        raw = torch.empty(*shape, len(bounds), dtype=torch.float64)
        for k, ((name, low, high), value) in enumerate(zip(bounds, tensors, strict=True)):
            if not bool(((value >= low) & (value <= high)).all()):
                raise ValueError(f"{family}: {name} must be between {low} and {high}, got {value.tolist()}")
            raw[..., k] = unconstrained(value, low, high)
        self.raw = nn.Parameter(raw)

    @property
    def batch_shape(self) -> torch.Size:
        """Shape of the batch of pairs."""
        return self._batch_shape

    @property
    def numbers(self) -> int:
        """How many unconstrained numbers each pair has."""
        return self.raw.shape[-1]

    def values(self, dtype: torch.dtype | None = None) -> Parameters:
        """The family's parameters, ``(*batch_shape)`` each, differentiable in `raw`."""
        return self.at(dtype).values

    def at(
        self,
        dtype: torch.dtype | None = None,
        offset: Tensor | None = None,
        choose: Callable[[Tensor], Tensor] | None = None,
    ) -> Turned:
        """See `PairScores.at`."""
        raw = adjusted(self.raw, torch.float64, offset, choose)
        bounds = enumerate(self.family.parameters)
        values = tuple(constrained(raw[..., k], low, high) for k, (_, low, high) in bounds)
        dtype = self.raw.dtype if dtype is None else dtype
        if not values:
            return Turned(self.family, self.rotation, (), (raw.new_zeros(raw.shape[:-1], dtype=dtype),))
        return Turned.of(self.family, self.rotation, values, dtype)

    def tau(self) -> Tensor:
        """Kendall's tau, ``(*batch_shape)``, differentiable."""
        tau = self.family.tau(self.values()).to(self.raw).expand(self.batch_shape)
        return -tau if self.rotation in (90, 270) else tau

    def tail_dependence(self) -> tuple[Tensor, Tensor]:
        """Lower and upper tail-dependence coefficients, ``(*batch_shape)`` each; zero for rotations by 90 and 270."""
        tails = self.family.tail_dependence(self.values())
        lower, upper = (tail.to(self.raw).expand(self.batch_shape) for tail in tails)
        if self.rotation in (90, 270):
            return torch.zeros_like(lower), torch.zeros_like(upper)
        return (upper, lower) if self.rotation == 180 else (lower, upper)

    @torch.no_grad()
    def set_tau(self, tau: Tensor | float) -> PairCopula:
        """Move to this Kendall's tau, in place; to the nearest that the family has where this is out of its range.

        The first parameter is moved, the others are put at the family's start; where the first is at a bound the second
        is moved too (bb7: delta, then theta; tawn: theta, then psi1 = psi2). A family of positive dependence answers a
        negative tau, or a rotation by 90 or 270 degrees a positive one, by becoming nearly independent.

        Args:
            tau: ``(*batch_shape)`` or a number.

        Raises:
            ValueError: no number between -1 and 1, or a shape that is not the batch's.
        """
        wanted = checked_tau(tau, self.batch_shape).to(self.raw.device)
        if not self.family.parameters:
            return self
        values = self.family.from_tau(-wanted if self.rotation in (90, 270) else wanted)
        for k, ((_, low, high), value) in enumerate(zip(self.family.parameters, values, strict=True)):
            self.raw[..., k] = unconstrained(value.clamp(low, high), low, high)
        return self

    def description(self) -> dict[str, Any]:
        """Family, rotation and unconstrained parameters."""
        return {"family": self.family.name, "rotation": self.rotation, "raw": self.raw.detach().double().tolist()}

    def extra_repr(self) -> str:
        """Family, rotation, parameters and Kendall's tau; of a batch, its shape."""
        turned = f", rotation={self.rotation}" if self.rotation else ""
        if self.batch_shape:
            return f"{self.family.name}{turned}, batch_shape={tuple(self.batch_shape)}"
        names = [name for name, _, _ in self.family.parameters]
        shown = [f"{name}={value.item():.4g}" for name, value in zip(names, self.values(), strict=True)]
        return ", ".join([self.family.name + turned, *shown, f"tau={self.tau().item():.3f}"])


def checked_tau(tau: Tensor | float, batch_shape: Sequence[int]) -> Tensor:
    """Kendall's tau in float64, of a batch's shape; ValueError where it is none."""
    wanted = torch.as_tensor(tau, dtype=torch.float64)
    if not bool((wanted.abs() <= 1).all()):
        raise ValueError(f"tau must be between -1 and 1, not NaN; got {wanted.tolist()}")
    try:
        return wanted.expand(tuple(batch_shape))
    except RuntimeError as error:
        raise ValueError(f"tau must be a number or of shape {tuple(batch_shape)}, got {tuple(wanted.shape)}") from error


def adjusted(
    raw: Tensor, dtype: torch.dtype | None, offset: Tensor | None, choose: Callable[[Tensor], Tensor] | None
) -> Tensor:
    """Unconstrained numbers as `PairScores.at` asks for them."""
    raw = raw if dtype is None else raw.to(dtype)
    raw = raw if choose is None else choose(raw)
    return raw if offset is None else raw + offset


def constrained(raw: Tensor, low: float, high: float) -> Tensor:
    """A number between the bounds from any real one."""
    # From the nearer bound, so that a parameter close to either keeps its digits.
    below, above = low + (high - low) * torch.sigmoid(raw), high - (high - low) * torch.sigmoid(-raw)
    return torch.where(raw < 0, below, above)


def unconstrained(value: Tensor, low: float, high: float) -> Tensor:
    """Inverse of `constrained`."""
    return (torch.log(value - low) - torch.log(high - value)).clamp(-RAW_LIMIT, RAW_LIMIT)


def pair_copula(
    family: str,
    parameters: Sequence[float | Tensor] | Tensor | float | None = None,
    rotation: int = 0,
    batch_shape: Sequence[int] = (),
) -> PairCopula:
    """A pair copula by name, with pyvinecopulib's names, parameters and rotations.

    Args:
        family: indep, gaussian, student, clayton, gumbel, frank, joe, bb1, bb6, bb7, bb8 or tawn.
        parameters: as many as the family has, one may come without a list; tensors make a batch of pairs. None: the
            family's start.
        rotation: 0, 90, 180 or 270 degrees.
        batch_shape: of a batch of pairs.

    Raises:
        KeyError, ValueError: see `PairCopula`.

    Example:
        >>> import torch, sklar
        >>> copula = sklar.copulas.pair_copula("clayton", parameters=[2.0])
        >>> copula
        PairCopula(clayton, theta=2, tau=0.500)
        >>> bool(copula.uniform.cdf([[0.5, 0.5]]) - 7**-0.5 < 1e-12)
        True
    """
    return PairCopula(family, parameters, rotation, batch_shape)


def pair_from_description(content: dict[str, Any]) -> PairCopula:
    """The copula that `PairCopula.description` described, exactly; ValueError if it is none."""
    try:
        raw = finite(content["raw"], "raw")
        copula = PairCopula(content["family"], rotation=content["rotation"], batch_shape=raw.shape[:-1])
        if raw.shape != copula.raw.shape:
            raise ValueError(f"{content['family']} needs {copula.raw.shape[-1]} numbers a pair, got {tuple(raw.shape)}")
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a pair copula's description: {error}") from error
    with torch.no_grad():
        copula.raw.copy_(raw)
    return copula


def finite(numbers: object, name: str) -> Tensor:
    """Numbers of a description as a float64 tensor; ValueError if they are none, or not finite."""
    try:
        found = torch.tensor(numbers, dtype=torch.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be lists of numbers of one length: {error}") from error
    if not bool(torch.isfinite(found).all()):
        raise ValueError(f"{name} must be finite numbers, got {found.tolist()}")
    return found
