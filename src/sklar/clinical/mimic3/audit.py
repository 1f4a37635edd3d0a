"""The leakage audit: what a prepared folder shows a model that it could not have known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sklar.clinical.mimic3.datasets import HOURS, build_tensors
from sklar.clinical.mimic3.engine import rows_of
from sklar.clinical.mimic3.separation import labels_in_disguise
from sklar.clinical.mimic3.tasks import TASKS, Task
from sklar.clinical.mimic3.tensor import EPS
from sklar.data.description import read_description

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True)
class Finding:
    """A leak.

    Attributes:
        rule: which rule found it.
        place: dataset folder, and file or column.
        what: what is seen, how often, and where first.
        published: whether the published rules let it through: listed in compat, a failure in clean.
    """

    rule: str
    place: str
    what: str
    published: bool = False


@dataclass(frozen=True)
class Folder:
    """A dataset folder under audit.

    Attributes:
        path: of it.
        task: what it is.
        connection: DuckDB with the stages as views, and ``samples``, ``events`` and ``notes`` of this folder.
        cohort: the content of ``cohort.json``.
    """

    path: Path
    task: Task
    connection: duckdb.DuckDBPyConnection
    cohort: Mapping[str, Any]

    @property
    def published_notes(self) -> bool:
        """Whether CM2's rule chose the notes."""
        return self.cohort["settings"]["mode"] == "compat" and self.task.task in ("ihm", "readmission")

    def rows(self, text: str) -> list[Any]:
        """All rows of a small result."""
        return rows_of(self.connection, text)


def _late(folder: Folder, records: str) -> list[Any]:
    """Count and first series of the records after what its rows may ever see: 48 hours, or the end of the stay."""
    end = f"{HOURS} + {EPS}"
    if folder.task.stay_hours:
        end = f"24.0::DOUBLE * stay.LOS + {2 * EPS}"
    return folder.rows(
        f"SELECT count(*), min(series_id), max(time) FROM {records} AS record "
        "JOIN all_stays AS stay ON stay.ICUSTAY_ID = record.series_id "
        f"WHERE NOT record.time <= {end} HAVING count(*) > 0"
    )


def event_after_prediction(folder: Folder) -> Iterator[Finding]:
    """Events later than the time of prediction."""
    for number, stay, time in _late(folder, "events"):
        yield Finding(
            "event_after_prediction",
            f"{folder.path.name}/events",
            f"{number} events, stay {stay} first, up to {time:.2f} h",
        )


def note_after_prediction(folder: Folder) -> Iterator[Finding]:
    """Notes later than the time of prediction."""
    for number, stay, time in _late(folder, "notes"):
        what = f"{number} notes, stay {stay} first, up to {time:.2f} h"
        yield Finding("note_after_prediction", f"{folder.path.name}/notes", what, folder.published_notes)


def until_after_prediction(folder: Folder) -> Iterator[Finding]:
    """Rows an hour that see more than the hour they are of."""
    if folder.task.hourly:
        for number, sample in folder.rows(
            f"SELECT count(*), min(sample_id) FROM samples WHERE until > sample_id % 100000 + {EPS} HAVING count(*) > 0"
        ):
            yield Finding("until_after_prediction", f"{folder.path.name}/samples", f"{number} rows, {sample} first")


def discharge_summary(folder: Folder) -> Iterator[Finding]:
    """Discharge summaries among the notes, known by their head."""
    for number, stay in folder.rows(
        "SELECT count(*), min(series_id) FROM notes WHERE regexp_matches(left(text, 400), '(?i)discharge date:') "
        "OR regexp_matches(left(text, 400), '(?i)discharge summary') HAVING count(*) > 0"
    ):
        what = f"{number} notes, stay {stay} first"
        yield Finding("discharge_summary", f"{folder.path.name}/notes", what, folder.published_notes)


def outcome_before_prediction(folder: Folder) -> Iterator[Finding]:
    """Stays whose patient is dead by the time of prediction."""
    if folder.task.hourly or folder.task.task == "phenotyping":
        return  # rows an hour end with the death; phenotypes are no outcome of it
    for number, stay in folder.rows(
        "SELECT count(*), min(stay_id) FROM samples JOIN all_stays AS stay ON stay.ICUSTAY_ID = stay_id "
        f"WHERE epoch(DEATHTIME::TIMESTAMP) - epoch(INTIME::TIMESTAMP) <= {HOURS} * 3600 HAVING count(*) > 0"
    ):
        what = f"{number} stays, {stay} first"
        yield Finding("outcome_before_prediction", f"{folder.path.name}/samples", what, True)


def stranger(folder: Folder) -> Iterator[Finding]:
    """Events that the series of the stages do not hold, so that come from somewhere else."""
    for number, stay in folder.rows(
        "SELECT count(*), min(series_id) FROM events AS event ANTI JOIN timeseries AS row "
        "ON row.ICUSTAY_ID = event.series_id AND row.Hours = event.time HAVING count(*) > 0"
    ):
        yield Finding("stranger", f"{folder.path.name}/events", f"{number} events, stay {stay} first")


def tensor_apart(folder: Folder) -> Iterator[Finding]:
    """A tensor that is not what the first 48 hours of the stages' series give."""
    file = folder.path / "ehr.npy"
    if not file.exists():
        return
    stored = np.load(file, mmap_mode="r", allow_pickle=False)
    stays = np.array(
        [stay for (stay,) in folder.rows("SELECT stay_id FROM samples ORDER BY sample_id")], dtype=np.int64
    )
    rows = {folder.path.name: (stays, np.ones(len(stays), dtype=bool))}
    number = 0
    for tensor, part, _ in build_tensors(folder.connection, float(folder.cohort["settings"]["step"]), rows):
        places = np.searchsorted(stays, part)
        number += int((stored[places] != tensor.astype(np.float32)).any((1, 2)).sum())
    if number:
        yield Finding("tensor_apart", f"{folder.path.name}/ehr", f"{number} stays")


def normaliser_beyond(folder: Folder) -> Iterator[Finding]:
    """A normaliser that is not that of the rows it may be fitted on."""
    described = read_description(folder.path)[0]
    notes = described.notes.get("normaliser") if described is not None else None
    if notes is None:
        return
    parts = ["train"] if folder.cohort["settings"]["mode"] == "clean" else ["train", "validation"]
    split = np.array([part for (part,) in folder.rows("SELECT split FROM samples ORDER BY sample_id")])
    stored = np.load(folder.path / "ehr.npy", mmap_mode="r", allow_pickle=False)
    fitted = np.flatnonzero(np.isin(split, parts))
    total, count = np.zeros(stored.shape[-1]), 0
    for start in range(0, len(fitted), 1000):
        values = np.asarray(stored[fitted[start : start + 1000]], dtype=np.float64)
        total += values.sum((0, 1))
        count += values.shape[0] * values.shape[1]
    means = np.array(notes["means"], dtype=np.float64)
    if notes["fitted_on"] != parts or not np.allclose(means, total / max(count, 1), rtol=1e-5, atol=1e-6):
        yield Finding(
            "normaliser_beyond", f"{folder.path.name}/dataset.json", f"is not fitted on {' and '.join(parts)} alone"
        )
    elif parts != ["train"]:
        yield Finding("normaliser_beyond", f"{folder.path.name}/dataset.json", "sees the validation rows", True)


def label_in_disguise(folder: Folder) -> Iterator[Finding]:
    """A feature that tells the label."""
    for place, what in labels_in_disguise(folder.path, folder.task, folder.connection):
        yield Finding("label_in_disguise", f"{folder.path.name}/{place}", what)


RULES: dict[str, Callable[[Folder], Iterator[Finding]]] = {
    rule.__name__: rule
    for rule in (
        event_after_prediction, note_after_prediction, until_after_prediction, discharge_summary,
        outcome_before_prediction, stranger, tensor_apart, normaliser_beyond, label_in_disguise,
    )
}  # fmt: skip


def patient_in_two_splits(connection: duckdb.DuckDBPyConnection, folders: list[Path]) -> Iterator[Finding]:
    """Patients in more than one part, within a folder or across, and stays of two patients."""
    if not folders:
        return
    every = " UNION ALL ".join(
        f"SELECT group_id, split, stay_id FROM read_parquet('{_quoted(folder / 'samples.parquet')}')"
        for folder in folders
    )
    for what, key, value in (
        ("patients in two parts", "group_id", "split"),
        ("stays of two patients", "stay_id", "group_id"),
    ):
        for number, first in rows_of(
            connection,
            f"SELECT count(*), min({key}) FROM (SELECT {key} FROM ({every}) GROUP BY {key} "
            f"HAVING count(DISTINCT {value}) > 1) HAVING count(*) > 0",
        ):
            yield Finding("patient_in_two_splits", "samples", f"{number} {what}, {first} first")


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")


def audit(out: Path, cohort: Mapping[str, Any], connection: duckdb.DuckDBPyConnection) -> list[Finding]:
    """All leaks of a prepared folder.

    Args:
        out: the folder.
        cohort: the content of its ``cohort.json``.
        connection: DuckDB with the facts and macros loaded.
    """
    for name in ("all_stays", "timeseries"):
        connection.execute(
            f"CREATE OR REPLACE VIEW {name} AS FROM read_parquet('{_quoted(out / 'stages' / name)}.parquet')"
        )
    folders = [(out / task.folder, task) for task in TASKS if (out / task.folder).is_dir()]
    found = list(patient_in_two_splits(connection, [path for path, _ in folders]))
    for path, task in folders:
        for name in ("samples", "events", "notes"):
            file = _quoted(path / f"{name}.parquet")
            connection.execute(f"CREATE OR REPLACE VIEW {name} AS FROM read_parquet('{file}')")
        folder = Folder(path, task, connection, cohort)
        for rule in RULES.values():
            found += rule(folder)
    return found
