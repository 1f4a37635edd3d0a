"""What is wrong with a dataset folder: one place, one sentence, one remedy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class Problem:
    """Something wrong with a dataset folder.

    Attributes:
        place: the file and the key, column, row or modality in it.
        what: what is wrong there.
        remedy: what to do about it.
        severity: an ``"error"`` keeps the folder from being opened or content from being right; a ``"warning"`` does
            not.
    """

    place: str
    what: str
    remedy: str
    severity: Literal["error", "warning"] = "error"

    def __str__(self) -> str:
        line = f"{self.severity}: {self.place}: {self.what}; {self.remedy}"
        return " ".join(line.split())  # messages of libraries may hold line breaks

    @property
    def is_error(self) -> bool:
        """Whether it is more than a warning."""
        return self.severity == "error"


LARGEST = float(np.finfo(np.float32).max)  # batches are float32
MISSING_FILE = "there is no such file"


class DamagedFile(ValueError):
    """A file that cannot be read.

    Args:
        problem: with it.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def first_error(folder: object, errors: Sequence[Problem]) -> str:
    """A message of one line: the first error, how many more there are, and what lists all."""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{folder}: {errors[0]}{more}: `sklar data check {folder}` lists every problem"


def rows_at(rows: np.ndarray, ids: np.ndarray | None = None) -> str:
    """How many rows and which is the first, for a message: ``"3 rows, first row 4 (sample_id 17)"``.

    Args:
        rows: their places, at least one, ``(k,)``.
        ids: the sample_id of every row, ``(n,)``; one that may be free text is left out.
    """
    first = int(rows[0])
    name = "" if ids is None or not can_be_shown(ids[first]) else f" (sample_id {ids[first]})"
    return f"row {first}{name}" if len(rows) == 1 else f"{len(rows)} rows, first row {first}{name}"


def can_be_shown(value: object) -> bool:
    """Whether a cell's value may stand in a message: a number, or at most 40 ASCII characters without a blank.

    Anything else may be a person's text in the wrong column.
    """
    if isinstance(value, str):
        return len(value) <= 40 and value.isascii() and value.isprintable() and " " not in value
    return isinstance(value, int | float | np.number | np.bool_)


def listed_values(values: Sequence[object], most: int = 5) -> str:
    """The first few values of cells, for a message, without what may be free text: ``"'a' and 2 that are not shown"``.

    Args:
        values: different ones, at least one.
        most: of them that are shown.
    """
    tokens = [value for value in values if can_be_shown(value)]
    hidden = f"{len(values) - len(tokens)} that are not shown, as they may be free text"
    if len(tokens) == len(values):
        return listed(tokens, most)
    return f"{listed(tokens, most)} and {hidden}" if tokens else hidden


def listed(names: Sequence[object], most: int = 5) -> str:
    """The first few names, for a message: ``"'a', 'b' and 3 more"``."""
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
