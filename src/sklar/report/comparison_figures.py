"""Figures of a comparison, as PNG data that can stand inside a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sklar.evaluation import Record, by_seed, estimate
from sklar.evaluation.multiple import Ranks
from sklar.report.comparison import LESS_IS_BETTER
from sklar.report.figures import figure_data, pyplot

DRAWN = 8  # arms in a figure of lines: the reference and the best of the others


def leading(records: Sequence[Record], setting: str, metric: str, reference: str, number: int = DRAWN) -> list[str]:
    """The reference, then the best of the other arms by their mean over all patterns.

    Args:
        records: of a comparison.
        setting: see `Record`.
        metric: the measure.
        reference: an arm.
        number: of arms.
    """
    means = {
        arm: estimate(list(values.values())).mean
        for arm in dict.fromkeys(r["model"] for r in records if r["setting"] == setting)
        if (values := by_seed(records, setting, arm, metric))
    }
    order = sorted(means, key=lambda arm: means[arm], reverse=metric not in LESS_IS_BETTER)
    return [arm for arm in (reference, *(a for a in order if a != reference)) if arm in means][:number]


def score_figure(records: Sequence[Record], setting: str, metric: str, reference: str) -> str:
    """Score against the test (how much is missing, say), a line an arm, with standard errors over seeds."""
    names = list(dict.fromkeys(r["pattern"] for r in records if r["setting"] == setting))
    arms = leading(records, setting, metric, reference)
    lines = {arm: [by_seed(records, setting, arm, metric, [name]) for name in names] for arm in arms}
    return _lines(lines, names, "test rows", metric, reference)


def condition_figure(
    records: Mapping[str, Sequence[Record]], setting: str, metric: str, reference: str, title: str
) -> str:
    """Score against the condition of training (number of labels, rate of missing values), a line an arm.

    Args:
        records: of each condition, in order.
        setting: see `Record`; a score is the mean over its tests.
        metric: the measure.
        reference: an arm.
        title: of the horizontal axis.
    """
    arms = leading([r for each in records.values() for r in each], setting, metric, reference)
    lines = {arm: [by_seed(each, setting, arm, metric) for each in records.values()] for arm in arms}
    return _lines(lines, list(records), title, metric, reference)


def _lines(
    lines: Mapping[str, Sequence[Mapping[int, float]]], names: Sequence[str], title: str, metric: str, reference: str
) -> str:
    plt = pyplot()
    figure, axis = plt.subplots(figsize=(7, 4.4))
    for k, (arm, cells) in enumerate(lines.items()):
        found = [estimate(list(cell.values())) if cell else None for cell in cells]
        shown = [(x, e.mean, np.nan_to_num(e.error)) for x, e in enumerate(found) if e is not None]
        x, y, error = zip(*shown, strict=True)
        wide = arm == reference
        shift = 0.015 * (k - len(lines) / 2)
        axis.errorbar(
            np.asarray(x) + shift, y, error, marker="o", markersize=4, capsize=2, label=arm,
            linewidth=2.5 if wide else 1.2, zorder=3 if wide else 2,
        )  # fmt: skip
    axis.set_xticks(range(len(names)), names)
    axis.set(xlabel=title, ylabel=metric.replace("_", "-"))
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure_data(figure)


def difference_figure(records: Sequence[Record], setting: str, metric: str, reference: str) -> str:
    """Each arm's distance from the reference with its interval, the nearest first.

    Args:
        records: ``{setting, model, metric, value, low, high}``.
        setting: see `Record`.
        metric: the measure.
        reference: an arm.
    """
    own = [r for r in records if (r["setting"], r["metric"]) == (setting, metric)]
    own.sort(key=lambda r: r["value"], reverse=metric in LESS_IS_BETTER)
    plt = pyplot()
    figure, axis = plt.subplots(figsize=(7, 0.6 + 0.26 * len(own)))
    value, low, high = (np.array([r[key] for r in own]) for key in ("value", "low", "high"))
    places = np.arange(len(own))
    axis.axvline(0, color="0.6", linewidth=1)
    axis.errorbar(value, places, xerr=[value - low, high - value], fmt="o", markersize=4, capsize=2, color="C0")
    axis.set_yticks(places, [r["model"] for r in own])
    axis.set(xlabel=f"{metric.replace('_', '-')} minus {reference}'s, 95% interval")
    far = 1.5 * float(np.quantile(high, 0.9))
    if value.max() > 2 * far > 0:  # one that is far off must not flatten all others
        axis.set_xlim(float(low.min()) - 0.05 * far, far)
        for place in np.flatnonzero(value > far):  # it is said where it lies
            axis.text(far, place, f"{value[place]:+.2f} \u2192 ", ha="right", va="center", color="C0")
    return figure_data(figure)


def rank_figure(names: Sequence[str], found: Ranks) -> str:
    """Critical-difference diagram: mean ranks on a line, bars joining arms that do not differ.

    Args:
        names: of the arms.
        found: their ranks.

    References:
        Demsar, JMLR 2006, figure 1.
    """
    order = np.argsort(found.mean)
    mean = found.mean[order]
    half = (len(order) + 1) // 2
    plt = pyplot()
    figure, axis = plt.subplots(figsize=(8, 1.2 + 0.24 * half))
    axis.plot([1, len(order)], [0, 0], color="black", linewidth=1)
    for place in range(1, len(order) + 1):
        axis.plot([place, place], [0, 0.08], color="black", linewidth=1)
        axis.text(place, 0.12, str(place), ha="center", va="bottom", fontsize=8)
    groups = joined(mean, found.critical)
    below = -0.12 * len(groups) - 0.15
    for k, (first, last) in enumerate(groups):
        axis.plot([mean[first] - 0.05, mean[last] + 0.05], [-0.12 * (k + 1)] * 2, color="C0", linewidth=3)
    for k, arm in enumerate(order):
        left = k < half
        y = below - 0.2 * (k if left else len(order) - 1 - k)
        edge = 0.3 if left else len(order) + 0.7
        axis.plot([mean[k], mean[k], edge], [0, y, y], color="0.4", linewidth=0.8)
        label = f"{names[arm]}  {mean[k]:.2f}" if left else f"{mean[k]:.2f}  {names[arm]}"
        axis.text(edge + (-0.05 if left else 0.05), y, label, ha="right" if left else "left", va="center", fontsize=8)
    axis.plot([1, 1 + found.critical], [0.55, 0.55], color="black", linewidth=2)
    axis.text(1, 0.6, f"critical difference {found.critical:.2f}", va="bottom", fontsize=8)
    axis.axis("off")
    return figure_data(figure)


def joined(mean: np.ndarray, critical: float) -> list[tuple[int, int]]:
    """Longest runs of sorted mean ranks within a critical difference, first and last place each."""
    found: list[tuple[int, int]] = []
    for first in range(len(mean)):
        last = int(np.flatnonzero(mean - mean[first] <= critical)[-1])
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found
