"""MIMIC-III: from PhysioNet's files to a dataset folder a task."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sklar.clinical.mimic3.cohort import describe, settings_of, with_notes
from sklar.clinical.mimic3.datasets import events_value, tensor_value, write_task, write_tensors
from sklar.clinical.mimic3.engine import Progress, open_engine
from sklar.clinical.mimic3.facts import channels, load_facts
from sklar.clinical.mimic3.notes import write_note_sample
from sklar.clinical.mimic3.pipeline import Pipeline
from sklar.clinical.mimic3.provenance import Provenance, provenance_of
from sklar.clinical.mimic3.raw import find_tables
from sklar.clinical.mimic3.refusals import refuse_codes, refuse_people, refuse_values
from sklar.clinical.mimic3.splits import load_splits
from sklar.clinical.mimic3.tables import COLUMNS
from sklar.clinical.mimic3.tasks import TASKS, Task, chosen
from sklar.clinical.mimic3.tensor import Normaliser
from sklar.clinical.mimic3.work import COHORT, open_work, print_of, publish, write_json
from sklar.data import RecordFile
from sklar.data.values import Value

if TYPE_CHECKING:
    import pyarrow as pa


def prepare_mimic3(
    raw: Path,
    out: Path,
    *,
    tasks: list[str] | str | None = None,
    mode: Literal["compat", "clean"] = "compat",
    readmission: Literal["cm2", "clean"] | None = None,
    step: Literal[1, 2] = 1,
    splits: Path | None = None,
    note_sample: bool = False,
    memory: str = "2GB",
    threads: int | None = None,
) -> Path:
    """Turn MIMIC-III's raw files into a dataset folder a task, with the stages in between and their counts.

    ``compat`` reproduces the MIMIC-III benchmark of Harutyunyan et al. (2019), quirks included; ``clean`` mends them
    and says in ``cohort.json`` what it changed. An interrupted run is continued by the same command.

    Args:
        raw: the folder with the tables as downloaded, ``CHARTEVENTS.csv.gz`` or ``CHARTEVENTS.csv`` and so on, in
            whatever case; NOTEEVENTS may be missing.
        out: the folder to write: ``ihm``, ``readmission``, ``phenotyping`` (whole stay), ``phenotyping_48h``,
            ``length_of_stay``, ``decompensation``, ``stages`` and ``cohort.json``.
        tasks: which tasks, separated by commas: ihm, readmission, phenotyping, length_of_stay, decompensation; all.
        mode: compat or clean.
        readmission: cm2 counts a death in hospital as a readmission, clean leaves the dead out; by default cm2 in
            compat.
        step: hours of a bin of the tensor.
        splits: a CSV or Parquet file of SUBJECT_ID and split (train, val or validation, test) in place of the
            benchmark's official list.
        note_sample: whether only the third of the stays that CM2 drew may have notes.
        memory: of DuckDB; what does not fit goes to disk.
        threads: of DuckDB; by default one a core.

    Returns:
        The folder.

    Raises:
        FileNotFoundError: a table is lacking. FileExistsError: ``out`` is there and was not made by this command.
        BlockingIOError: another process prepares ``out``. ImportError: duckdb is not installed.
        ValueError: a file is damaged, lacks a column, holds a cell that its type does not, identifiers twice or a stay
            that ends before it starts; in compat also where the published scripts stop.
    """
    import duckdb

    raw, out = Path(raw), Path(out).absolute()
    wanted = chosen(tasks)
    clean = mode == "clean"
    files = find_tables(raw)
    settings = settings_of(wanted, mode, readmission, step, splits, note_sample)
    inputs = files if splits is None else files | {"splits": Path(splits)}
    with open_work(out, print_of(settings, inputs)) as work:
        connection = open_engine(work.folder / "spill", memory, threads)
        pipeline = Pipeline(connection, work, files, Progress(_steps(wanted)), clean)
        try:
            load_facts(connection)
            connection.execute("SET VARIABLE clean = ?", [clean])
            load_splits(connection, splits)
            tables = pipeline.load_raw()
            _stages(pipeline, wanted, settings["readmission"])
            notes = _datasets(pipeline, wanted, step, note_sample, provenance_of(raw))
            with pipeline.progress.step("counts and hashes", connection):
                write_json(work.result / COHORT, describe(pipeline, settings, tables, notes))
        except duckdb.OutOfMemoryException as error:
            raise MemoryError(f"{str(error).splitlines()[0]}; give --memory more than {memory}") from None
        except duckdb.IOException as error:  # a full disk, for instance
            raise OSError(f"{pipeline.progress.name}: {str(error).splitlines()[0]}") from None
        except duckdb.Error as error:  # its message may quote cells
            what = f"{type(error).__name__} in the step {pipeline.progress.name}"
            raise ValueError(f"{raw}: {what}; is a file damaged? compare with the release's SHA256SUMS") from None
        finally:
            connection.close()
        publish(work, out)
    return out


def _steps(wanted: tuple[str, ...]) -> int:
    """How many steps there are: tables, stages, records, lists, dataset folders and their tensor, and the account."""
    folders = [task for task in TASKS if task.task in wanted]
    lists = {"ihm": 0, "phenotyping": 2}
    tensor = any(not task.stay_hours for task in folders)
    return len(COLUMNS) + 19 + 6 + sum(lists.get(name, 1) for name in wanted) + tensor + len(folders) + 1


def _stages(pipeline: Pipeline, wanted: tuple[str, ...], readmission: str) -> None:
    """All stages and lists."""
    run, clean = pipeline.run, pipeline.clean
    pipeline.define("macros")
    run("decisions")
    run("stay_decisions", stage=True)
    run("stays", check=None if clean else lambda: refuse_people(pipeline))
    run("all_stays", stage=True)
    run("splits", stage=True)
    run("diagnoses", stage=True)
    run("phenotype_labels", stage=True)
    run("admission_events")
    run("validate_events_by_subject", stage=True)
    pipeline.define("valid_events")
    run("typed_blocks")
    run("readings", sql="readings_clean" if clean else None, check=None if clean else lambda: refuse_values(pipeline))
    run("events_mapped", stage=True)
    run("timeseries", sql="timeseries_clean" if clean else None, stage=True)
    run("episodes", stage=True)
    run("windows", check=None if clean or "phenotyping" not in wanted else lambda: refuse_codes(pipeline))
    run("ihm", stage=True)
    run("series_rows", stage=True)
    run("t0", stage=True)
    for name in ("phenotyping", "length_of_stay", "decompensation"):
        if name in wanted:
            run(name, stage=True)
    if "phenotyping" in wanted:
        run("multitask", stage=True)
    target = pipeline.work.inner / "note_sample.parquet"
    pipeline.step("note_sample", target, lambda part: write_note_sample(pipeline, part))
    if "readmission" in wanted:
        run("readmission", sql=f"readmission_{readmission}", stage=True)


def _datasets(
    pipeline: Pipeline, wanted: tuple[str, ...], step: int, note_sample: bool, provenance: Provenance
) -> dict[str, Any]:
    """All dataset folders; what must be told of them."""
    work, connection = pipeline.work, pipeline.connection
    run = pipeline.run
    run("events_long")
    run("events_48")
    only = " WHERE in_note_sample = 1" if note_sample else ""
    connection.execute(f"CREATE OR REPLACE TEMP VIEW note_stays AS SELECT ICUSTAY_ID FROM note_sample{only}")
    run("notes_linked")
    run("notes_first", sql="notes_48" if pipeline.clean else "notes_cm2")
    run("notes_48")
    run("notes_stay")
    folders = [task for task in TASKS if task.task in wanted]
    pipeline.define("macros")
    rows = {task.folder: pipeline.table(f"samples_{task.folder}") for task in folders}
    told: dict[str, Any] = {"empty": [name for name, table in rows.items() if not table.num_rows]}
    folders = [task for task in folders if rows[task.folder].num_rows]
    tensor = {task.folder: _fitted(rows[task.folder], pipeline.clean) for task in folders if not task.stay_hours}
    stays = np.empty(0, np.int64)
    normalisers: dict[str, Normaliser] = {}
    if tensor:
        with pipeline.progress.step("tensor"):
            stays, normalisers, told["unread"] = write_tensors(connection, step, tensor, work.inner / "ehr.npy")
    for task in folders:
        with pipeline.progress.step(task.folder):
            notes: dict[str, Any] = {"mode": "clean" if pipeline.clean else "compat"}
            modalities = _modalities(pipeline, task, rows[task.folder], stays, step)
            if task.folder in normalisers:
                mean, std = normalisers[task.folder].moments()
                notes["normaliser"] = {
                    "fitted_on": ["train"] if pipeline.clean else ["train", "validation"],
                    "standardised": list(channels().continuous),
                    "means": mean.tolist(),
                    "stds": std.tolist(),
                }
            write_task(task, work.result / task.folder, rows[task.folder], modalities, provenance, notes)
    told["with_notes"] = {
        task.folder: with_notes(connection, work.result / task.folder, task.label)
        for task in folders
        if task.folder in ("ihm", "readmission")
    }
    return told


def _fitted(rows: pa.Table, clean: bool) -> tuple[np.ndarray, np.ndarray]:
    """A folder's stays, and which of them its normaliser may see."""
    split = np.array(rows["split"].to_pylist())
    return rows["stay_id"].to_numpy(), (split == "train") if clean else (split != "test")


def _modalities(pipeline: Pipeline, task: Task, rows: pa.Table, stays: np.ndarray, step: int) -> dict[str, Value]:
    inner = pipeline.work.inner
    if task.stay_hours:
        return {
            "events": events_value(pipeline.of_stays("events_long", task, rows)),
            "notes": RecordFile("text", pipeline.of_stays("notes_stay", task, rows)),
        }
    notes = "notes_first" if task.task in ("ihm", "readmission") else "notes_48"
    return {
        "ehr": tensor_value(inner / "ehr.npy", stays, rows["stay_id"].to_numpy(), float(step)),
        "events": events_value(pipeline.of_stays("events_48", task, rows)),
        "notes": RecordFile("text", pipeline.of_stays(notes, task, rows)),
    }
