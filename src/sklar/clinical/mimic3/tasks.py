"""The tasks: which stays and hours, what is predicted, and what may be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

TaskName = Literal["ihm", "readmission", "phenotyping", "length_of_stay", "decompensation"]
PARTS = ("train", "val", "test")  # of a list, in the published words
NAMES: tuple[TaskName, ...] = ("ihm", "readmission", "phenotyping", "length_of_stay", "decompensation")


@dataclass(frozen=True)
class Task:
    """One dataset folder.

    Attributes:
        folder: its name.
        task: of the names above.
        kind: binary, multilabel or regression.
        label: column of the samples; empty for the phenotypes.
        classes: names of 0 and 1.
        stay_hours: whether it sees the whole stay up to the time of prediction, else the first 48 hours.
        hourly: whether it has a row an hour of the stay, else a row a stay.
    """

    folder: str
    task: TaskName
    kind: str
    label: str
    classes: tuple[str, str] | None = None
    stay_hours: bool = False
    hourly: bool = False


TASKS = (
    Task("ihm", "ihm", "binary", "in_hospital_death", ("alive", "died")),
    Task("readmission", "readmission", "binary", "readmission", ("not readmitted", "readmitted")),
    Task("phenotyping", "phenotyping", "multilabel", "", stay_hours=True),
    Task("phenotyping_48h", "phenotyping", "multilabel", ""),
    Task("length_of_stay", "length_of_stay", "regression", "hours_left", stay_hours=True, hourly=True),
    Task("decompensation", "decompensation", "binary", "death_within_24h", ("no", "yes"), stay_hours=True, hourly=True),
)


def chosen(tasks: list[str] | str | None) -> tuple[TaskName, ...]:
    """The tasks that somebody named, in the order above; None is all.

    Raises:
        ValueError: no such task.
    """
    named = tasks.split(",") if isinstance(tasks, str) else tasks
    if named is None or named == ["all"]:
        return NAMES
    wanted = {name.strip() for name in named} - {""}
    if not wanted or wanted - {*NAMES}:
        raise ValueError(f"tasks={sorted(wanted - {*NAMES}) or 'none'}: choose of {', '.join(NAMES)}")
    return tuple(name for name in NAMES if name in wanted)
