"""One trial of a comparison: a model trained and scored, two files a trial."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sklar.benchmark.evidence import alignment, imputation
from sklar.benchmark.grid import Trial
from sklar.benchmark.predictions import Said, write_predictions
from sklar.copulas.patterns import all_patterns
from sklar.data import Dataset, Rows, open_dataset
from sklar.evaluation import SCORES, Record, evaluate_rows, pattern_name, predict_rows
from sklar.models import FusionModel
from sklar.training import train
from sklar.training.feed import Feed, remove
from sklar.training.files import write_json
from sklar.training.rows import labelled, usable
from sklar.training.run import prepare_run
from sklar.training.schedule import seed_of

TEST = 8  # stream of the random numbers that remove modalities from the rows scored


def run_trial(trial: Trial, file: Path) -> None:
    """Train and score, and write the result: a failure is a result as well, with its error.

    Args:
        trial: what to do.
        file: of the result: ``{arm, seed, number, choice, validation_loss, scores, seconds}``, or ``error`` instead of
            loss and scores. What was said of every row scored lies beside it, see `sklar.benchmark.predictions`.
    """
    started = time.monotonic()
    result: dict[str, Any] = {"arm": trial.arm, "seed": trial.seed, "number": trial.number, "choice": trial.choice}
    try:
        dataset = trial.rows(open_dataset(trial.run.data))
        model, rows, validation = prepare_run(dataset, trial.run)
        with torch.random.fork_rng():
            loss = train(model, rows, validation, trial.run.schedule, trial.run.seed, progress=False)
        # Of the calibrated predictions, where there are such: how sure a method is by itself is not held against it.
        calibrated = evaluate_rows(model, validation)[0].get("log_loss", loss)
        part, target = scored(dataset, model.names, trial.split, trial.run.matched)
        said = list(predictions(model, part, trial))
        score = SCORES[model.settings["task"]]
        result |= {
            "validation_loss": calibrated,
            "scores": [
                *({"setting": each.setting, "pattern": each.pattern, "number": len(each.rows),
                   **_finite(score(each.mean, target[each.rows]))} for each in said),
                *(_finite(record) for record in beside(model, part, trial, rows)),
            ],
        }  # fmt: skip
        write_predictions(file.with_suffix(".parquet"), said)
    except Exception as error:  # whatever it is, the other trials go on
        result["error"] = f"{type(error).__name__}: {error}"
    write_json(file, result | {"seconds": round(time.monotonic() - started, 3)})


def scored(dataset: Dataset, names: list[str], split: str, matched: bool) -> tuple[Dataset, Tensor]:
    """The labelled rows that a trial is scored on, and their labels.

    Args:
        dataset: the opened folder.
        names: modalities of the model.
        split: which rows.
        matched: only rows with all of them.

    Raises:
        ValueError: there are none.
    """
    part = usable(dataset.part(split), names, matched)
    part = part.take(labelled(part))
    if len(part) == 0 or part.target is None:
        raise ValueError(f"{dataset.name}: no {split} row that the model can see has a label to score on")
    return part, part.target


def predictions(model: FusionModel, part: Dataset, trial: Trial) -> Iterator[Said]:
    """What a model says: ``tests`` by mechanism, ``patterns`` by pattern.

    Args:
        model: a trained model.
        part: the rows to score, from `scored`.
        trial: its tests and patterns.

    Raises:
        ValueError: a mechanism that the rows do not allow.
    """
    for label, missing in trial.tests.items():
        left = remove(part, model, missing, seed_of(trial.seed, TEST) % 2**31)
        yield _said("tests", label, model, Feed(left, model), torch.arange(len(part)))
    patterns = chosen_patterns(len(model.names), trial.patterns)
    if not len(patterns):
        return
    every = Feed(part, model)
    complete = every.observed.all(-1).nonzero().flatten()
    rows = every[complete]
    for pattern in patterns:
        yield _said("patterns", pattern_name(model.names, pattern), model, rows.see(pattern), complete)


def beside(model: FusionModel, part: Dataset, trial: Trial, rows: Rows) -> Iterator[Record]:
    """The other kinds of evidence that a trial asks for, on the complete rows.

    Args:
        model: a trained model.
        part: the rows to score, from `scored`.
        trial: its evidence and patterns.
        rows: that it was trained on.
    """
    if not trial.evidence:
        return
    every = Feed(part, model)
    complete = every[every.observed.all(-1).nonzero().flatten()]
    learned = model.some(rows, trial.seed)
    if "imputation" in trial.evidence:
        seed = seed_of(trial.seed, TEST) % 2**31
        yield from imputation(model, complete, chosen_patterns(len(model.names), trial.patterns), seed, learned)
    if "alignment" in trial.evidence:
        yield from alignment(model, complete, learned)


def chosen_patterns(modalities: int, which: str) -> Tensor:
    """Patterns by the name in `PATTERNS`, bool ``(P, M)``."""
    every = all_patterns(modalities)
    return every[{"none": every.sum(-1) < 0, "single": every.sum(-1) == 1, "all": every.any(-1)}[which]]


def _said(setting: str, label: str, model: FusionModel, rows: Rows, places: Tensor) -> Said:
    return Said(setting, label, places, predict_rows(model, rows).mean)


def _finite(record: Record) -> Record:
    return {name: None if isinstance(v, float) and math.isnan(v) else v for name, v in record.items()}
