"""Records and outcomes of the PhysioNet/CinC Challenge 2012, from PhysioNet's text files or from Parquet."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sklar.clinical.physionet2012_parameters import DESCRIPTORS, MEASUREMENTS

LAST_MINUTE = 48 * 60
PARAMETERS = sorted({"RecordID", *DESCRIPTORS, *(name for group in MEASUREMENTS.values() for name in group)})
_PLACE = {name: place for place, name in enumerate(PARAMETERS)}
_TIME = re.compile(r"(\d\d):([0-5]\d)")
OUTCOMES = ("RecordID", "SAPS-I", "SOFA", "In-hospital_death")


@dataclass(frozen=True)
class Records:
    """All rows of a set, in the order of record, minute and parameter; the file's order within ties.

    Attributes:
        record: RecordID of each row, int ``(rows,)``.
        minute: since admission to the unit, int ``(rows,)``.
        parameter: place in `PARAMETERS`, int ``(rows,)``.
        value: float ``(rows,)``.
    """

    record: np.ndarray
    minute: np.ndarray
    parameter: np.ndarray
    value: np.ndarray

    def of(self, name: str) -> np.ndarray:
        """Which rows hold this parameter, bool ``(rows,)``."""
        return self.parameter == _PLACE[name]


def read_text_records(folder: Path) -> Records:
    """Read every ``<RecordID>.txt`` of a folder as PhysioNet ships it (``HH:MM,Parameter,Value``).

    Raises:
        FileNotFoundError: the folder holds no record.
        ValueError: a record is truncated, holds a malformed line or another record's number; the file and line are
            named.
    """
    files = sorted(file for file in folder.glob("*.txt") if file.stem.isdigit())
    if not files:
        raise FileNotFoundError(f"{folder} holds no record: it should have one <RecordID>.txt a stay, as 132539.txt")
    record: list[int] = []
    minute: list[int] = []
    parameter: list[int] = []
    value: list[float] = []
    for file in files:
        before = len(minute)
        _read_text_record(file, minute, parameter, value)
        record.extend([int(file.stem)] * (len(minute) - before))
    return _ordered(np.array(record), np.array(minute), np.array(parameter), np.array(value), str(folder))


def _read_text_record(file: Path, minute: list[int], parameter: list[int], value: list[float]) -> None:
    try:
        text = file.read_text(encoding="ascii")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is no text record: byte {error.start} is not ASCII; download it again") from None
    if not text.endswith("\n"):
        raise ValueError(f"{file} is truncated: its last line has no end; download it again")
    lines = text.splitlines()
    if lines[0].strip() != "Time,Parameter,Value":
        raise ValueError(f"{file}, line 1: the header should be Time,Parameter,Value")
    own = None
    for number, line in enumerate(lines[1:], start=2):
        cells = line.split(",")
        time = _TIME.fullmatch(cells[0])
        if len(cells) != 3 or time is None:
            raise ValueError(f"{file}, line {number}: should be HH:MM,Parameter,Value")
        place = _PLACE.get(cells[1])
        if place is None:
            raise ValueError(f"{file}, line {number}: the parameter {cells[1]!r} is not one of the challenge's 42")
        try:
            number_read = float(cells[2])
        except ValueError:
            number_read = math.nan
        if not math.isfinite(number_read):
            raise ValueError(f"{file}, line {number}: the value of {cells[1]} is no number")
        if cells[1] == "RecordID":
            own = number_read
        minute.append(60 * int(time[1]) + int(time[2]))
        parameter.append(place)
        value.append(number_read)
    if own != int(file.stem):
        held = "no RecordID" if own is None else f"RecordID {own:.0f}"
        raise ValueError(f"{file} holds {held}; the file's name says {file.stem}")


def read_parquet_records(file: Path) -> Records:
    """Read a set from Parquet: columns RecordID, Time (minutes), Parameter, Value, one row a measurement.

    Raises:
        ValueError: the file is no Parquet, lacks a column, or holds an empty cell or an unknown parameter.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    table = _read_parquet(file, ("RecordID", "Time", "Parameter", "Value"))
    for name in table.column_names:
        if table[name].null_count:
            raise ValueError(f"{file}, column {name}: {table[name].null_count} cells are empty")
    known = pc.index_in(table["Parameter"], value_set=pa.array(PARAMETERS))
    if known.null_count:
        stranger = table["Parameter"].filter(pc.is_null(known))[0].as_py()
        raise ValueError(f"{file}: the parameter {stranger!r} is not one of the challenge's 42")
    columns = (table["RecordID"], table["Time"], known, table["Value"])
    record, minute, parameter, value = (column.to_numpy() for column in columns)
    if not np.isfinite(value).all():
        raise ValueError(f"{file}, column Value, row {int(np.flatnonzero(~np.isfinite(value))[0])}: no finite number")
    return _ordered(record, minute, parameter, value, str(file))


def _ordered(record: np.ndarray, minute: np.ndarray, parameter: np.ndarray, value: np.ndarray, source: str) -> Records:
    beyond = np.flatnonzero((minute < 0) | (minute > LAST_MINUTE))
    if len(beyond):
        at = beyond[0]
        raise ValueError(
            f"{source}, record {record[at]}: {PARAMETERS[parameter[at]]} at minute {minute[at]}; "
            f"the challenge's records end at {LAST_MINUTE} (48 h)"
        )
    order = np.lexsort((parameter, minute, record))  # stable: ties keep the file's order
    rows = Records(record[order].astype(np.int64), minute[order], parameter[order], value[order].astype(np.float64))
    numbers = np.unique(rows.record)
    for name in DESCRIPTORS:
        lacking = np.setdiff1d(numbers, rows.record[rows.of(name) & (rows.minute == 0)])
        if len(lacking):
            raise ValueError(f"{source}, record {lacking[0]}: no {name} at 00:00; each record begins with one")
    return rows


def read_outcomes(file: Path) -> dict[str, np.ndarray]:
    """The outcomes' columns that are used, by name, int ``(records,)``; sorted by RecordID.

    Raises:
        ValueError: a column is lacking, a cell is no whole number, the label is not 0 or 1, a record occurs twice.
    """
    if file.suffix == ".parquet":
        table = _read_parquet(file, OUTCOMES)
        columns = {name: table[name].to_numpy() for name in OUTCOMES}
    else:
        with file.open(newline="", encoding="ascii") as lines:
            reader = csv.DictReader(lines, strict=True)
            lacking = [name for name in OUTCOMES if name not in (reader.fieldnames or ())]
            if lacking:
                raise ValueError(f"{file} lacks the column {lacking[0]!r}; it has {reader.fieldnames}")
            rows = [[_whole(row[name], file, reader.line_num, name) for name in OUTCOMES] for row in reader]
        columns = dict(zip(OUTCOMES, np.array(rows, dtype=np.int64).reshape(-1, len(OUTCOMES)).T, strict=True))
    label = columns["In-hospital_death"]
    strange = np.flatnonzero((label != 0) & (label != 1))
    if len(strange):
        raise ValueError(f"{file}, record {columns['RecordID'][strange[0]]}: In-hospital_death is neither 0 nor 1")
    numbers, first, times = np.unique(columns["RecordID"], return_index=True, return_counts=True)
    if len(numbers) < len(label):
        raise ValueError(f"{file}: record {numbers[times > 1][0]} occurs more than once")
    return {name: column[first].astype(np.int64) for name, column in columns.items()}


def _whole(cell: str | None, file: Path, line: int, name: str) -> int:
    try:
        return int(cell or "")
    except ValueError:
        raise ValueError(f"{file}, line {line}: {name} is no whole number (is the file truncated?)") from None


def _read_parquet(file: Path, columns: tuple[str, ...]):  # type: ignore[no-untyped-def]  # a pyarrow.Table
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        has = pq.read_schema(file).names
        lacking = [name for name in columns if name not in has]
        if lacking:
            raise ValueError(f"{file} lacks the column {lacking[0]!r}; it has {has}")
        return pq.read_table(file, columns=list(columns))
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{file} is no whole Parquet file ({error}); download it again") from None
