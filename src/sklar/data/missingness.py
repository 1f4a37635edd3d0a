"""Mechanisms that remove modalities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sklar.data.batch import Texts

MECHANISMS = ("natural", "mcar", "mar", "mnar", "label")
FARTHEST = 40.0  # intercept of a logit, beyond which a probability is zero or one
HALVINGS = 45  # of the interval of an intercept
ROUNDS = 50  # over all intercepts, which move each other a little
MISSED = 0.005  # distance from the rate at which it counts as out of reach


def completely_at_random(rows: int, modalities: int, rate: float, generator: torch.Generator) -> Tensor:
    """Each value of each row removed with probability ``rate``, independently (MCAR); rows left empty are redrawn.

    Args:
        rows: number of rows.
        modalities: number of modalities ``M``.
        rate: probability of removal before the redraw, in [0, 1).
        generator: source of the randomness.

    Returns:
        Mask of what is observed, bool ``(rows, M)``, each row with at least one True.

    Raises:
        ValueError: a rate outside [0, 1).
    """
    if not 0 <= rate < 1:
        raise ValueError(f"the missing rate must be in [0, 1), got {rate}")
    observed = torch.rand(rows, modalities, generator=generator) >= rate
    while bool((empty := ~observed.any(-1)).any()):
        observed[empty] = torch.rand(int(empty.sum()), modalities, generator=generator) >= rate
    return observed


@dataclass(frozen=True)
class Missingness:
    """Removes modalities from rows at given rates; a mask comes in, a smaller one goes out.

    ======== ==========================================================================================================
    natural  nothing is removed: the data's own
    mcar     completely at random
    mar      at random: whether a modality is removed depends on the content of another that stays
    mnar     not at random: on the modality's own content
    label    not at random: on the label, as where what was recorded tells who died. Rows without one count as average
    ======== ==========================================================================================================

    Only ``label`` looks at the label. A modality is removed with probability ``sigmoid(b_m + strength s)``, where ``s``
    is a summary of the content it depends on, standardised over the rows that have it. For a tensor that is a fixed
    random projection of its standardised coordinates, missing cells at their means; of three axes (series, events) the
    second is averaged first. For `Texts` it is the log of one plus the number of words. For a label it is its value
    (several: their mean), for one of more than two classes a fixed random effect of the class.

    With ``mar``, the modality that stays is one of those whose rate is zero; where there is none, each row draws one of
    what it has. The others are removed independently given it, so that the mask depends on nothing that is missing.

    ``b_m`` is solved so that of the rows that have ``m`` beside another modality, the share ``rate`` loses it, in
    expectation. A row never loses all: where nothing has to stay, rows left empty are drawn again, which is accounted
    for.

    The same seed gives the same mask of the same rows; training and test rows may have other rates and another seed, or
    the same mechanism with another draw, see `__call__`. All fields are JSON.

    Args:
        mechanism: natural, mcar, mar, mnar or label, see above.
        rate: of removal, in [0, 1): one for all modalities, or by name; a modality that is not named is kept.
        strength: change of the log odds of removal by one standard deviation of ``s``; positive.
        seed: of the summaries (in which direction content tells) and the removal.

    References:
        Rubin, "Inference and missing data" (1976). Unit slopes on random projections: Muzellec et al., "Missing data
        imputation using optimal transport" (ICML 2020).

    Raises:
        ValueError: an unknown mechanism, or a rate or strength out of range.
    """

    mechanism: str = "natural"
    rate: float | dict[str, float] = 0.5
    strength: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.mechanism not in MECHANISMS:
            raise ValueError(f"unknown mechanism {self.mechanism!r}; choose one of {list(MECHANISMS)}")
        rates = self.rate if isinstance(self.rate, Mapping) else {"all modalities": self.rate}
        for name, rate in rates.items():
            if not 0 <= rate < 1:
                raise ValueError(f"the missing rate must be in [0, 1), got {rate} of {name}")
        if not self.strength > 0:
            raise ValueError(f"strength must be positive, got {self.strength}")

    def __call__(
        self, inputs: Mapping[str, Tensor | Texts], observed: Tensor, target: Tensor | None = None, draw: int = 0
    ) -> Tensor:
        """A mask of what is left.

        Args:
            inputs: ``(n, ...)`` a modality, with NaN cells or not, or `Texts`, in the order of the mask's columns; what
                stands in a missing row never matters.
            observed: what is there, bool ``(n, M)``.
            target: as in `Batch`; for ``label`` alone.
            draw: the removal's own number: what tells stays as it is, what is removed is drawn afresh.

        Returns:
            Bool ``(n, M)``, nowhere True where ``observed`` is not; a row that had something keeps something.

        Raises:
            KeyError: a rate for an unknown modality.
            ValueError: a mask of another width, a rate out of reach (the one that can be had is named), no target.
        """
        if self.mechanism == "natural":
            return observed.clone()
        there = observed.cpu()
        if there.ndim != 2 or there.shape[1] != len(inputs):
            raise ValueError(f"observed must be (rows, {len(inputs)}), a column a modality; got {tuple(there.shape)}")
        rate = self._rates(list(inputs))
        generator = torch.Generator().manual_seed(self.seed)
        effect = self.strength * self._summaries(inputs, there, target, generator)
        if draw:
            generator.manual_seed((self.seed * 1_000_003 + draw) % 2**63)
        several = there.sum(-1, keepdim=True) > 1
        if self.mechanism == "mar":
            removed = self._beside_a_driver(there, effect, rate, list(inputs), generator)
        else:
            logit = effect + _intercepts(effect, there & several, rate, list(inputs))[:, None].T
            removed = torch.rand(there.shape, generator=generator).double() < torch.sigmoid(logit)
            while bool((empty := ((removed | ~there).all(-1) & several[:, 0])).any()):
                again = torch.rand((int(empty.sum()), len(rate)), generator=generator).double()
                removed[empty] = again < torch.sigmoid(logit[empty])
        return (there & ~(removed & several)).to(observed.device)

    def _rates(self, names: list[str]) -> Tensor:
        if not isinstance(self.rate, Mapping):
            return torch.full((len(names),), float(self.rate), dtype=torch.float64)
        for name in self.rate:
            if name not in names:
                raise KeyError(f"a missing rate is given for {name!r}; the modalities are {names}")
        return torch.tensor([self.rate.get(name, 0.0) for name in names], dtype=torch.float64)

    def _summaries(
        self,
        inputs: Mapping[str, Tensor | Texts],
        there: Tensor,
        target: Tensor | None,
        generator: torch.Generator,
    ) -> Tensor:
        """What removal of each modality depends on (mar: what each does to the others), ``(n, M)``."""
        if self.mechanism == "mcar":
            return torch.zeros(there.shape, dtype=torch.float64)
        if self.mechanism == "label":
            if target is None:
                raise ValueError('mechanism "label" needs the target')
            label = _label_summary(target.cpu(), generator)
            return _standard(label, ~torch.isnan(label))[:, None].expand(there.shape)
        columns = []
        for (name, value), rows in zip(inputs.items(), there.T, strict=True):
            if len(value) != len(there):
                raise ValueError(f"modality {name!r} has {len(value)} rows, the mask {len(there)}")
            columns.append(_content_summary(value, rows, generator))
        return torch.stack(columns, -1)

    @staticmethod
    def _beside_a_driver(
        there: Tensor, effect: Tensor, rate: Tensor, names: list[str], generator: torch.Generator
    ) -> Tensor:
        """What is removed given the content of one modality a row, which stays, bool ``(n, M)``."""
        always = there & (rate == 0)
        drivers = torch.where(always.any(-1, keepdim=True), always, there).double()
        drivers[~there.any(-1)] = 1.0
        chance = drivers / drivers.sum(-1, keepdim=True)
        driver = torch.multinomial(chance, 1, generator=generator)
        eye = torch.eye(len(names), dtype=torch.bool)
        intercept = torch.zeros(len(names), dtype=torch.float64)
        for m, name in enumerate(names):
            rows = there[:, m] & (there.sum(-1) > 1)
            beside = chance[rows] * ~eye[m]

            def share(b: Tensor, rows: Tensor = rows, beside: Tensor = beside) -> Tensor:
                return (beside * torch.sigmoid(b + effect[rows])).sum(-1).mean()

            if bool(rows.any()):
                intercept[m] = _solve(share, rate[m])
                _check_reached(name, rate[m], share(intercept[m]))
        probability = torch.sigmoid(effect.gather(1, driver) + intercept)
        return (torch.rand(there.shape, generator=generator).double() < probability) & ~eye[driver[:, 0]]


def _intercepts(effect: Tensor, there: Tensor, rate: Tensor, names: list[str]) -> Tensor:
    """Intercepts with which the rates are met by rows that are drawn again until something is left, ``(M,)``."""
    intercept = torch.logit(rate.clamp(1e-12, 1 - 1e-12))
    used = [(m, name) for m, name in enumerate(names) if bool(there[:, m].any())]

    def shares(m: int) -> Callable[[Tensor], Tensor]:
        """Expected share of the rows that have ``m`` which lose it, as a function of its intercept."""
        rows = there[:, m]
        others = torch.where(there, torch.nn.functional.logsigmoid(effect + intercept), 0.0)
        others[:, m] = 0.0
        stay, own = -torch.expm1(others[rows].sum(-1)), effect[rows, m]

        def share(b: Tensor) -> Tensor:
            kept = torch.sigmoid(-(own + b))
            # P(m removed, another stays) / P(something stays)
            return ((1 - kept) * stay / (stay + kept * (1 - stay))).mean()

        return share

    for _ in range(ROUNDS):
        before = intercept.clone()
        for m, _name in used:
            intercept[m] = _solve(shares(m), rate[m])
        if bool((intercept - before).abs().amax() < 1e-4):
            break
    for m, name in used:
        _check_reached(name, rate[m], shares(m)(intercept[m]))
    return intercept


def _solve(share: Callable[[Tensor], Tensor], rate: Tensor) -> Tensor:
    """The intercept where an increasing share equals the rate, by bisection."""
    low, high = torch.tensor(-FARTHEST, dtype=torch.float64), torch.tensor(FARTHEST, dtype=torch.float64)
    for _ in range(HALVINGS):
        middle = 0.5 * (low + high)
        if bool(share(middle) < rate):
            low = middle
        else:
            high = middle
    return 0.5 * (low + high)


def _check_reached(name: str, rate: Tensor, reached: Tensor) -> None:
    if abs(float(reached - rate)) > MISSED:
        raise ValueError(
            f"modality {name!r} cannot be missing at rate {float(rate):g}, since every row keeps something (with mar, "
            f"the modality that the others depend on): about {float(reached):.3f} can be had; lower the rates"
        )


def _content_summary(value: Tensor | Texts, rows: Tensor, generator: torch.Generator) -> Tensor:
    """One standardised number a row, zero where the modality is missing, ``(n,)``."""
    if isinstance(value, Texts):
        words = [sum(len(text.split()) for text in texts) for texts in value]
        return _standard(torch.log1p(torch.tensor(words, dtype=torch.float64)), rows)
    x = value.detach().cpu().double()
    x = (x.nanmean(1) if x.ndim == 3 else x).reshape(len(x), -1)
    direction = torch.randn(x.shape[1], generator=generator, dtype=torch.float64)
    seen = ~torch.isnan(x) & rows[:, None]
    count = seen.sum(0).clamp(min=1)
    gap = torch.where(seen, x - torch.where(seen, x, 0.0).sum(0) / count, 0.0)
    scale = (gap.square().sum(0) / count).sqrt()
    return _standard(torch.where(scale > 0, gap / scale.clamp(min=1e-300), 0.0) @ direction, rows)


def _label_summary(target: Tensor, generator: torch.Generator) -> Tensor:
    """One number a row, NaN where there is no label, ``(n,)``."""
    if target.is_floating_point():
        return target.double() if target.ndim == 1 else target.double().nanmean(-1)
    classes = int(target.max()) + 1 if len(target) else 0
    effect = torch.arange(2, dtype=torch.float64)
    if classes > 2:
        effect = torch.randn(classes, generator=generator, dtype=torch.float64)
    return torch.where(target >= 0, effect[target.clamp(min=0)], torch.nan)


def _standard(x: Tensor, rows: Tensor) -> Tensor:
    """Standardised over the given rows; zero elsewhere, and where these do not differ."""
    gap = torch.where(rows, x - x[rows].mean(), 0.0)
    scale = (gap.square().sum() / rows.sum().clamp(min=1)).sqrt()
    return gap / scale if float(scale) > 1e-12 else torch.zeros_like(gap)
