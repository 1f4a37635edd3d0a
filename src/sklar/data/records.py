"""Texts and events: any number of timed records a series, in a Parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sklar.data.description import Modality
from sklar.data.parquet import arrow, batches, open_parquet
from sklar.data.problem import LARGEST, DamagedFile, Problem, first_error, listed_values

if TYPE_CHECKING:
    import pyarrow as pa

    from sklar.data.samples import Clock

NUMBER = ("number", "integer")


def needed_columns(modality: Modality, series_type: str | None) -> dict[str, tuple[str, ...]]:
    """The columns of a modality's Parquet file and the allowed groups of their types, in order."""
    series = ("integer", "text") if series_type is None else (series_type,)
    columns: dict[str, tuple[str, ...]] = {"series_id": series, "time": NUMBER}
    if modality.kind == "text":
        return columns | {"text": ("text",)}
    return columns | {"code": ("text",), "value": NUMBER}


def open_records(folder: Path, modality: Modality, series_type: str | None) -> list[Problem]:
    """What is wrong with the columns of a modality's Parquet file.

    Args:
        folder: of the dataset.
        modality: text or events.
        series_type: ``integer`` or ``text``, the type of the samples' series_id; None where that is unknown.
    """
    return open_parquet(folder, modality.file, needed_columns(modality, series_type))[2]


@dataclass
class Chunk:
    """Some records, in the file's order.

    Attributes:
        series: place of the record's series in the `Clock`, -1 where no sample has it, ``(k,)``.
        time: hours, NaN where unknown, ``(k,)``.
        code: index of the code, -1 where it is not in the vocabulary (events), ``(k,)``.
        value: NaN for the event alone (events), ``(k,)``.
        text: the strings (text).
    """

    series: np.ndarray
    time: np.ndarray
    code: np.ndarray
    value: np.ndarray
    text: pa.Array | None


@dataclass
class Scan:
    """What reading all records of a modality found.

    Attributes:
        problems: with them.
        earliest: time of the first record of each series, infinite where there is none, NaN where the file is damaged,
            ``(series,)``.
    """

    problems: list[Problem]
    earliest: np.ndarray


def _places(values: pa.Array, known: pa.Array) -> np.ndarray:
    import pyarrow.compute as pc

    return pc.fill_null(pc.index_in(values, value_set=known), -1).to_numpy(zero_copy_only=False)


def _numbers(values: pa.Array) -> np.ndarray:
    pa = arrow()
    return values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)


class _Faults:
    """Counts of what is wrong, with the first row of each."""

    def __init__(self, modality: Modality) -> None:
        self.modality = modality
        self.found: dict[str, tuple[int, int, str, str, str]] = {}

    def note(self, column: str, what: str, remedy: str, wrong: np.ndarray, start: int, severity: str = "error") -> None:
        if wrong.any():
            count, first, *_ = self.found.get(what, (0, start + int(wrong.argmax())))
            self.found[what] = (count + int(wrong.sum()), first, column, remedy, severity)

    def problems(self) -> list[Problem]:
        return [
            Problem(
                f"{self.modality.file}, column {column!r}, {count} records, first record {first}",
                what,
                remedy,
                severity,  # type: ignore[arg-type]
            )
            for what, (count, first, column, remedy, severity) in self.found.items()
        ]


def _chunks(folder: Path, modality: Modality, clock: Clock | None, faults: _Faults) -> Iterator[Chunk]:
    pa = arrow()
    columns = [*needed_columns(modality, None)]
    codes = pa.array([code.name for code in modality.codes], pa.large_string())
    unknown: dict[str, None] = {}
    start = 0
    for batch in batches(folder, modality.file, columns):
        series = np.full(len(batch), -1) if clock is None else _places(batch.column(0), clock.series)
        time = _numbers(batch.column(1))
        chunk = Chunk(series, time, np.empty(0, int), np.empty(0), None)
        nulls = {name: batch.column(i).is_null().to_numpy(zero_copy_only=False) for i, name in enumerate(columns)}
        faults.note("series_id", "null series_id", "name the series", nulls["series_id"], start)
        faults.note("time", "no finite time", "give each record its hours", ~(np.abs(time) <= LARGEST), start)
        if modality.kind == "text":
            chunk.text = batch.column(2)
            faults.note("text", "null texts", "leave the record out", nulls["text"], start)
        else:
            chunk.code, chunk.value = _places(batch.column(2), codes), _numbers(batch.column(3))
            strange = chunk.code < 0
            if strange.any() and len(unknown) < 100:
                unknown |= dict.fromkeys(batch.column(2).filter(pa.array(strange)).unique().to_pylist())
            what = "codes that dataset.json does not list"
            faults.note("code", what, "add them to codes or leave the records out", strange, start)
            written = np.isnan(chunk.value) & ~nulls["value"]
            faults.note("value", "NaN values", "write null: the event alone", written, start)
            what, infinite = "values infinite in float32", np.abs(chunk.value) > LARGEST
            faults.note("value", what, "write null, or change the unit", infinite, start)
        orphan = (chunk.series < 0) & ~nulls["series_id"] & (clock is not None)
        what = "records of a series_id that no sample has"
        faults.note("series_id", what, "are samples lost? else leave the records out", orphan, start, "warning")
        start += len(batch)
        yield chunk
    if unknown:
        what = "codes that dataset.json does not list"
        faults.found[f"{what}: {listed_values([*unknown])}"] = faults.found.pop(what)


def scan_records(folder: Path, modality: Modality, clock: Clock | None) -> Scan:
    """Read all records, a run at a time, for what is wrong with them.

    Args:
        folder: of the dataset.
        modality: text or events.
        clock: of the samples; None where they cannot be used.
    """
    faults = _Faults(modality)
    earliest = np.full(0 if clock is None else len(clock.series), np.inf)
    try:
        for chunk in _chunks(folder, modality, clock, faults):
            known = (chunk.series >= 0) & ~np.isnan(chunk.time)
            np.minimum.at(earliest, chunk.series[known], chunk.time[known])
    except DamagedFile as error:
        return Scan([*faults.problems(), error.problem], np.full(len(earliest), np.nan))
    return Scan(faults.problems(), earliest)


@dataclass
class Records:
    """All records of a modality, ordered by series and time, and which of them each sample sees.

    Attributes:
        start: of each sample's run, ``(n,)``.
        count: of records it sees, ``(n,)``.
        events: time, index of the code and value of each record, float32 ``(N, 3)``; None for text.
        texts: the string of each record; None for events.
    """

    start: np.ndarray
    count: np.ndarray
    events: np.ndarray | None
    texts: Any


def load_records(folder: Path, modality: Modality, clock: Clock) -> Records:
    """Read all records into memory.

    Raises:
        ValueError: a damaged file, or records that are not in order.
    """
    pa = arrow()
    faults = _Faults(modality)
    try:
        read = list(_chunks(folder, modality, clock, faults))
    except DamagedFile as error:
        raise ValueError(first_error(folder, [error.problem])) from error
    if errors := [problem for problem in faults.problems() if problem.is_error]:
        raise ValueError(first_error(folder, errors))
    series = np.concatenate([np.empty(0, np.int64), *(chunk.series for chunk in read)])
    time = np.concatenate([np.empty(0), *(chunk.time for chunk in read)])
    order = np.lexsort((time, series))  # stable: records of one time keep the file's order
    order = order[np.searchsorted(series[order], 0) :]  # those of no sample come first
    series, time = series[order], time[order]
    edges = np.searchsorted(series, np.arange(len(clock.series) + 1))
    start, end = edges[clock.place], edges[clock.place + 1]
    if clock.until is not None:
        end = _first_after(time, start, end, clock.until)
    if modality.kind == "text":
        chunked = pa.chunked_array([chunk.text for chunk in read], pa.large_string())
        return Records(start, end - start, None, chunked.combine_chunks().take(pa.array(order)))
    events = np.empty((len(order), 3), np.float32)
    events[:, 0] = time
    events[:, 1] = np.concatenate([np.empty(0, int), *(chunk.code for chunk in read)])[order]
    events[:, 2] = np.concatenate([np.empty(0), *(chunk.value for chunk in read)])[order]
    return Records(start, end - start, events, None)


def _first_after(time: np.ndarray, low: np.ndarray, high: np.ndarray, until: np.ndarray) -> np.ndarray:
    """The first place in ``low .. high`` (sorted there) whose time is after ``until``, for all rows at once."""
    while (low < high).any():
        middle = (low + high) // 2
        seen = (low < high) & (time[np.minimum(middle, len(time) - 1)] <= until)
        low, high = np.where(seen, middle + 1, low), np.where(seen, high, np.minimum(high, middle))
    return low
