"""What a comparison will take, before it is run."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import mean
from typing import Any

import torch

from sklar.benchmark.grid import Trial
from sklar.data import Dataset
from sklar.report.tables import Table
from sklar.training import train
from sklar.training.run import prepare_run

FEW, MORE = 3, 9  # steps of the two trainings from which the time of the others is guessed


def cells_table(
    dataset: Dataset,
    todo: Sequence[Trial],
    trials: Mapping[str, int],
    results: Sequence[Mapping[str, Any]],
    workers: int,
) -> Table:
    """Arms with their trials still to be run, and what these will take.

    Where trials of an arm are done, their mean time counts. For the others two short trainings with the first trial's
    settings are timed here, and their difference is taken for every step of the schedule: an upper bound on the
    training where it stops early; the scoring is not in it.

    Args:
        dataset: the opened folder.
        todo: trials of the search.
        trials: number of trials of each arm, those of the chosen one with further seeds counted.
        results: of trials that are done.
        workers: how many will run at a time.
    """
    first: dict[str, Trial] = {}
    for trial in todo:
        first.setdefault(trial.arm, trial)
    rows, total = [], 0.0
    for arm, number in trials.items():
        own = [r for r in results if r["arm"] == arm]
        known = [r["seconds"] for r in own if "seconds" in r and "error" not in r]
        left = max(0, number - len(own))
        each = mean(known) if known else (_probe(dataset, first[arm]) if left else 0.0)
        total += left * each
        rows.append([arm, str(number), str(number - left), f"{each:.0f}", "measured" if known else "guessed"])
    title = f"about {_words(total / workers)} with {workers} at a time (a guess counts every step, no scoring)"
    return Table(title, ["", "trials", "done", "seconds a trial", ""], rows)


def _probe(dataset: Dataset, trial: Trial) -> float:
    found = []
    for steps in (FEW, MORE):
        model, rows, validation = prepare_run(trial.rows(dataset), trial.run)
        started = time.monotonic()
        with warnings.catch_warnings(), torch.random.fork_rng():
            warnings.simplefilter("ignore")
            train(model, rows, validation, replace(trial.run.schedule, steps=steps), trial.run.seed, progress=False)
        found.append(time.monotonic() - started)
    step = max(0.0, (found[1] - found[0]) / (MORE - FEW))
    return found[0] + (trial.run.schedule.steps - FEW) * step


def _words(seconds: float) -> str:
    return f"{seconds / 3600:.1f} hours" if seconds >= 5400 else f"{max(1, round(seconds / 60))} minutes"
