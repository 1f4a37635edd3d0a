"""Means over patterns, spread over seeds, and paired differences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import isnan, nan
from statistics import mean, stdev
from typing import Any, NamedTuple


class Estimate(NamedTuple):
    """A mean over seeds with its standard error (NaN with one seed)."""

    mean: float
    error: float

    def __str__(self) -> str:
        return f"{self.mean:.4f}" if isnan(self.error) else f"{self.mean:.4f} +- {self.error:.4f}"


def estimate(values: Sequence[float]) -> Estimate:
    """Mean and standard error of one value a seed."""
    error = stdev(values) / len(values) ** 0.5 if len(values) > 1 else nan
    return Estimate(mean(values), error)


def by_seed(
    records: Iterable[Mapping[str, Any]], setting: str, model: str, metric: str, patterns: Sequence[str] | None = None
) -> dict[int, float]:
    """Mean over patterns of one figure of one model, a value a seed; figures that are None or absent are left out.

    Args:
        records: of all settings, models, patterns and seeds.
        setting: ``"frozen"`` or ``"end_to_end"``.
        model: its name.
        metric: for instance ``"log_loss"``.
        patterns: which ones to average; default all.
    """
    groups: dict[int, list[float]] = {}
    for r in records:
        wanted = patterns is None or r["pattern"] in patterns
        if r["setting"] == setting and r["model"] == model and wanted and r.get(metric) is not None:
            groups.setdefault(r["seed"], []).append(r[metric])
    return {seed: mean(values) for seed, values in sorted(groups.items())}


def paired_difference(first: Mapping[int, float], second: Mapping[int, float]) -> Estimate:
    """Mean and standard error of ``first - second`` over the seeds that both have."""
    shared = sorted(set(first) & set(second))
    if not shared:
        raise ValueError("no seed in common: nothing can be paired")
    return estimate([first[s] - second[s] for s in shared])
