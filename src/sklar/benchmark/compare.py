"""The comparison itself: trials side by side, the best of each arm by its validation rows, tables."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sklar.benchmark.cluster import on_ray
from sklar.benchmark.foresight import cells_table
from sklar.benchmark.grid import BenchmarkConfig, Trial, trials, version_of
from sklar.benchmark.predictions import read_predictions
from sklar.benchmark.progress import Progress, shown
from sklar.benchmark.significance import differences
from sklar.benchmark.summary import ABOUT, read_part, write_summary
from sklar.benchmark.tidy import write_times
from sklar.benchmark.trial import run_trial, scored
from sklar.benchmark.workers import REMEDY, side_by_side
from sklar.data import Dataset, open_dataset
from sklar.evaluation import Record, reliability
from sklar.report.tables import Table, print_table
from sklar.training.files import write_json, write_text
from sklar.training.inputs import TASKS, chosen_modalities
from sklar.training.run import content_digest, prepare_run, to_yaml, with_absolute_paths

AGAIN = ("MemoryError", "OSError", "OutOfMemoryError", "BrokenProcessPool")  # failures that another run may not have
_Scored = tuple[Tensor, np.ndarray]  # labels and persons of the rows scored


def run_benchmark(config: BenchmarkConfig) -> list[Record]:
    """Run what is not done yet, print the tables, write what was found; a stopped comparison goes on where it was.

    The folder gets ``scores.parquet``, all scores, a row a number; ``times.parquet``, the seconds of each trial;
    ``report.html``, ``tables.md``, ``tables.tex`` and ``figures``; for each dataset and condition ``results.json``, the
    scores; ``differences.json``, the distances from the reference with their intervals; ``reliability.json``; and
    ``chosen/ARM.yaml``, each arm's chosen settings for `sklar train`.

    Args:
        config: what is compared, on one dataset and condition or on several, one after the other.

    Returns:
        Scores of each arm's chosen trial, a record a seed and test, of each dataset and condition.

    Raises:
        FileNotFoundError, ValueError, KeyError, TypeError: data or settings that make no run, before any is trained.
    """
    parts = config.parts()
    made: dict[tuple[str, str], _Made] = {}
    for (dataset, condition), part in parts.items():
        if dataset or condition:
            print(" / ".join(filter(None, (dataset, condition))))
        one = _compare(part, {"dataset": dataset, "condition": condition})
        if one is not None:
            made[dataset, condition] = one
    if not made:
        return []
    scores: list[Record] = []
    times: list[Record] = []
    for where, one in made.items():
        label = {name: word for name, word in zip(("dataset", "condition"), where, strict=True) if word}
        scores += [{**label, **record} for record in one.scores]
        times += [{**label, **record} for record in one.times]
    write_times(config.run.out / "times.parquet", times)
    if len(made) == len(parts):
        for table in write_summary([read_part(part.run.out) for part in parts.values()], config.run.out):
            print_table(table)
        print(f"\nReport: {config.run.out / 'report.html'}\nScores: {config.run.out / 'scores.parquet'}")
    return scores


class _Made(NamedTuple):
    """What was found on one dataset under one condition: scores of the chosen trials, seconds of all."""

    scores: list[Record]
    times: list[Record]


def _compare(config: BenchmarkConfig, about: dict[str, str]) -> _Made | None:
    """The comparison on one dataset under one condition; None where it is not finished."""
    as_given, config = config, replace(config, run=with_absolute_paths(config.run))
    dataset = open_dataset(config.run.data, verify=True)
    todo = list(trials(config))
    for trial in {trial.arm: trial for trial in todo}.values():
        try:
            prepare_run(trial.rows(dataset), trial.run)
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"models, {trial.arm!r}: {error.args[0]}") from error
    key = content_digest(dataset), version_of(config)
    files = _files(config, todo, key)
    done = [_named(trial, result) for trial, file in zip(todo, files, strict=True) if (result := _finished(file))]
    print(f"{len(config.models)} models, {config.seeds} seeds: {len(todo)} trials, {len(done)} done")
    if config.dry_run:
        print_table(cells_table(dataset, todo, _numbers(config, todo), done, _workers(config)))
        return None
    if not _run(config, todo, files):
        return None
    searched = _read(todo, files)
    best = choose(searched, list(config.models))
    rest = list(trials(config, best))
    if rest:
        print(f"\nthe chosen ones with the other seeds: {len(rest)} trials")
    others = _files(config, rest, key)
    if not _run(config, rest, others):
        return None
    files, results = files + others, searched + _read(rest, others)
    by_arm = {
        arm: [(r, file) for r, file in zip(results, files, strict=True) if (r["arm"], r["number"]) == (arm, number)]
        for arm, number in best.items()
    }
    whole = {arm: own for arm, own in by_arm.items() if not any("error" in result for result, _ in own)}
    chosen = [
        {"model": arm, "seed": result["seed"], **score}
        for arm, own in whole.items() for result, _ in own for score in result["scores"]
    ]  # fmt: skip
    write_json(config.run.out / "results.json", chosen)
    kept = {arm: [file for _, file in own] for arm, own in whole.items()}
    task, rows = TASKS.get(dataset.task, dataset.task), _scored(config, dataset)
    write_json(config.run.out / "differences.json", _differences(config, task, rows, kept))
    write_json(config.run.out / "reliability.json", _reliability(config, task, rows, kept))
    for trial in trials(as_given):
        if trial.seed == config.run.seed and best.get(trial.arm) == trial.number:
            run = replace(trial.run, out=as_given.run.out / "runs" / trial.arm)
            write_text(config.run.out / "chosen" / f"{trial.arm}.yaml", to_yaml(run))
    print_table(choice_table(searched, best, list(config.models)))
    for result in results:
        if "error" in result:
            print(f"failed: {result['arm']}, seed {result['seed']}, {result['choice']}: {result['error']}")
    where = {**about, "name": dataset.name, "labelled": config.run.labelled}
    write_json(config.run.out / ABOUT, {"reference": config.reference, **where})
    return _Made(chosen, [_time(result) for result in results])


def _time(result: Mapping[str, Any]) -> Record:
    """Seconds of a trial (none where an earlier version made it)."""
    return {
        "model": result["arm"], "seed": result["seed"], "trial": result["number"], "seconds": result.get("seconds"),
        "failed": "error" in result,
    }  # fmt: skip


def _numbers(config: BenchmarkConfig, todo: Sequence[Trial]) -> dict[str, int]:
    """Number of trials of each arm: of the search, and of the chosen one with the seeds that take no part in it."""
    found = dict.fromkeys(config.models, 0)
    for trial in todo:
        found[trial.arm] += 1
    others = config.seeds - (config.search_seeds or config.seeds)
    return {arm: number + others for arm, number in found.items()}


def _workers(config: BenchmarkConfig) -> int:
    return config.processes or os.cpu_count() or 1


def _differences(
    config: BenchmarkConfig, task: str, rows: Sequence[_Scored], files: Mapping[str, Sequence[Path]]
) -> list[Record]:
    """Distances from the reference of the arms that finished, in each setting; files are in the order of the seeds."""
    if config.reference not in files:
        return []
    found: list[Record] = []
    for setting in ("tests", "patterns"):
        said = {
            arm: [read_predictions(file.with_suffix(".parquet"), setting) for file in own] for arm, own in files.items()
        }
        if said[config.reference][0]:
            records = differences(said, config.reference, task, rows)
            found += [{"setting": setting, **record} for record in records]
    return found


def _scored(config: BenchmarkConfig, dataset: Dataset) -> list[_Scored]:
    """Labels and persons of the rows scored, of each seed."""
    names, found = chosen_modalities(dataset, config.run.modalities), []
    for seed in range(config.seeds):
        part = dataset if config.folds is None else dataset.fold(config.folds, seed)
        part, target = scored(part, names, config.split, config.run.matched)
        found.append((target, part.group_id))
    return found


def _reliability(
    config: BenchmarkConfig, task: str, rows: Sequence[_Scored], files: Mapping[str, Sequence[Path]]
) -> dict[str, list[tuple[float, float, int]]]:
    """Points of each arm's reliability curve, all seeds and tests together (patterns where there are no tests)."""
    if task != "classification":
        return {}
    setting, found = "tests" if config.tests else "patterns", {}
    for arm, own in files.items():
        said = [
            (each.mean, target[each.rows])
            for file, (target, _) in zip(own, rows, strict=True)
            for each in read_predictions(file.with_suffix(".parquet"), setting).values()
        ]
        if said:
            mean, truth = (torch.cat(values) for values in zip(*said, strict=True))
            found[arm] = reliability(mean, truth)
    return found


def _files(config: BenchmarkConfig, todo: Sequence[Trial], key: tuple[str, str]) -> list[Path]:
    """Where the results of trials are, or will be."""
    return [config.run.out / "trials" / f"{trial.key(*key)}.json" for trial in todo]


def _run(config: BenchmarkConfig, todo: Sequence[Trial], files: Sequence[Path]) -> bool:
    """Run the shard's trials that have no result; whether all of them have one then."""
    every = enumerate(zip(todo, files, strict=True))
    mine = [pair for place, pair in every if config.mine(place)]
    done = [(trial, file, result) for trial, file in mine if (result := _finished(file)) is not None]
    known = {file for _, file, _ in done}
    jobs = list({file: (trial, file) for trial, file in mine if file not in known}.values())  # arms alike run once
    if jobs:
        progress = Progress(Counter(trial.arm for trial, _ in mine))
        progress.known(_named(trial, result) for trial, _, result in done)
        engine = on_ray if config.engine == "ray" else side_by_side
        with shown(progress) as show:
            for (trial, file), _ in engine(_job, jobs, config.processes, _lost):
                progress.add(*_read([trial], [file]))
                show()
    lacking = sum(not file.is_file() for file in files)  # failed ones are tried again by the next run
    if lacking:
        print(f"{lacking} of {len(files)} trials are other shards'; when they are done, run this again")
    return not lacking


def _read(todo: Sequence[Trial], files: Sequence[Path]) -> list[dict[str, Any]]:
    """Results of trials."""
    found = zip(todo, files, strict=True)
    return [_named(trial, json.loads(file.read_text(encoding="utf-8"))) for trial, file in found]


def _named(trial: Trial, result: dict[str, Any]) -> dict[str, Any]:
    """A trial's result by its own label: another comparison may have made it, under another."""
    return result | {"arm": trial.arm, "number": trial.number}


def _finished(file: Path) -> dict[str, Any] | None:
    """A trial's result, if it has one; a trial that failed for want of memory, disk or its process is tried again."""
    if not file.is_file():
        return None
    result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return None if result.get("error", "").startswith(AGAIN) else result


def _job(job: tuple[Trial, Path]) -> None:
    run_trial(*job)


def _lost(job: tuple[Trial, Path]) -> None:
    """What is known of a trial whose process the system ended, each time that it was tried."""
    trial, file = job
    if _finished(file) is None:  # it may have ended after its last word
        about = {"arm": trial.arm, "seed": trial.seed, "number": trial.number, "choice": trial.choice}
        write_json(file, about | {"error": f"BrokenProcessPool: its process was ended; {REMEDY}"})


def choose(results: Sequence[dict[str, Any]], arms: Sequence[str]) -> dict[str, int]:
    """Each arm's best trial: the lowest validation loss averaged over the seeds, of those that no seed failed.

    Args:
        results: of all trials, see `run_trial`.
        arms: labels in order; one without such a trial is left out.
    """
    found = {arm: losses(results, arm) for arm in arms}
    return {arm: min(whole, key=lambda n: (whole[n], n)) for arm, whole in found.items() if whole}


def losses(results: Sequence[dict[str, Any]], arm: str) -> dict[int, float]:
    """Mean validation loss of an arm's trials that finished with every seed."""
    seeds = {result["seed"] for result in results}
    each: dict[int, dict[int, float]] = {}
    for result in results:
        if result["arm"] == arm and "error" not in result:
            each.setdefault(result["number"], {})[result["seed"]] = result["validation_loss"]
    return {number: mean(values.values()) for number, values in each.items() if set(values) == seeds}


def choice_table(results: Sequence[dict[str, Any]], best: Mapping[str, int], arms: Sequence[str]) -> Table:
    """What was chosen for each arm, of how many trials."""
    rows = []
    for arm in arms:
        whole = losses(results, arm)
        if arm not in best:
            rows.append([arm, "-", "no trial that finished with every seed"])
            continue
        choice = next(r["choice"] for r in results if (r["arm"], r["number"]) == (arm, best[arm]))
        words = ", ".join(f"{name} {value}" for name, value in choice.items()) or "the defaults"
        rows.append([arm, f"{whole[best[arm]]:.4f}", f"{words} (of {len(whole)})"])
    return Table("chosen by the validation loss", ["", "validation loss", "choice"], rows)
