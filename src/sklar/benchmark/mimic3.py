"""One command from MIMIC-III's raw files to scores: prepare, verify, train, evaluate, report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sklar.clinical.mimic3 import prepare_mimic3
from sklar.clinical.mimic3.audit import Finding
from sklar.clinical.mimic3.cohort import made_from, settings_of
from sklar.clinical.mimic3.raw import find_tables
from sklar.clinical.mimic3.tasks import NAMES, PARTS, TASKS
from sklar.clinical.mimic3.verify import judge
from sklar.clinical.mimic3.work import COHORT, read_json
from sklar.data import Dataset, open_dataset
from sklar.evaluation import Record
from sklar.report.pages import write_tables
from sklar.report.tables import Table, print_table, score_table
from sklar.training.apply import evaluate_run
from sklar.training.config import RunConfig
from sklar.training.files import write_json
from sklar.training.run import train_run
from sklar.training.schedule import Schedule

SCHEDULE = Schedule(steps=2000, learning_rate=1e-3)


def run_mimic3(
    raw: Path,
    out: Path,
    task: str = "ihm",
    mode: str = "compat",
    seed: int = 0,
    schedule: Schedule = SCHEDULE,
) -> list[Record]:
    """Prepare one task, verify it, train a model on the EHR series and the notes, score it on the test rows, report.

    A stopped run goes on where it was; data that are prepared stay. Where no training row has a note, the model has
    none, and that is said.

    Args:
        raw: the folder with MIMIC-III's tables.
        out: folder of the data (``data``), the model (``model``), ``results.json`` and ``report.html``.
        task: ihm, readmission, phenotyping, length_of_stay or decompensation.
        mode: compat or clean, see `prepare_mimic3`.
        seed: of weights and draws.
        schedule: how long to train, how fast.

    Returns:
        The scores of the test rows.

    Raises:
        ValueError: an unknown task, a task without rows, what is wrong with the raw files, or data that do not verify.
    """
    if task not in NAMES:
        raise ValueError(f"unknown task {task!r}; choose one of {list(NAMES)}")
    data = _prepared(raw, out / "data", task, mode)
    verdict = judge(data)
    if verdict.failures:
        raise ValueError(f"{data} does not verify; what is wrong with it is listed above")
    folder = data / next(known.folder for known in TASKS if known.task == task)
    if not folder.is_dir():
        raise ValueError(f"{raw} has no stay for the task {task}; {data / COHORT} counts why")
    dataset = open_dataset(folder)
    names, said = modalities_of(dataset)
    print(f"{dataset.name}: {len(dataset)} rows. {said}")
    config = RunConfig(folder, out / "model", modalities=names, schedule=schedule, seed=seed)
    records = evaluate_run(train_run(config), split="test")
    cohort = read_json(data / COHORT)
    tables = [score_table(records, f"{dataset.name}, test rows"), cohort_table(cohort), rows_table(cohort, task)]
    if verdict.let_through:
        tables.append(leak_table(verdict.let_through))
    for table in tables:
        print_table(table)
    write_json(out / "results.json", records)
    checked = f"beside the published counts of {verdict.data}" if verdict.data else "(no published counts to judge by)"
    about = f"{said} Prepared in {mode} mode by sklar prepare mimic3 and verified {checked}."
    about += f" One {config.model} model, seed {seed}."
    about += f" {dataset.description.source}"
    write_tables(out / "report.html", f"{dataset.name}: {', '.join(dataset.labels[:3])}", tables, about)
    print(f"Report: {out / 'report.html'}\nResults: {out / 'results.json'}")
    return records


def _prepared(raw: Path, data: Path, task: str, mode: str) -> Path:
    """The prepared folder; one that was made of the same files before is taken as it is."""
    cohort = data / COHORT
    if cohort.is_file() and made_from(read_json(cohort), settings_of([task], mode), find_tables(raw)):
        return data
    return prepare_mimic3(raw, data, tasks=[task], mode=mode)  # type: ignore[arg-type]


def modalities_of(dataset: Dataset) -> tuple[list[str], str]:
    """What a model is trained on: the series (irregular events where there is no tensor), and notes if there are any.

    Returns:
        The names, and a sentence that says so.
    """
    series = "ehr" if "ehr" in dataset.names else "events"
    train = dataset.part("train")
    noted = int(train.observed[:, train.names.index("notes")].sum())
    if noted:
        return [series, "notes"], f"Modalities: {series}, and notes in {noted} of {len(train)} training rows."
    return [series], f"Modality: {series}. No training row has a note: the notes are absent everywhere."


def cohort_table(cohort: dict[str, Any]) -> Table:
    """What each exclusion leaves."""
    rows = [
        [step["step"], f"{step['ICUSTAY_IDs']:,}", f"{step['HADM_IDs']:,}", f"{step['SUBJECT_IDs']:,}"]
        for step in cohort["exclusions"]
    ]
    return Table("Cohort", ["after", "ICU stays", "admissions", "patients"], rows)


def rows_table(cohort: dict[str, Any], task: str) -> Table:
    """The task's list by part; of one label also how often it is positive."""
    rows = []
    for part in PARTS:
        counts = cohort["tasks"][task].get(part, {"rows": 0, "stays": 0})
        share = counts["positives"] / counts["rows"] if counts["rows"] and "positives" in counts else None
        positives = "-" if share is None else f"{counts['positives']:,} ({share:.1%})"
        rows.append([part, f"{counts['rows']:,}", f"{counts['stays']:,}", positives])
    return Table(f"Rows of {task}", ["", "rows", "stays", "positive"], rows)


def leak_table(findings: Sequence[Finding]) -> Table:
    """Leaks that the published rules let through."""
    rows = [[finding.rule, finding.place, finding.what] for finding in findings]
    return Table("Leaks of the published rules, which clean mode mends", ["rule", "where", "what"], rows)
