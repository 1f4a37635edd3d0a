"""A learning curve over the number of labels: what rows without a label are worth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from sklar.data import open_dataset
from sklar.evaluation import Record, estimate, paired_difference
from sklar.report.tables import Table, plus_minus, print_table
from sklar.training import RunConfig, evaluate_run, train_run
from sklar.training.files import write_json
from sklar.training.rows import keep_labels, labelled, split_rows


@dataclass(frozen=True)
class CurveConfig:
    """Runs that differ in the number of labelled training rows, with the other rows and without them.

    Attributes:
        run: what all runs share; their folders lie in its ``out``. Its own ``labelled`` and ``unlabelled`` stay as they
            are by default.
        labelled: numbers of labelled rows.
        seeds: runs of each number, with seeds from the run's own on.
        unlabelled: whether the rows without a label take part, one arm a value.
        split: on which rows of the data set the runs are scored: validation or test.
    """

    run: RunConfig
    labelled: list[int] = field(default_factory=lambda: [100, 200, 500, 1000])
    seeds: int = 3
    unlabelled: list[bool] = field(default_factory=lambda: [True, False])
    split: str = "test"

    def __post_init__(self) -> None:
        if not self.labelled or min(self.labelled) < 1 or self.seeds < 1 or not self.unlabelled:
            raise ValueError("a curve needs numbers of labels from 1 on, at least one seed, and one arm")
        for name, values in (("labelled", self.labelled), ("unlabelled", self.unlabelled)):
            if len(set(values)) < len(values):
                raise ValueError(f"{name}: {values} names something twice")
        if self.run.labelled is not None or not self.run.unlabelled:
            raise ValueError("run.labelled and run.unlabelled are what a curve varies; give labelled and unlabelled")
        if self.split not in ("validation", "test"):
            raise ValueError(f"unknown split {self.split!r}; choose validation or test")

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
    """Train and score every cell, print the tables, write ``curve.json``; a stopped curve goes on where it was.

    Raises:
        ValueError: fewer labels than one of the numbers, or no labelled rows to score on, before anything is trained.
    """
    records: list[Record] = []
    cells = list(config.cells())
    dataset = open_dataset(config.run.data)
    for _, _, _, run in cells:
        keep_labels(split_rows(dataset, run)[0], run)
    if not bool(labelled(dataset.part(config.split)).any()):
        raise ValueError(f"{config.run.data} has no labelled rows whose split is {config.split!r}")
    for done, (number, others, seed, run) in enumerate(cells, 1):
        scores = evaluate_run(train_run(run, progress=False), split=config.split)[0]
        records.append({"labelled": number, "unlabelled": others, "seed": seed, **scores})
        print(f"  {run.out.name} done ({done} of {len(cells)})", flush=True)
    path = Path(config.run.out) / "curve.json"
    write_json(path, records)
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
