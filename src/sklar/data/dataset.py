"""An opened dataset folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sklar.data.batch import Batch, Texts
from sklar.data.check import inspect
from sklar.data.checksum import altered, folder_sums
from sklar.data.description import SPLITS, Description, Modality
from sklar.data.problem import MISSING_FILE, first_error
from sklar.data.records import Records, load_records
from sklar.data.samples import Samples

Stamp = dict[str, tuple[int, int]]


def stamp_of(folder: Path) -> Stamp:
    """Size and time of change (ns) of each file of a folder; hidden ones are no dataset's."""
    paths = [path for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []
    stats = {path.name: path.stat() for path in paths if not path.name.startswith(".")}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}


class Files:
    """The opened files of a folder, shared by all views of it.

    Arrays are memory maps; texts and events are read when they are first asked for. Sent to another process, the
    files are opened there again; what has changed in between is refused, since rows are known by their places.

    Args:
        folder: the dataset folder.
        stamp: of the files as they were opened first.

    Raises:
        FileNotFoundError, ValueError: as `open_dataset`; files that have changed.
    """

    def __init__(self, folder: Path, stamp: Stamp | None = None) -> None:
        self.stamp = stamp_of(folder)
        if stamp is not None and stamp != self.stamp:
            raise ValueError(f"{folder} has changed since it was opened; open it again")
        found = inspect(folder)
        errors = [problem for problem in found.problems if problem.is_error]
        if errors or found.description is None or found.samples is None:
            kind = FileNotFoundError if errors[0].what == MISSING_FILE else ValueError
            raise kind(first_error(folder, errors))
        self.folder = folder
        self.description: Description = found.description
        self.samples: Samples = found.samples
        self.arrays = found.arrays
        self._records: dict[str, Records] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return Files, (self.folder, self.stamp)

    @cached_property
    def checksums(self) -> dict[str, str]:
        """SHA-256 of ``samples.parquet`` and of each modality's file, by name; read when first asked for.

        Raises:
            ValueError: the folder has changed.
        """
        sums = folder_sums(self.folder, self.description)
        self._refuse_change()
        return sums

    def _refuse_change(self) -> None:
        if stamp_of(self.folder) != self.stamp:
            raise ValueError(f"{self.folder} has changed since it was opened; open it again")

    def records(self, name: str) -> Records:
        """All records of a text or events modality.

        Raises:
            ValueError: the file is damaged, its records are not in order, or the folder has changed.
        """
        if name not in self._records:
            self._refuse_change()
            self._records[name] = load_records(self.folder, self.description.modalities[name], self.samples.clock)
        return self._records[name]


class Dataset:
    """Rows of a dataset folder; `Rows` to training and evaluation. Made by `open_dataset` and by its own methods.

    Args:
        files: the opened folder.
        rows: places of this view's rows in ``samples.parquet``, ``(n,)``.
        observed: which of them sees which modality, bool ``(n, M)``.
        target: their labels as in `Batch`; None where no row has one.
        split: other splits than the folder's, ``(n,)``.
    """

    def __init__(
        self, files: Files, rows: np.ndarray, observed: Tensor, target: Tensor | None, split: np.ndarray | None = None
    ) -> None:
        self._files, self._rows, self._split = files, rows, split
        self.observed, self.target = observed, target

    @property
    def folder(self) -> Path:
        """The dataset folder."""
        return self._files.folder

    @property
    def description(self) -> Description:
        """``dataset.json``."""
        return self._files.description

    @property
    def checksums(self) -> Mapping[str, str]:
        """SHA-256 of ``samples.parquet`` and of each modality's file, by name: the first look reads every byte."""
        return self._files.checksums

    @property
    def name(self) -> str:
        """Of the data set."""
        return self.description.name

    @property
    def task(self) -> str:
        """``binary``, ``multiclass``, ``multilabel`` or ``regression``."""
        return self.description.task

    @property
    def labels(self) -> tuple[str, ...]:
        """The label columns."""
        return self.description.labels

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes; None for multilabel and regression."""
        return self.description.classes

    @property
    def names(self) -> list[str]:
        """The modalities, in the order of the mask's columns."""
        return list(self.description.modalities)

    @property
    def modalities(self) -> Mapping[str, Modality]:
        """What each modality holds."""
        return self.description.modalities

    @property
    def sample_id(self) -> np.ndarray:
        """``(n,)``, integers or strings."""
        return self.column("sample_id")

    @property
    def group_id(self) -> np.ndarray:
        """The person of each row, ``(n,)``, integers or strings."""
        return self.column("group_id")

    @property
    def split(self) -> np.ndarray:
        """``train``, ``validation`` or ``test``, ``(n,)``."""
        return self.column("split") if self._split is None else self._split

    def column(self, name: str) -> np.ndarray:
        """A column of ``samples.parquet``, ``(n,)``: null is NaN among numbers, None among texts and booleans.

        Raises:
            KeyError: there is no such column.
        """
        return self._files.samples.column(name)[self._rows]

    def record_count(self, name: str) -> np.ndarray:
        """How many texts or events each row sees, ``(n,)``.

        Raises:
            KeyError: ``name`` is no text or events modality. ValueError: its file is damaged.
        """
        if name not in self.modalities or self.modalities[name].in_array:
            raise KeyError(f"{name!r} is no text or events modality of {self.name}")
        return np.where(self._sees(name), self._files.records(name).count[self._rows], 0)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return f"Dataset({self.name!r}, {self.task}, {len(self)} rows, {', '.join(self.names)})"

    def _sees(self, name: str) -> np.ndarray:
        return self.observed[:, self.names.index(name)].numpy()

    def take(self, rows: Tensor | slice | np.ndarray | Sequence[int]) -> Dataset:
        """A view of some rows, in the given order.

        Args:
            rows: their places in this view, or a bool mask ``(n,)``.

        Raises:
            TypeError: a single number, or fractions. IndexError: no such row, or a mask of another length.
        """
        if isinstance(rows, int | np.integer):
            raise TypeError(f"a dataset is indexed by several rows: use [{rows}:{int(rows) + 1}] for one")
        if not isinstance(rows, slice):
            rows = torch.as_tensor(rows).cpu()
            if rows.is_floating_point() and len(rows):
                raise TypeError(f"a dataset is indexed by integers or bool, got {rows.dtype}")
            rows = rows if rows.dtype == torch.bool else rows.long()
        target = None if self.target is None else self.target[rows]
        places = torch.arange(len(self))[rows].numpy()
        split = None if self._split is None else self._split[places]
        return Dataset(self._files, self._rows[places], self.observed[rows], target, split)

    def part(self, split: str) -> Dataset:
        """A view of one split's rows, of none where it has none.

        Raises:
            ValueError: no such split.
        """
        if split not in SPLITS:
            raise ValueError(f"no split {split!r}; there are {', '.join(SPLITS)}")
        return self.take(self.split == split)

    def see(self, observed: Tensor) -> Dataset:
        """The same rows under another mask; what a row does not have stays unseen.

        Args:
            observed: bool ``(n, M)``, or one pattern ``(M,)`` for all. Rows that it leaves empty stay.

        Raises:
            ValueError: a mask of another shape or type.
        """
        if observed.dtype != torch.bool or observed.shape not in ((len(self), len(self.names)), (len(self.names),)):
            wanted = f"bool ({len(self)}, {len(self.names)}) or ({len(self.names)},)"
            raise ValueError(f"a mask is {wanted}, got {observed.dtype} {tuple(observed.shape)}")
        return Dataset(self._files, self._rows, self.observed & observed.cpu(), self.target, self._split)

    def label(self, labelled: Tensor | None) -> Dataset:
        """The same rows, of which only some keep their label.

        Args:
            labelled: which do, bool ``(n,)``; None: no row, ``target`` is None then.

        Raises:
            ValueError: a mask of another shape or type.
        """
        if labelled is None or self.target is None:
            return Dataset(self._files, self._rows, self.observed, None, self._split)
        if labelled.dtype != torch.bool or labelled.shape != (len(self),):
            raise ValueError(f"a mask is bool ({len(self)},), got {labelled.dtype} {tuple(labelled.shape)}")
        target = self.target.clone()
        target[~labelled.cpu()] = float("nan") if target.is_floating_point() else -1
        return Dataset(self._files, self._rows, self.observed, target, self._split)

    def fold(self, column: str, number: int) -> Dataset:
        """The same rows, split by a column of folds: one fold is the test, the next one the validation.

        Args:
            column: of ``samples.parquet``, which numbers or names the folds.
            number: which of them, in order, is the test; counted round and round.

        Raises:
            KeyError: no such column. ValueError: fewer than three folds, a row without one, or a person in several.
        """
        values = self.column(column)
        lacking = np.array([value is None or value != value for value in values])
        if lacking.any():
            raise ValueError(f"column {column!r}: {int(lacking.sum())} rows have no fold")
        names, index = np.unique(values, return_inverse=True)
        _, person = np.unique(self.group_id, return_inverse=True)
        first = np.zeros(person.max(initial=0) + 1, dtype=int)
        first[person] = index
        if (first[person] != index).any():
            raise ValueError(f"column {column!r} has rows of one person in several folds: the test would know them")
        if len(names) < 3:
            raise ValueError(f"column {column!r} has {len(names)} folds: a test, a validation and more are needed")
        split = np.full(len(values), "train", dtype=object)
        for part, place in (("test", number), ("validation", number + 1)):
            split[values == names[place % len(names)]] = part
        return Dataset(self._files, self._rows, self.observed, self.target, split)

    def __getitem__(self, rows: Tensor | slice | np.ndarray | Sequence[int]) -> Batch:
        """Rows in memory; the content of an unseen modality is NaN or nothing.

        Raises:
            TypeError, IndexError: as `take`. ValueError: a text or events file is damaged.
        """
        view = self if isinstance(rows, slice) and rows == slice(None) else self.take(rows)
        inputs = {name: view.content(name) for name in self.names}
        return Batch(inputs, view.observed, view.target)

    def content(self, name: str) -> Tensor | Texts:
        """One modality of all rows in memory, as in a `Batch`; shapes as in docs/data.md.

        Raises:
            ValueError: a text or events file is damaged.
        """
        modality, sees = self.modalities[name], self._sees(name)
        if modality.in_array:
            array = self._files.arrays[name]
            values = np.full((len(self), *modality.shape), np.nan, dtype=np.float32)
            read = array[self._rows[sees]]
            values[sees] = np.divide(read, 255, dtype=np.float32) if array.dtype == np.uint8 else read
            return torch.from_numpy(values)
        records = self._files.records(name)
        count = np.where(sees, records.count[self._rows], 0)
        ends = np.cumsum(count)
        places = np.repeat(records.start[self._rows] - (ends - count), count) + np.arange(count.sum())
        if records.events is None:
            texts = records.texts.take(places).to_pylist()
            return Texts(texts[end - k : end] for end, k in zip(ends.tolist(), count.tolist(), strict=True))
        longest = max(1, int(count.max(initial=0)))  # encoders need not know of series of length 0
        events = np.full((len(self), longest, 3), np.nan, dtype=np.float32)
        events[np.arange(longest) < count[:, None]] = records.events[places]
        return torch.from_numpy(events)


def open_dataset(folder: str | Path, verify: bool = False) -> Dataset:
    """Open a dataset folder, checking all that needs no look at arrays and records (`check_dataset` checks those too).

    Args:
        folder: written by `write_dataset`, or by hand as docs/data.md says.
        verify: read every file once and compare its SHA-256 with the one that ``dataset.json`` declares.

    Raises:
        FileNotFoundError: the folder or one of its files is not there. ValueError: anything else is wrong with it, with
            ``verify`` also a file that has changed since it was written; the message names the first error and says how
            many there are. ImportError: no pyarrow.
    """
    files = Files(Path(folder))
    if verify and (errors := altered(files.description, files.checksums)):
        raise ValueError(first_error(folder, errors))
    rows = np.arange(len(files.samples))
    return Dataset(files, rows, files.samples.observed, files.samples.target)
