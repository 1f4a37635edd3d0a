"""One command from raw files to AUROC: the PhysioNet 2012 challenge and the eICU demo, beside what they must beat."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sklar.benchmark.baselines import logistic, summary_features
from sklar.benchmark.workers import side_by_side
from sklar.clinical import READERS
from sklar.clinical.split import stratified_part
from sklar.data import Dataset, check_dataset, open_dataset
from sklar.evaluation import Record, class_scores, predict_rows
from sklar.evaluation.bootstrap import auroc, bootstrap
from sklar.report.pages import write_tables
from sklar.report.tables import Table, print_table
from sklar.training import Feed, RunConfig, Schedule, train
from sklar.training.files import write_json
from sklar.training.inputs import make_run_model

FOLDS = 5
OURS = "variational_copula"


@dataclass(frozen=True)
class Study:
    """A clinical data set, how its test rows are set apart, and what is trained on the others.

    Attributes:
        name: of the reader.
        reference: column of the samples with a published score of the same rows.
        title: of that score.
        settings: of the model.
        schedule: of its training.
        encoders: see `RunConfig`.
    """

    name: str
    reference: str
    title: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    schedule: Schedule = field(default_factory=Schedule)
    encoders: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


# Chosen on held-out parts of PhysioNet's set a, before other defaults were found better on small data sets.
CHOSEN = {
    "weight": 0.006, "marginal": "independent", "correlation": 0.5, "cross_drop": 0.5,
    "hidden": 64, "dropout": 0.1, "recipe": {"single": 0.0, "draws": 16, "blend": 0.5},
}  # fmt: skip
STUDIES = {
    study.name: study
    for study in (
        Study("physionet2012", "saps_i", "SAPS-I", CHOSEN,
              Schedule(steps=400, learning_rate=2e-3, average=0.0, check_every=1, patience=8)),
        Study("eicu-demo", "apache_iva", "APACHE IVa", CHOSEN,
              Schedule(steps=120, learning_rate=2e-3, average=0.0, check_every=1, patience=5)),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Fold:
    """Learning rows in parts, each of which is held out once, and test rows; numbers of the data set's rows."""

    name: str
    parts: tuple[np.ndarray, ...]
    test: np.ndarray


def folds_of(dataset: Dataset, seed: int) -> list[Fold]:
    """The test sets of a data set: five by patient where it has a column ``fold``, else its own test split.

    Learning rows are cut into parts: the other folds, or five parts stratified by label.
    """
    try:
        number = dataset.column("fold")
    except KeyError:
        split = dataset.split
        rows = np.flatnonzero(split != "test")
        label = dataset.target[torch.as_tensor(rows)].numpy()  # type: ignore[index]
        parts = []
        for k in range(FOLDS, 1, -1):
            chosen = stratified_part(label, round(len(rows) / k), seed + k)
            parts.append(rows[chosen])
            rows, label = rows[~chosen], label[~chosen]
        return [Fold("test", (*parts, rows), np.flatnonzero(split == "test"))]
    every = [np.flatnonzero(number == k) for k in range(FOLDS)]
    return [Fold(f"fold-{k}", tuple(rows for j, rows in enumerate(every) if j != k), every[k]) for k in range(FOLDS)]


@dataclass(frozen=True)
class _Job:
    fold: int
    part: int


def run_study(name: str, raw: Path, out: Path, seed: int = 0, processes: int | None = None) -> list[Record]:
    """Prepare the data, train a model for each held-out part, average their predictions, score them; print and write.

    A stopped study goes on where it was.

    Args:
        name: a key of `STUDIES`.
        raw: the raw files.
        out: folder of the data, the models, ``results.json`` and ``report.html``.
        seed: of parts, weights and draws.
        processes: models trained side by side; default one a core.

    Raises:
        ValueError: what is wrong with the raw files.
    """
    study = STUDIES[name]
    folder = out / "data"
    _refuse_other_files(name, raw, out)
    if not (folder / "dataset.json").is_file() or any(problem.is_error for problem in check_dataset(folder)):
        READERS[name](raw=raw, out=folder)
    dataset = open_dataset(folder)
    print(f"{dataset.name}: {len(dataset)} stays, {int((dataset.target == 1).sum())} deaths")  # type: ignore[union-attr]
    folds = folds_of(dataset, seed)
    jobs = [_Job(f, p) for f, fold in enumerate(folds) for p in range(len(fold.parts))]
    predicted: dict[_Job, np.ndarray] = {}
    function = partial(_train, study=study, out=out, seed=seed)
    for number, (job, found) in enumerate(side_by_side(function, jobs, processes), 1):
        predicted[job] = found
        print(f"  {folds[job.fold].name}, part {job.part}: done ({number} of {len(jobs)})", flush=True)
    rivals = dict(side_by_side(partial(_baselines, out=out, seed=seed), range(len(folds)), processes))
    columns = {name: np.concatenate([rivals[f][name] for f in range(len(folds))]) for name in rivals[0]}
    test = np.concatenate([fold.test for fold in folds])
    columns = {OURS: np.concatenate([
        np.mean([predicted[_Job(f, p)] for p in range(len(fold.parts))], 0) for f, fold in enumerate(folds)
    ])} | columns  # fmt: skip
    rows = dataset.take(torch.as_tensor(test))
    single = [
        class_scores(_two(predicted[job]), dataset.target[torch.as_tensor(folds[job.fold].test)])["auroc"]  # type: ignore[index]
        for job in jobs
    ]
    records, tables = _scores(study, rows, columns, seed)
    for table in tables:
        print_table(table)
    print(f"\nOne model alone: AUROC {np.mean(single):.3f} +- {np.std(single):.3f} (sd over {len(single)} models)")
    write_json(out / "results.json", records)
    write_tables(out / "report.html", f"{dataset.name}: in-hospital death", tables, _about(study, dataset, folds))
    print(f"Report: {out / 'report.html'}\nResults: {out / 'results.json'}")
    return records


def _refuse_other_files(name: str, raw: Path, out: Path) -> None:
    """What was prepared from other raw files is not taken for these.

    Raises:
        FileNotFoundError: no raw files. ValueError: ``out`` holds a study of something else.
    """
    if not raw.exists():
        raise FileNotFoundError(f"no raw files at {raw}")
    files = sorted(path for path in (raw.rglob("*") if raw.is_dir() else [raw]) if path.is_file())
    stamp = [name, [[str(path.relative_to(raw)), path.stat().st_size, path.stat().st_mtime_ns] for path in files]]
    mark = out / "raw.json"
    if (mark.is_file() and json.loads(mark.read_text()) != stamp) or ((out / "data").exists() and not mark.is_file()):
        raise ValueError(f"{out} holds a study of other raw files; give another folder, or delete it to start anew")
    out.mkdir(parents=True, exist_ok=True)
    write_json(mark, stamp)


def _train(job: _Job, study: Study, out: Path, seed: int) -> np.ndarray:
    """Probability of death of a fold's test rows, by a model that learned from all but one part of the others."""
    dataset = open_dataset(out / "data")
    fold = folds_of(dataset, seed)[job.fold]
    learning = np.concatenate([rows for p, rows in enumerate(fold.parts) if p != job.part])
    config = RunConfig(
        out / "data", out / "models" / f"{fold.name}-{job.part}", OURS, dict(study.settings),
        {key: dict(value) for key, value in study.encoders.items()}, schedule=study.schedule, seed=seed + job.part,
    )  # fmt: skip
    model = make_run_model(dataset, config)
    learn, held_out, test = (
        Feed(dataset.take(torch.as_tensor(rows)), model) for rows in (learning, fold.parts[job.part], fold.test)
    )
    train(model, learn, held_out, config.schedule, config.seed, progress=False, folder=config.out)
    return predict_rows(model, test).mean[:, 1].numpy()


def _baselines(number: int, out: Path, seed: int) -> dict[str, np.ndarray]:
    """Predictions for a fold's test rows by what ours is measured against."""
    dataset = open_dataset(out / "data")
    fold = folds_of(dataset, seed)[number]
    features = {
        "logistic regression on summaries": summary_features(dataset),
        "logistic regression on presence": dataset.observed.double().numpy(),
    }
    target = dataset.target.numpy()  # type: ignore[union-attr]
    learning = np.concatenate(fold.parts)
    held_out = [np.isin(learning, part) for part in fold.parts]
    return {name: logistic(x[learning], target[learning], held_out, x[fold.test]) for name, x in features.items()}


def _two(probability: np.ndarray) -> torch.Tensor:
    p = torch.as_tensor(probability, dtype=torch.float64)
    return torch.stack([1 - p, p], -1)


def _scores(study: Study, rows: Dataset, columns: dict[str, np.ndarray], seed: int) -> tuple[list[Record], list[Table]]:
    """Scores and paired differences on all test rows, and on those that the published score knows."""
    positive, groups = (rows.target == 1).numpy(), rows.group_id  # type: ignore[union-attr]
    reference = rows.column(study.reference).astype(float)
    known = ~np.isnan(reference)
    records: list[Record] = []
    tables = []
    for scope, chosen in (("all test stays", np.ones(len(positive), dtype=bool)), (f"stays with {study.title}", known)):
        arms = {name: p[chosen] for name, p in columns.items()}
        if scope != "all test stays":
            arms[study.title] = reference[chosen]
        y, who = positive[chosen], groups[chosen]
        cells = []
        for name, p in arms.items():
            area = bootstrap(lambda r, p=p: auroc(p[r], y[r]), who, seed=seed)  # type: ignore[misc] # noqa: B023
            gap = bootstrap(lambda r, p=p: auroc(arms[OURS][r], y[r]) - auroc(p[r], y[r]), who, seed=seed)  # type: ignore[misc] # noqa: B023
            record: Record = {"rows": scope, "number": len(y), "deaths": int(y.sum()), "model": name,
                              "auroc": area._asdict(), "ours_minus": gap._asdict()}  # fmt: skip
            is_risk = name != study.title or bool((p <= 1).all())
            scores = class_scores(_two(p), torch.as_tensor(y).long()) if is_risk else {}
            record |= {key: value for key, value in scores.items() if key != "auroc"}
            records.append(record)
            more = [f"{scores[key]:.3f}" if scores else "-" for key in ("auprc", "log_loss", "brier", "ece")]
            cells.append([name, str(area), "" if name == OURS else str(gap), *more])
        title = f"{scope}: {len(y)} stays, {int(y.sum())} deaths; 95% intervals by bootstrap over patients"
        tables.append(Table(title, ["", "AUROC", "ours minus it", "AUPRC", "log-loss", "Brier", "ECE"], cells))
    return records, tables


def _about(study: Study, dataset: Dataset, folds: list[Fold]) -> str:
    tested = "its own test set" if len(folds) == 1 else f"{len(folds)} folds of patients, each tested once"
    return (
        f"{dataset.description.source} Tested on {tested}. {OURS}: one model for each part of the learning rows that "
        "is held out for early stopping and calibration, their probabilities averaged. Logistic regressions choose "
        f"their penalty on the same parts. {study.title} is a published score of the same stays."
    )
