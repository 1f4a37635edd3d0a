"""Tables of arms against patterns, for the terminal and the page."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan
from typing import NamedTuple

from sklar.evaluation import Estimate, Record, by_seed, estimate, paired_difference

METRICS = ("accuracy", "log_loss", "brier", "ece", "energy_score")
REFERENCE = {"frozen": "mixture", "end_to_end": "variational_copula"}


class Table(NamedTuple):
    """A titled table of text cells, the first column naming the row."""

    title: str
    columns: list[str]
    rows: list[list[str]]


def patterns_of(records: Sequence[Record], setting: str) -> list[str]:
    """The patterns of a setting, fewest modalities first."""
    names = dict.fromkeys(r["pattern"] for r in records if r["setting"] == setting)
    return sorted(names, key=lambda name: name.count("+"))


def models_of(records: Sequence[Record], setting: str) -> list[str]:
    """The arms of a setting, in the order in which they were run."""
    return list(dict.fromkeys(r["model"] for r in records if r["setting"] == setting))


def averaged(records: Sequence[Record], setting: str) -> list[str]:
    """The patterns that the mean column averages: the incomplete ones (frozen), all of them (end to end)."""
    patterns = patterns_of(records, setting)
    return patterns[:-1] if setting == "frozen" else patterns


def pattern_table(records: Sequence[Record], setting: str, metric: str) -> Table:
    """Arms x patterns: the mean over seeds, with the mean over patterns and its standard error last."""
    patterns, mean_of = patterns_of(records, setting), averaged(records, setting)
    rows = []
    for model in models_of(records, setting):
        whole = by_seed(records, setting, model, metric, mean_of)
        if not whole:
            continue
        cells = [by_seed(records, setting, model, metric, [pattern]) for pattern in patterns]
        shown = [f"{estimate(list(cell.values())).mean:.3f}" if cell else "-" for cell in cells]
        rows.append([model, *shown, plus_minus(estimate(list(whole.values())))])
    scope = "incomplete patterns" if setting == "frozen" else "all patterns"
    seeds = len({r["seed"] for r in records})
    title = f"{setting}: {metric} (mean of {seeds} seeds; last column: mean over {scope} +- standard error)"
    return Table(title, ["", *patterns, "mean"], rows)


def difference_table(records: Sequence[Record], setting: str) -> Table:
    """The reference arm minus each other arm, paired by seed, a column a metric."""
    reference, patterns = REFERENCE[setting], averaged(records, setting)
    rows = []
    for model in models_of(records, setting):
        if model == reference:
            continue
        cells = []
        for metric in METRICS:
            first = by_seed(records, setting, reference, metric, patterns)
            second = by_seed(records, setting, model, metric, patterns)
            cells.append(plus_minus(paired_difference(first, second)) if first and second else "-")
        rows.append([model, *cells])
    return Table(f"{setting}: {reference} minus each arm, paired by seed, +- standard error", ["", *METRICS], rows)


def tables(records: Sequence[Record]) -> list[Table]:
    """All tables of the demo."""
    result = []
    for setting in ("frozen", "end_to_end"):
        metrics = METRICS if setting == "end_to_end" else METRICS[:-1]
        result += [pattern_table(records, setting, metric) for metric in metrics]
        result.append(difference_table(records, setting))
    return result


def print_tables(records: Sequence[Record]) -> None:
    """Accuracy, log-loss and paired differences of both settings, to the terminal."""
    for table in tables(records):
        if any(metric in table.title for metric in ("accuracy", "log_loss", "energy_score", "minus")):
            print_table(table)


def print_table(table: Table) -> None:
    """A table to the terminal, in columns."""
    widths = [max(len(row[k]) for row in [table.columns, *table.rows]) for k in range(len(table.columns))]
    print(f"\n{table.title}")
    for row in [table.columns, *table.rows]:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def score_table(records: Sequence[Record], title: str) -> Table:
    """Scores of one model, a row a scope: see `sklar.evaluation.evaluate_rows`."""
    metrics = [name for name in records[0] if name not in ("rows", "number")]
    rows = [
        [r["rows"], str(r["number"]), *("-" if isnan(r[name]) else f"{r[name]:.3f}" for name in metrics)]
        for r in records
    ]
    return Table(title, ["", "rows", *metrics], rows)


def plus_minus(value: Estimate) -> str:
    """A mean and its standard error, where it has one, to three digits."""
    return f"{value.mean:.3f}" if isnan(value.error) else f"{value.mean:.3f} +- {value.error:.3f}"
