"""One trial of a comparison: a model trained and scored, a file a trial."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from sklar.benchmark.grid import Trial
from sklar.copulas.patterns import all_patterns
from sklar.data import Dataset, open_dataset
from sklar.evaluation import Record, evaluate_rows, pattern_name
from sklar.models import FusionModel
from sklar.training import train
from sklar.training.feed import Feed, remove
from sklar.training.files import write_json
from sklar.training.rows import usable
from sklar.training.run import prepare_run
from sklar.training.schedule import seed_of

TEST = 8  # stream of the random numbers that remove modalities from the rows scored


def run_trial(trial: Trial, file: Path) -> None:
    """Train and score, and write the result: a failure is a result as well, with its error.

    Args:
        trial: what to do.
        file: of the result: ``{arm, seed, number, choice, validation_loss, scores}``, or ``error`` instead of the last
            two.
    """
    result: dict[str, Any] = {"arm": trial.arm, "seed": trial.seed, "number": trial.number, "choice": trial.choice}
    try:
        dataset = open_dataset(trial.run.data)
        model, rows, validation = prepare_run(dataset, trial.run)
        with torch.random.fork_rng():
            loss = train(model, rows, validation, trial.run.schedule, trial.run.seed, progress=False)
        # Of the calibrated predictions, where there are such: how sure a method is by itself is not held against it.
        calibrated = _overall(model, validation).get("log_loss", loss)
        result |= {"validation_loss": calibrated, "scores": scores(model, dataset, trial)}
    except (ValueError, KeyError, TypeError, RuntimeError, ImportError) as error:
        result["error"] = f"{type(error).__name__}: {error}"
    write_json(file, result)


def scores(model: FusionModel, dataset: Dataset, trial: Trial) -> list[Record]:
    """Scores of a model, ``{setting, pattern, ...}`` each: ``tests`` by mechanism, ``patterns`` by pattern."""
    part = usable(dataset.part(trial.split), model.names, trial.run.matched)
    records = []
    for label, missing in trial.tests.items():
        left = remove(part, model, missing, seed_of(trial.seed, TEST) % 2**31)
        records.append({"setting": "tests", "pattern": label, **_overall(model, Feed(left, model))})
    if trial.patterns == "none":
        return records
    every = Feed(part, model)
    complete = every.observed.all(-1)
    for pattern in all_patterns(len(model.names)):
        if trial.patterns == "all" or int(pattern.sum()) == 1:
            batch = every[complete.nonzero().flatten()].see(pattern)
            record = {"pattern": pattern_name(model.names, pattern), **_overall(model, batch)}
            records.append({"setting": "patterns", **record})
    return records


def _overall(model: FusionModel, rows: Any) -> Record:
    found = evaluate_rows(model, rows)[0]
    return {name: None if isinstance(v, float) and math.isnan(v) else v for name, v in found.items() if name != "rows"}
