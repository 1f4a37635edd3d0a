"""A learning curve over the number of labels: what rows without a label are worth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from sklar.evaluation import Record, estimate, paired_difference
from sklar.report.tables import Table, plus_minus, print_table
from sklar.training import RunConfig, evaluate_run, train_run
from sklar.training.run import write_text


@dataclass(frozen=True)
class CurveConfig:
    """Runs that differ in the number of labelled training rows, with the other rows and without them.

    Attributes:
        run: what all runs share; their folders lie in its ``out``.
        labelled: numbers of labelled rows.
        seeds: runs of each number, with seeds from the run's own on.
        unlabelled: whether the rows without a label take part, one arm a value.
        split: on which rows of the data set the runs are scored.
    """

    run: RunConfig
    labelled: list[int] = field(default_factory=lambda: [100, 200, 500, 1000])
    seeds: int = 3
    unlabelled: list[bool] = field(default_factory=lambda: [True, False])
    split: str = "test"

    def __post_init__(self) -> None:
        if not self.labelled or min(self.labelled) < 1 or self.seeds < 1 or not self.unlabelled:
            raise ValueError("a curve needs numbers of labels from 1 on, at least one seed, and one arm")

    def cells(self) -> Iterator[tuple[int, bool, int, RunConfig]]:
        """Number of labels, whether others take part, seed, and the run."""
        for number in self.labelled:
            for others in self.unlabelled:
                for seed in range(self.run.seed, self.run.seed + self.seeds):
                    name = f"{number}-{'with' if others else 'without'}-unlabelled-seed-{seed}"
                    out = self.run.out / name
                    yield (
                        number,
                        others,
                        seed,
                        replace(self.run, out=out, labelled=number, unlabelled=others, seed=seed),
                    )


def run_curve(config: CurveConfig) -> list[Record]:
    """Train and score every cell, print the tables, write ``curve.json``; a stopped curve goes on where it was."""
    records: list[Record] = []
    cells = list(config.cells())
    for done, (number, others, seed, run) in enumerate(cells, 1):
        scores = evaluate_run(train_run(run, progress=False), split=config.split)[0]
        records.append({"labelled": number, "unlabelled": others, "seed": seed, **scores})
        print(f"  {run.out.name} done ({done} of {len(cells)})", flush=True)
    path = Path(config.run.out) / "curve.json"
    write_text(path, json.dumps(records, indent=1) + "\n")
    for table in curve_tables(records):
        print_table(table)
    print(f"\nScores: {path}")
    return records


def curve_tables(records: list[Record]) -> list[Table]:
    """Scores by number of labels, a table an arm; and their paired differences where there are two arms."""
    metrics = [m for m in records[0] if m not in ("labelled", "unlabelled", "seed", "rows", "number")]
    numbers = sorted({r["labelled"] for r in records})
    arms = sorted({r["unlabelled"] for r in records})
    seeds = len({r["seed"] for r in records})

    def cell(number: int, arm: bool, metric: str) -> dict[int, float]:
        return {r["seed"]: r[metric] for r in records if (r["labelled"], r["unlabelled"]) == (number, arm)}

    tables = []
    for arm in arms:
        rows = [
            [str(n), *(plus_minus(estimate(list(cell(n, arm, m).values()))) for m in metrics)] for n in numbers
        ]  # fmt: skip
        title = "the other rows without a label" if arm else "labelled rows alone"
        tables.append(Table(f"{title}: mean of {seeds} seeds +- standard error", ["labels", *metrics], rows))
    if len(arms) == 2:
        rows = [
            [str(n), *(plus_minus(paired_difference(cell(n, True, m), cell(n, False, m))) for m in metrics)]
            for n in numbers
        ]
        tables.append(Table("with unlabelled rows minus without, paired by seed", ["labels", *metrics], rows))
    return tables
