"""What comparisons found, together: tables, figures, ranks over several sets, a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sklar.benchmark.tidy import write_scores
from sklar.evaluation import Record, by_seed, estimate
from sklar.evaluation.multiple import Ranks, ranks
from sklar.report.comparison import LESS_IS_BETTER, comparison_tables, difference_tables
from sklar.report.comparison_figures import condition_figure, difference_figure, leading, rank_figure, score_figure
from sklar.report.figures import figure_bytes, reliability_figure
from sklar.report.markup import latex, markdown
from sklar.report.pages import write_tables
from sklar.report.tables import Table
from sklar.training.files import renamed, write_text

RANKED = ("log_loss", "accuracy", "auroc", "rmse")
ABOUT = "about.json"
Ranked = Mapping[str, tuple[list[str], Ranks | None]]


class Part(NamedTuple):
    """A comparison on one dataset under one condition, as it lies in its folder.

    Attributes:
        dataset: label of the dataset, or the comparison's name where it has none.
        about: ``{reference, dataset, condition, labelled}``.
        records: scores, see `run_benchmark`.
        apart: distances from the reference with their intervals.
        reliability: points of each arm's reliability curve.
    """

    dataset: str
    about: Mapping[str, Any]
    records: list[Record]
    apart: list[Record]
    reliability: Mapping[str, list[Any]]

    @property
    def label(self) -> str:
        """Its dataset and condition."""
        return " / ".join(filter(None, (self.dataset, self.about["condition"])))

    @property
    def setting(self) -> str:
        """Where its models are ranked: under the tests, or under the patterns where there are none."""
        return "tests" if any(r["setting"] == "tests" for r in self.records) else "patterns"


def read_parts(folders: Sequence[Path]) -> list[Part]:
    """All comparisons in folders of `sklar benchmark`.

    Raises:
        FileNotFoundError: a folder with none that is finished.
    """
    found = []
    for folder in folders:
        places = sorted(folder.rglob(ABOUT))
        if not places:
            raise FileNotFoundError(f"{folder} has no finished comparison; make it with sklar benchmark CONFIG")
        own = [read_part(place.parent) for place in places]
        found += sorted(own, key=lambda part: part.about["labelled"] or 0)  # a curve over the labels, in order
    return found


def read_part(folder: Path) -> Part:
    """The comparison of one folder."""
    about = _read(folder / ABOUT)
    place = folder.resolve().parent if about["condition"] else folder.resolve()
    each = [_read(folder / f"{name}.json") for name in ("results", "differences", "reliability")]
    return Part(about["dataset"] or place.name, about, *each)


def write_summary(parts: Sequence[Part], out: Path) -> list[Table]:
    """``scores.parquet``, ``report.html``, ``tables.md``, ``tables.tex`` and ``figures/*.png``; returns the tables.

    Args:
        parts: comparisons; of several, the arms that all of them have are ranked over them.
        out: folder.
    """
    several = len(parts) > 1
    scores = [
        {**({"dataset": part.about["dataset"] or part.about["name"]} if several else {}),
         "condition": part.about["condition"], **record}
        for part in parts for record in part.records
    ]  # fmt: skip
    write_scores(out / "scores.parquet", scores)
    ranked = ranks_by_metric(parts)
    tables = rank_tables(parts, ranked)
    for part in parts:
        own = comparison_tables(part.records, part.about["reference"])
        own += difference_tables(part.apart, part.about["reference"])
        tables += [table._replace(title=f"{part.label}: {table.title}") for table in own] if len(parts) > 1 else own
    figures = all_figures(parts, ranked)
    for title, data in figures.items():
        with renamed(out / "figures" / f"{_file_name(title)}.png") as place:
            place.write_bytes(figure_bytes(data))
    write_text(out / "tables.md", markdown(tables))
    write_text(out / "tables.tex", latex(tables))
    named = ", ".join(dict.fromkeys(part.label for part in parts))
    write_tables(out / "report.html", "Comparison of models", tables, f"Compared on: {named}.", figures)
    return tables


def rank_tables(parts: Sequence[Part], ranked: Ranked | None = None) -> list[Table]:
    """Mean ranks of the arms that all sets have, a table a measure; none of fewer than two sets or three arms."""
    found = []
    for metric, (names, each) in (ranked or ranks_by_metric(parts)).items():
        if each is not None:
            order, sets = np.argsort(each.mean), len({part.dataset for part in parts})
            rows = [[names[k], f"{each.mean[k]:.2f}"] for k in order]
            title = (
                f"ranks by {metric.replace('_', '-')} over {sets} sets: two further apart than "
                f"{each.critical:.2f} differ (Nemenyi, 5%); all alike: p = {each.p:.2g} (Friedman)"
            )
            found.append(Table(title, ["", "mean rank"], rows))
    return found


def all_figures(parts: Sequence[Part], ranked: Ranked | None = None) -> dict[str, str]:
    """PNG data by title."""
    found: dict[str, str] = {}
    for metric, (names, each) in (ranked or ranks_by_metric(parts)).items():
        if each is not None:
            found[f"ranks by {metric}"] = rank_figure(names, each)
    for part in parts:
        reference, setting = part.about["reference"], part.setting
        where = f"{part.label}: " if len(parts) > 1 else ""
        for metric in ("log_loss", "auroc", "rmse"):
            several = len({r["pattern"] for r in part.records if r["setting"] == setting}) > 1
            if several and leading(part.records, setting, metric, reference):
                found[f"{where}{metric}"] = score_figure(part.records, setting, metric, reference)
            if any((r["setting"], r["metric"]) == (setting, metric) for r in part.apart):
                found[f"{where}{metric}, differences"] = difference_figure(part.apart, setting, metric, reference)
        if part.reliability:
            arms = leading(part.records, setting, "log_loss", reference, 4)
            curves = {arm: part.reliability[arm] for arm in arms}
            found[f"{where}reliability"] = reliability_figure(curves)
    for dataset in dict.fromkeys(part.dataset for part in parts):
        own = [part for part in parts if part.dataset == dataset and part.about["condition"]]
        if len(own) > 1:
            records = {part.about["condition"]: part.records for part in own}
            for metric in ("log_loss", "auroc"):
                if leading(own[0].records, own[0].setting, metric, own[0].about["reference"]):
                    title = (
                        f"{dataset}: {metric} against the condition" if dataset else f"{metric} against the condition"
                    )
                    found[title] = condition_figure(
                        records, own[0].setting, metric, own[0].about["reference"], "condition of training"
                    )
    return found


def ranks_by_metric(parts: Sequence[Part]) -> Ranked:
    """Arms and their ranks by measure, None where there are too few sets or arms."""
    return {metric: _ranks(parts, metric) for metric in RANKED}


def _ranks(parts: Sequence[Part], metric: str) -> tuple[list[str], Ranks | None]:
    """The arms that all sets have, and their ranks by the mean over seeds and tests.

    Conditions of one dataset share its test rows: they are one set, and a score is their mean.
    """
    sets: dict[str, list[dict[str, float]]] = {}
    for part in parts:
        arms = dict.fromkeys(r["model"] for r in part.records if r["setting"] == part.setting)
        values = {arm: by_seed(part.records, part.setting, arm, metric) for arm in arms}
        means = {arm: estimate(list(each.values())).mean for arm, each in values.items() if each}
        sets.setdefault(part.dataset, []).append(means)
    every = [each for own in sets.values() for each in own]
    names = [arm for arm in every[0] if all(arm in each for each in every)] if every else []
    if len(sets) < 2 or len(names) < 3:
        return names, None
    scores = np.array([[np.mean([each[arm] for each in own]) for arm in names] for own in sets.values()])
    return names, ranks(scores, metric in LESS_IS_BETTER)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _file_name(title: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in title).strip("-").replace("--", "-")
