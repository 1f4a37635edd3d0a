"""PhysioNet/CinC Challenge 2012: in-hospital death from the first 48 hours in intensive care, six modalities."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sklar.clinical.counts import CountNote, check_counts, pattern_counts
from sklar.clinical.physionet2012_parameters import (
    DESCRIPTORS,
    GENDERS,
    ICU_TYPES,
    MEASUREMENTS,
    PUBLISHED,
    Parameter,
)
from sklar.clinical.physionet2012_records import (
    PARAMETERS,
    Records,
    read_outcomes,
    read_parquet_records,
    read_text_records,
)
from sklar.clinical.split import stratified_part
from sklar.data import Column, Events, Table, write_dataset

SETS = ("a", "b")
SOURCE = (
    "PhysioNet/Computing in Cardiology Challenge 2012, v1.0.0. Silva I, Moody G, Scott DJ, Celi LA, Mark RG. "
    "Predicting in-hospital mortality of ICU patients: the PhysioNet/Computing in Cardiology Challenge 2012. Computing "
    "in Cardiology 39:245-248, 2012. Goldberger AL, et al. PhysioBank, PhysioToolkit, and PhysioNet. Circulation "
    "101(23):e215-e220, 2000."
)
LICENCE = "Open Data Commons Attribution License 1.0"


def prepare_physionet2012(raw: Path, out: Path, *, validation: int | None = None, seed: int = 0) -> Path:
    """Turn the challenge's records into a dataset folder: set a trains and validates, set b tests.

    ``static`` is a table (age, gender, height, type of unit, weight at admission; -1 is missing), the other five are
    events with their time in hours. Values outside the plausible range (`physionet2012_parameters`) are left out and
    counted in the folder's notes, as are the records that a modality is absent from for that alone. SAPS-I and SOFA are
    columns of the samples, not inputs. A record without any measurement still has ``static``.

    Args:
        raw: the folder with, for each set, the text records ``set-a/<RecordID>.txt`` and ``Outcomes-a.txt``, or
            ``set-a.parquet`` and ``outcomes-a.parquet`` (preferred where both are); or one folder that holds the
            records beside their ``Outcomes-a.txt``. One set suffices.
        out: the dataset folder to write.
        validation: number of records of set a in the validation part, stratified by the label; by default a fifth (800
            of the 4,000). 0: all of set a is training.
        seed: of that choice.

    Returns:
        The dataset folder.

    Raises:
        FileNotFoundError: there are no records, or no outcomes for them.
        ValueError: a file is malformed, records and outcomes differ, or a set of 4,000 does not have the counts that
            were published for it.
    """
    raw = Path(raw)
    notes: dict[str, Any] = {"hours": 48, "validation_seed": seed, "implausible": {}, "emptied": {}, "counts": {}}
    samples: dict[str, list[np.ndarray]] = {}
    tables: list[np.ndarray] = []
    rows: list[Records] = []
    for letter in SETS:
        found = _find(raw, letter)
        if found is None:
            continue
        records = read_parquet_records(found[0]) if found[0].is_file() else read_text_records(found[0])
        outcomes = read_outcomes(found[1])
        _same_records(records, outcomes, *found)
        label = outcomes["In-hospital_death"]
        notes["counts"][letter] = _judge(letter, records, label)
        part = np.full(len(label), "test" if letter == "b" else "train", dtype="<U10")
        if letter == "a":
            size = len(label) // 5 if validation is None else validation
            part[stratified_part(label, size, seed)] = "validation"
        plausible, notes["implausible"][letter] = _plausible(records)
        tables.append(_static(records, plausible, outcomes["RecordID"]))
        rows.append(_subset(records, plausible))
        notes["emptied"][letter] = {
            name: len(_holders(records, group)) - len(_holders(rows[-1], group)) for name, group in MEASUREMENTS.items()
        }
        columns = {"sample_id": outcomes["RecordID"], "split": part, "in_hospital_death": label,
                   "saps_i": outcomes["SAPS-I"], "sofa": outcomes["SOFA"],
                   "set": np.full(len(label), letter)}  # fmt: skip
        for name, column in columns.items():
            samples.setdefault(name, []).append(column)
    if not rows:
        raise FileNotFoundError(
            f"{raw} holds neither set-a/ nor set-a.parquet (nor set b, nor records beside an Outcomes-a.txt); download "
            "it from https://physionet.org/content/challenge-2012/1.0.0/"
        )
    joined = {name: np.concatenate(columns) for name, columns in samples.items()}
    modalities: dict[str, Table | Events] = {"static": Table(np.concatenate(tables), _static_columns())}
    modalities |= {name: _events(rows, group) for name, group in MEASUREMENTS.items()}
    return write_dataset(
        Path(out),
        name="physionet2012",
        task="binary",
        labels=["in_hospital_death"],
        classes=["alive", "died"],
        samples=_reference_columns(joined),
        modalities=modalities,
        source=SOURCE,
        licence=LICENCE,
        notes=notes,
    )


def _find(raw: Path, letter: str) -> tuple[Path, Path] | None:
    """The records (a Parquet file or a folder) and outcomes of a set; None where the set is not there."""
    text = raw / f"Outcomes-{letter}.txt"
    table, folder = raw / f"set-{letter}.parquet", raw / f"set-{letter}"
    if table.is_file():
        records, places = table, (raw / f"outcomes-{letter}.parquet", text)
    elif folder.is_dir():
        records, places = folder, (text, folder / text.name)
    elif text.is_file() and any(file.stem.isdigit() for file in raw.glob("*.txt")):
        records, places = raw, (text, text)
    else:
        return None
    for outcomes in places:
        if outcomes.is_file():
            return records, outcomes
    raise FileNotFoundError(f"{records} has no outcomes: {places[0]} is not there; PhysioNet ships {text.name}")


def _same_records(records: Records, outcomes: Mapping[str, np.ndarray], source: Path, file: Path) -> None:
    held, named = np.unique(records.record), outcomes["RecordID"]
    for lacking, holder in ((np.setdiff1d(held, named), file), (np.setdiff1d(named, held), source)):
        if len(lacking):
            raise ValueError(
                f"{holder} lacks record {lacking[0]}{f' and {len(lacking) - 1} more' * (len(lacking) > 1)}: {source} "
                f"holds {len(held)} records, {file.name} {len(named)}"
            )


def _subset(records: Records, rows: np.ndarray) -> Records:
    return Records(records.record[rows], records.minute[rows], records.parameter[rows], records.value[rows])


def _judge(letter: str, records: Records, label: np.ndarray) -> CountNote:
    """Counts of the set as it came, before any value is left out."""
    numbers = np.unique(records.record)
    measured = [np.isin(numbers, _holders(records, group)) for group in MEASUREMENTS.values()]
    observed = np.stack([np.ones(len(numbers), dtype=bool), *measured], axis=1)
    same = (np.diff(records.record) == 0) & (np.diff(records.minute) == 0) & (np.diff(records.parameter) == 0)
    found = pattern_counts(["static", *MEASUREMENTS], observed) | {
        "records": len(numbers),
        "rows": len(records.record),
        "deaths": int(label.sum()),
        "repeats": int(same.sum()),
        "without any measurement": int((~observed[:, 1:].any(1)).sum()),
    }
    published = PUBLISHED[letter]
    return check_counts(f"set {letter}", found, published, judged=len(numbers) == published["records"])


def _any_of(records: Records, names: Mapping[str, Parameter]) -> np.ndarray:
    return np.isin(records.parameter, [PARAMETERS.index(name) for name in names])


def _holders(records: Records, names: Mapping[str, Parameter]) -> np.ndarray:
    """Numbers of the records that hold any of these parameters."""
    return np.unique(records.record[_any_of(records, names)])


def _plausible(records: Records) -> tuple[np.ndarray, dict[str, int]]:
    """Which rows are within their parameter's range, and how many of each used parameter are not."""
    low, high = np.full(len(PARAMETERS), -np.inf), np.full(len(PARAMETERS), np.inf)
    for group in (DESCRIPTORS, *MEASUREMENTS.values()):
        for name, parameter in group.items():
            low[PARAMETERS.index(name)], high[PARAMETERS.index(name)] = parameter.low, parameter.high
    fine = (records.value >= low[records.parameter]) & (records.value <= high[records.parameter])
    descriptor = _any_of(records, DESCRIPTORS)
    passed_over = descriptor & ((records.value == -1) | (records.minute > 0))  # unknown, or the series of weights
    times = np.bincount(records.parameter[~fine & ~passed_over], minlength=len(PARAMETERS))
    return fine, {name: int(number) for name, number in zip(PARAMETERS, times, strict=True) if number}


def _static(records: Records, plausible: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    table = np.full((len(numbers), len(DESCRIPTORS)), np.nan, dtype=np.float32)
    for column, name in enumerate(DESCRIPTORS):
        rows = np.flatnonzero(records.of(name) & (records.minute == 0))
        of_records, first = np.unique(records.record[rows], return_index=True)
        kept = plausible[rows[first]]  # the first at 00:00 is the descriptor: a series of weights may start there, too
        table[np.searchsorted(numbers, of_records[kept]), column] = records.value[rows[first[kept]]]
    table[:, list(DESCRIPTORS).index("ICUType")] -= 1  # 1 to 4; a category's index starts at 0
    return table


def _static_columns() -> list[Column]:
    categories = {"Gender": GENDERS, "ICUType": ICU_TYPES}
    return [Column(name, parameter.unit, categories.get(name)) for name, parameter in DESCRIPTORS.items()]


def _events(sets: list[Records], group: Mapping[str, Parameter]) -> Events:
    parts = [_subset(records, _any_of(records, group)) for records in sets]
    return Events(
        series_id=np.concatenate([part.record for part in parts]),
        time=np.concatenate([part.minute for part in parts]) / 60,
        code=np.array(PARAMETERS)[np.concatenate([part.parameter for part in parts])],
        value=np.concatenate([part.value for part in parts]),
        codes=[Column(name, parameter.unit) for name, parameter in group.items()],
    )


def _reference_columns(samples: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """SAPS-I and SOFA with null for -1 (unknown)."""
    import pyarrow as pa

    scores = {name: pa.array(samples[name], mask=samples[name] < 0) for name in ("saps_i", "sofa")}
    return {**samples, **scores}
