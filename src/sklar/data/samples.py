"""``samples.parquet``: one row a sample, with its person, split, labels and which modalities it has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sklar.data.description import RESERVED, SAMPLES, SPLITS, Description
from sklar.data.parquet import arrow, batches, open_parquet, type_group
from sklar.data.problem import LARGEST, DamagedFile, Problem, listed, listed_values, rows_at

if TYPE_CHECKING:
    import pyarrow as pa

ID = ("integer", "text")
LABEL = {
    "binary": ("integer", "bool", "number"),
    "multiclass": ("integer", "bool", "number"),
    "multilabel": ("integer", "bool", "number"),
    "regression": ("number", "integer"),
}


@dataclass(frozen=True)
class Clock:
    """Which series each sample looks at, and until when.

    Attributes:
        series: the different series_ids, in the order of their first sample.
        series_type: ``integer`` or ``text``.
        place: of each sample's series among them, ``(n,)``.
        until: hours; a sample sees what has ``time <= until``. None: everything. ``(n,)``
    """

    series: pa.Array
    series_type: str
    place: np.ndarray
    until: np.ndarray | None


def numpy_of(column: pa.ChunkedArray) -> np.ndarray:
    """A column as numpy: null is NaN among numbers, None among texts and booleans."""
    if type_group(column.type) == "text" and not column.null_count:
        return np.array(column.to_pylist(), dtype=np.str_)
    return column.to_numpy(zero_copy_only=False)


class Samples:
    """The columns of ``samples.parquet`` that are in order.

    Args:
        table: the columns, dictionaries decoded.
        description: of the folder.
    """

    def __init__(self, table: pa.Table, description: Description) -> None:
        self.table, self.description = table, description

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def names(self) -> list[str]:
        """The columns."""
        return list(self.table.column_names)

    def column(self, name: str) -> np.ndarray:
        """A column as numpy, ``(n,)``: null is NaN among numbers, None among texts and booleans.

        Raises:
            KeyError: there is no such column.
        """
        if name not in self.names:
            raise KeyError(f"{SAMPLES} has no column {name!r}; it has {self.names}")
        return numpy_of(self.table.column(name))

    def present(self, modality: str) -> np.ndarray:
        """Which rows have a modality, bool ``(n,)``."""
        return self.column(f"has_{modality}").astype(bool)

    @cached_property
    def observed(self) -> Tensor:
        """Which rows have which modality, bool ``(n, M)``."""
        columns = [torch.from_numpy(self.present(name)) for name in self.description.modalities]
        return torch.stack(columns, dim=1) if columns else torch.zeros(len(self), 0, dtype=torch.bool)

    @cached_property
    def clock(self) -> Clock:
        """Which series each sample looks at, and until when."""
        import pyarrow.compute as pc

        column = self.table.column("series_id" if "series_id" in self.names else "sample_id").combine_chunks()
        series = pc.unique(column)
        place = pc.index_in(column, value_set=series).to_numpy(zero_copy_only=False).astype(np.int64)
        until = self.column("until").astype(np.float64) if "until" in self.names else None
        return Clock(series, type_group(column.type), place, until)

    @cached_property
    def label_values(self) -> np.ndarray:
        """The label columns, NaN where unlabelled, ``(n, L)``."""
        pa = arrow()
        columns = [self.table.column(name).cast(pa.float64(), safe=False) for name in self.description.labels]
        return np.stack([column.to_numpy(zero_copy_only=False) for column in columns], axis=1)

    @cached_property
    def target(self) -> Tensor:
        """Class index ``(n,)`` with -1 (binary, multiclass), float64 values ``(n,)`` or labels ``(n, L)`` with NaN.

        In float32 large offsets, a date's for instance, would lose digits.
        """
        values = self.label_values
        if self.description.task == "multilabel":
            return torch.from_numpy(values.astype(np.float32))
        if self.description.task == "regression":
            return torch.from_numpy(values[:, 0].copy())
        return torch.from_numpy(np.where(np.isnan(values[:, 0]), -1, values[:, 0]).astype(np.int64))


def read_samples(folder: Path, description: Description) -> tuple[Samples | None, list[Problem]]:
    """``samples.parquet`` of a folder without the columns that cannot be used, and all that is wrong with it.

    Returns:
        None where the file cannot be read.
    """
    needed: dict[str, tuple[str, ...]] = {"sample_id": ID, "group_id": ID, "split": ("text",)}
    for label in description.labels:
        needed[label] = LABEL.get(description.task, LABEL["binary"])
    for modality in description.modalities:
        needed[f"has_{modality}"] = ("bool",)
    groups, _, problems = open_parquet(folder, SAMPLES, needed)
    if groups is None:
        return None, problems
    if any(name in groups for name in ("series_id", "until")):
        optional = {"series_id": ID, "until": ("number", "integer")}
        present: dict[str, tuple[str, ...]] = {name: kinds for name, kinds in optional.items() if name in groups}
        problems += [problem for problem in open_parquet(folder, SAMPLES, present)[2] if problem not in problems]
    if any(problem.what == "stands twice" for problem in problems):
        return None, problems
    try:
        pa = arrow()
        table = pa.Table.from_batches(batches(folder, SAMPLES, list(groups)))
    except DamagedFile as error:
        return None, [*problems, error.problem]
    faulty = {name for name in groups for problem in problems if problem.place == _place(name)}
    for name, remedy in {
        **dict.fromkeys(RESERVED, "give every row one"),
        **{f"has_{name}": "write true or false" for name in description.modalities},
    }.items():
        if name in groups and name not in faulty and table.column(name).null_count:
            rows = np.flatnonzero(table.column(name).is_null().to_numpy(zero_copy_only=False))
            problems.append(Problem(f"{_place(name)}, {rows_at(rows)}", "is null", remedy))
            faulty.add(name)
    samples = Samples(table.select([name for name in groups if name not in faulty]), description)
    return samples, problems + _content(samples)


def _place(column: str) -> str:
    return f"{SAMPLES}, column {column!r}"


def _content(samples: Samples) -> list[Problem]:
    """What is wrong with the values of the columns that can be used."""
    problems: list[Problem] = []
    names, description = samples.names, samples.description
    ids = samples.column("sample_id") if "sample_id" in names else None

    def note(column: str, rows: np.ndarray, what: str, remedy: str) -> None:
        if len(rows):
            problems.append(Problem(f"{_place(column)}, {rows_at(rows, ids)}", what, remedy))

    if not len(samples):
        problems.append(Problem(SAMPLES, "has no rows", "write at least one sample"))
        return problems
    if ids is not None:
        _, inverse, counts = np.unique(ids, return_inverse=True, return_counts=True)
        note("sample_id", np.flatnonzero(counts[inverse] > 1), "stands more than once", "give each row its own")
    if "split" in names:
        split = samples.column("split")
        known = np.isin(split, SPLITS)
        strange = listed_values(sorted(set(split[~known].tolist())))
        note("split", np.flatnonzero(~known), f"unknown splits {strange}", f"they must be {listed(SPLITS)}")
        if "group_id" in names:
            group, place = np.unique(samples.column("group_id"), return_inverse=True)
            pairs = np.unique(np.stack([place, np.unique(split, return_inverse=True)[1]], axis=1), axis=0)
            leaking = np.flatnonzero(np.bincount(pairs[:, 0], minlength=len(group)) > 1)
            rows = np.flatnonzero(np.isin(place, leaking))
            what = f"{len(leaking)} groups are in more than one split, {listed_values(group[leaking].tolist(), 3)}"
            note("group_id", rows, what, "keep all rows of a group in one split: the test leaks otherwise")
    if "until" in names:
        note("until", np.flatnonzero(np.isnan(samples.column("until").astype(float))), "is NaN", "write the hours")
    has = [f"has_{name}" for name in description.modalities]
    if has and all(name in names for name in has):
        empty = np.flatnonzero(~samples.observed.numpy().any(1))
        if len(empty):
            what = "nothing is observed: every has_ is false"
            problems.append(Problem(f"{SAMPLES}, {rows_at(empty, ids)}", what, "leave such samples out"))
    expected = {*description.labels, *(f"has_{name}" for name in description.declared)}
    for name in names:
        if name.startswith("has_") and name not in expected and description.declared:
            remedy = "is a modality missing from dataset.json? else rename the column"
            problems.append(Problem(_place(name), f"there is no modality {name[4:]!r}", remedy, "warning"))
    if description.task and all(name in names for name in description.labels):
        problems += _label_problems(samples, ids)
    return problems


def _label_problems(samples: Samples, ids: np.ndarray | None) -> list[Problem]:
    problems = []
    description = samples.description
    for number, name in enumerate(description.labels):
        values = samples.label_values[:, number]
        labelled = ~samples.table.column(name).is_null().to_numpy(zero_copy_only=False)
        count = 2 if description.task == "multilabel" else len(description.classes or ())
        rules: Mapping[str, tuple[np.ndarray, str]] = {
            "NaN": (np.isnan(values), "write null where a row has no label"),
            "infinite in float32": (np.abs(values) > LARGEST, "write null, or change the unit"),
        }
        if description.task != "regression" and count:
            allowed = "0 or 1" if count == 2 else f"0 to {count - 1}"
            wrong = (np.abs(values) <= LARGEST) & ~np.isin(values, np.arange(count))
            shown = listed(np.unique(values[wrong & labelled]).tolist(), 3)
            rules = {**rules, f"out of range: {shown}": (wrong, f"{allowed}, null where unlabelled")}
        for what, (wrong, remedy) in rules.items():
            if len(rows := np.flatnonzero(wrong & labelled)):
                problems.append(Problem(f"{_place(name)}, {rows_at(rows, ids)}", what, remedy))
        if not labelled.any():
            problem = Problem(_place(name), "no row has a label", "label some to train or evaluate", "warning")
            problems.append(problem)
        elif "split" in samples.names:
            train = samples.column("split") == "train"
            if train.any() and not labelled[train].any():
                problem = Problem(_place(name), "no training row has a label", "label some to train", "warning")
                problems.append(problem)
    return problems
