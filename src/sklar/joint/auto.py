"""Which dependence the data have: every copula and the mixture of joints, compared on held-out rows."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from sklar.copulas import COPULAS
from sklar.joint.checks import check_rows_to_fit
from sklar.joint.holdout import Holdout
from sklar.joint.joint import PAIRED, Joint, natural_coupling
from sklar.joint.mixture import JointMixture

HOLDOUT = 0.2  # share of the rows by which the candidates are compared
# Most subsets of a larger vine are integrals over several hidden variables: a comparison would take hours.
MOST_MODALITIES = {"vine": 4}
COMPONENTS = (5, 10, 20)  # of the mixture, as far as there are rows
FAILURES = (ValueError, ArithmeticError, RuntimeError)  # the last has torch's LinAlgError
MIXTURE = "mixture"  # its name in the report, beside the copulas'

Fit = Callable[[Mapping[str, Any], Any], Joint | JointMixture]


def fit_best(
    z: Mapping[str, Any],
    observed: Any | None,
    marginal: str,
    coupling: str | None,
    components: int,
    seed: int,
) -> Joint | JointMixture:
    """The candidate that best says held-out missing parts from observed ones, fitted to all rows.

    Candidates are `Joint` with every copula of the registry except independence (and a vine of more than four
    modalities, which takes too long), and `JointMixture`. Each is fitted to four fifths of the rows and scored on the
    rest by the mean log density of what random sub-patterns leave out, given what they keep: the same rows and
    sub-patterns for all. A candidate that cannot be fitted (to very few rows, say) is left out with a warning.

    Args:
        z: embeddings ``{name: (n, d_m)}``.
        observed: bool ``(n, M)``; None means that every row is complete.
        marginal: of the joints.
        coupling: of the joints; None means each copula's natural one. With ``"full"`` the copulas made for pairing
            (vine, factor), minutes slower on wide embeddings, are left out.
        components: of the joints' marginals.
        seed: of the split, the sub-patterns and the starts.

    Returns:
        The winner, with ``report``: every candidate's score in nats a row, minus infinity for one left out.

    Raises:
        KeyError, ValueError, TypeError: see `Joint.fit`; ValueError also for too few rows to hold some out, and where
            no candidate can be fitted.
    """
    failed: dict[str, str] = {}  # why, by candidate
    report: dict[str, float] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the winner's own fit warns once
        values, mask, widths, _ = check_rows_to_fit(z, observed)
        Joint(widths, marginal, "independence", coupling, components)  # settings in error are no candidate's failure
        fits = _candidates(len(widths), marginal, coupling, components, seed)
        holdout = Holdout(mask, HOLDOUT, torch.Generator().manual_seed(seed))
        rest = {name: value[holdout.rest] for name, value in zip(widths, values, strict=True)}
        whole = dict(zip(widths, values, strict=True))
        for name, fit in fits.items():
            try:
                score = holdout.score(_density(fit(rest, mask[holdout.rest]), whole))
                if not math.isfinite(score):
                    raise ValueError(f"its held-out score is {score}")
            except FAILURES as error:
                score, failed[name] = -math.inf, str(error)
            report[name] = score
    winner = None
    for name in sorted(fits.keys() - failed.keys(), key=lambda name: report[name], reverse=True):
        try:
            winner = fits[name](z, observed)
            break
        except FAILURES as error:
            report[name], failed[name] = -math.inf, str(error)
    reasons = "; ".join(f"{name} ({reason})" for name, reason in failed.items())
    if winner is None:
        raise ValueError(f"none of the candidates could be fitted and compared: {reasons}")
    if failed:
        warnings.warn(f"candidates left out: {reasons}", stacklevel=3)
    winner.report = report
    return winner


def _candidates(modalities: int, marginal: str, coupling: str | None, components: int, seed: int) -> dict[str, Fit]:
    """How each candidate is fitted, by its name in the report."""

    def joint(copula: str) -> Fit:
        chosen = coupling or natural_coupling(copula, marginal)
        return lambda z, observed: Joint.fit(z, observed, marginal, copula, chosen, components, seed)

    names = [name for name in COPULAS if name != "independence" and modalities <= MOST_MODALITIES.get(name, modalities)]
    if coupling == "full":
        full = natural_coupling("student", marginal) == "full"
        names = [name for name in names if name not in PAIRED and (full or name != "student")]
    fits: dict[str, Fit] = {name: joint(name) for name in names}
    fits[MIXTURE] = lambda z, observed: JointMixture.fit(z, observed, _numbers(z), seed=seed)
    return fits


def _numbers(z: Mapping[str, Any]) -> list[int]:
    """Numbers of components for a mixture of these rows, some of which it holds out itself."""
    rows = len(next(iter(z.values())))
    most = max(1, rows - max(1, round(HOLDOUT * rows)))
    return [number for number in COMPONENTS if number <= most] or [most]


def _density(joint: Joint | JointMixture, z: dict[str, Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Its log density as a function of rows and mask."""
    return lambda rows, shown: joint.log_prob({name: value[rows] for name, value in z.items()}, shown)
