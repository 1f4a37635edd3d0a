"""Tables of a comparison: every arm under every test, and how far it is from the reference."""

from __future__ import annotations

from collections.abc import Sequence

from sklar.evaluation import Record, by_seed, estimate, paired_difference
from sklar.report.tables import Table, models_of, patterns_of, plus_minus

LESS_IS_BETTER = ("log_loss", "brier", "ece", "rmse", "mae", "energy", "energy_ratio", "crps", "pit")
SHOWN = (
    "accuracy", "log_loss", "auroc", "auprc", "rmse", "r2", "energy", "energy_ratio", "crps", "coverage_50",
    "coverage_80", "coverage_95", "pit", "match_mrr", "aligned_mrr", "cosine_mrr", "match_recall_1", "aligned_recall_1",
    "cosine_recall_1", "effective_rank",
)  # fmt: skip
DECIDING = ("log_loss", "accuracy", "auroc", "rmse")
LABELS = {
    "tests": "the test rows", "patterns": "each pattern", "imputation": "what each pattern lacks, drawn",
    "alignment": "one modality's row found from another's", "embeddings": "the embeddings",
}  # fmt: skip


def comparison_tables(records: Sequence[Record], reference: str) -> list[Table]:
    """A table a setting and measure: arms from best to worst, with their distance from the reference, paired by seed.

    Args:
        records: ``{model, seed, setting, pattern, ...}``.
        reference: the arm that the others are compared with.
    """
    return [
        _table(records, setting, metric, reference)
        for setting in dict.fromkeys(r["setting"] for r in records)
        for metric in SHOWN
        if any(r.get(metric) is not None for r in records if r["setting"] == setting)
    ]


def _table(records: Sequence[Record], setting: str, metric: str, reference: str) -> Table:
    names = patterns_of(records, setting)
    first = by_seed(records, setting, reference, metric)
    found = []
    for model in models_of(records, setting):
        whole = by_seed(records, setting, model, metric)
        if not whole:
            continue
        average = estimate(list(whole.values()))
        cells = [by_seed(records, setting, model, metric, [name]) for name in names]
        shown = [f"{estimate(list(cell.values())).mean:.3f}" if cell else "-" for cell in cells]
        apart = "" if model == reference or not first else plus_minus(paired_difference(whole, first))
        found.append((average.mean, [model, *shown, plus_minus(average), apart]))
    found.sort(key=lambda row: row[0], reverse=metric not in LESS_IS_BETTER)
    title = f"{LABELS.get(setting, setting)}: {metric}, mean of {len(first)} seeds +- standard error"
    return Table(title, ["", *names, "mean", f"minus {reference}"], [row for _, row in found])


def difference_tables(records: Sequence[Record], reference: str) -> list[Table]:
    """A table a setting and measure: arms by their distance from the reference, with intervals and p-values.

    Args:
        records: ``{setting, model, metric, value, low, high, p, p_holm}``, of two classes' AUROC with ``delong``, see
            `sklar.benchmark.significance`.
        reference: the arm that the others are compared with.
    """
    found = []
    for setting in dict.fromkeys(r["setting"] for r in records):
        for metric in DECIDING:
            own = [r for r in records if (r["setting"], r["metric"]) == (setting, metric)]
            own.sort(key=lambda r: r["value"], reverse=metric not in LESS_IS_BETTER)
            rows = [
                [r["model"], f"{r['value']:+.3f}", f"{r['low']:+.3f} to {r['high']:+.3f}", f"{r['p']:.3g}",
                 f"{r['p_holm']:.3g}"]
                for r in own
            ]  # fmt: skip
            title = f"{LABELS[setting]}: {metric} minus {reference}'s, with 95% intervals for other seeds and persons"
            if rows:
                found.append(Table(title, ["", "difference", "95% interval", "p", "p (Holm)"], rows))
            checks = [(r, r["delong"]) for r in own if r.get("delong")]
            if checks:
                title = (
                    f"{LABELS[setting]}: {metric} minus {reference}'s by DeLong's test, a cross-check: 95% intervals "
                    "for other persons, with these trained models"
                )
                rows = [
                    [r["model"], f"{r['value']:+.3f}", f"{d['low']:+.3f} to {d['high']:+.3f}", f"{d['p']:.3g}"]
                    for r, d in checks
                ]
                found.append(Table(title, ["", "difference", "95% interval", "p"], rows))
    return found
