"""The comparison itself: trials side by side, the best of each arm by its validation rows, tables."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

from sklar.benchmark.grid import BenchmarkConfig, Trial, trials, version_of
from sklar.benchmark.trial import read_trial, run_trial
from sklar.benchmark.workers import side_by_side
from sklar.data import open_dataset
from sklar.evaluation import Record
from sklar.report.comparison import comparison_tables
from sklar.report.tables import Table, print_table
from sklar.training.files import write_json
from sklar.training.run import content_digest, prepare_run, with_absolute_paths


def run_benchmark(config: BenchmarkConfig) -> list[Record]:
    """Run what is not done yet, print the tables, write ``results.json``; a stopped comparison goes on where it was.

    Args:
        config: what is compared.

    Returns:
        Scores of each arm's chosen trial, a record a seed and test.

    Raises:
        FileNotFoundError, ValueError, KeyError, TypeError: data or settings that make no run, before any is trained.
    """
    config = replace(config, run=with_absolute_paths(config.run))
    dataset = open_dataset(config.run.data, verify=True)
    todo = list(trials(config))
    for trial in {trial.arm: trial for trial in todo}.values():
        try:
            prepare_run(dataset, trial.run)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"models, {trial.arm!r}: {error.args[0]}") from error
    content, version = content_digest(dataset), version_of(config)
    files = {id(trial): config.run.out / "trials" / f"{trial.key(content, version)}.json" for trial in todo}
    waiting = [trial for trial in todo if not files[id(trial)].is_file()]
    print(f"{len(config.models)} models, {config.seeds} seeds: {len(todo)} trials, {len(todo) - len(waiting)} done")
    if config.dry_run:
        return []
    jobs = [(trial, files[id(trial)]) for trial in waiting]
    started = time.monotonic()
    for number, ((trial, _), _) in enumerate(side_by_side(partial(_job), jobs, config.processes), 1):
        left = (time.monotonic() - started) / number * (len(jobs) - number) / 60
        said = f"  {number} of {len(jobs)}, {left:.0f} min left ({trial.arm}, seed {trial.seed})"
        print(f"\r{said:78s}", end="", flush=True)
    results = [found for trial in todo if (found := read_trial(files[id(trial)])) is not None]
    chosen, table = choose(results, list(config.models))
    write_json(config.run.out / "results.json", chosen)
    print()
    print_table(table)
    for each in comparison_tables(chosen, config.reference):
        print_table(each)
    for result in results:
        if "error" in result:
            print(f"failed: {result['arm']}, seed {result['seed']}, {result['choice']}: {result['error']}")
    return chosen


def _job(job: tuple[Trial, Path]) -> None:
    run_trial(*job)


def choose(results: Sequence[dict[str, Any]], arms: Sequence[str]) -> tuple[list[Record], Table]:
    """The scores of each arm's best trial, and a table of what was chosen.

    The best has the lowest validation loss averaged over the seeds, among the trials that no seed failed.

    Args:
        results: of all trials, see `run_trial`.
        arms: labels in order.
    """
    seeds = {result["seed"] for result in results}
    records: list[Record] = []
    rows = []
    for arm in arms:
        losses: dict[int, dict[int, float]] = {}
        for result in results:
            if result["arm"] == arm and "error" not in result:
                losses.setdefault(result["number"], {})[result["seed"]] = result["validation_loss"]
        whole = {number: mean(found.values()) for number, found in losses.items() if set(found) == seeds}
        if not whole:
            rows.append([arm, "-", "no trial that finished with every seed"])
            continue
        best = min(whole, key=lambda number: (whole[number], number))
        mine = [r for r in results if r["arm"] == arm and r["number"] == best]
        records += [{"model": arm, "seed": r["seed"], **score} for r in mine for score in r["scores"]]
        words = ", ".join(f"{name} {value}" for name, value in mine[0]["choice"].items()) or "the defaults"
        rows.append([arm, f"{whole[best]:.4f}", f"{words} (of {len(whole)})"])
    return records, Table("chosen by the validation loss", ["", "validation loss", "choice"], rows)
