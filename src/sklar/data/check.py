"""Everything that is wrong with a dataset folder."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from sklar.data.arrays import has_content, open_array, scan_array
from sklar.data.checksum import CHANGED, altered, sha256_of
from sklar.data.description import DESCRIPTION, SAMPLES, Description, read_description
from sklar.data.problem import Problem, listed, rows_at
from sklar.data.records import open_records, scan_records
from sklar.data.samples import Samples, read_samples


@dataclass
class Inspection:
    """What a folder holds, as far as it can be opened, and what is wrong without looking at arrays and records.

    Attributes:
        folder: the dataset folder.
        description: its ``dataset.json``; the shapes of arrays come from their files. None where unreadable.
        samples: its ``samples.parquet``, None where unreadable.
        arrays: memory map of each vector, table, series and image that is in order.
        records: the names of the texts and events whose file has the right columns.
        problems: what is wrong.
    """

    folder: Path
    description: Description | None
    samples: Samples | None = None
    arrays: dict[str, np.ndarray] = field(default_factory=dict)
    records: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def inspect(folder: str | Path) -> Inspection:
    """Open all files of a folder and compare their headers, sizes and the samples' columns; reads no content.

    Raises:
        FileNotFoundError: there is no such folder. NotADirectoryError: it is a file. ImportError: no pyarrow.
    """
    folder = Path(folder)
    if not folder.exists():
        raise FileNotFoundError(f"there is no dataset folder {folder}; sklar.data.write_dataset makes one")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file; a dataset is the folder that holds {DESCRIPTION}")
    description, problems = read_description(folder)
    found = Inspection(folder, description, problems=problems)
    found.samples, more = read_samples(folder, description or Description())
    problems += more
    if description is None:
        return found
    samples = found.samples
    series_type = samples.clock.series_type if samples is not None and _has_clock(samples) else None
    modalities = dict(description.modalities)
    for name, modality in modalities.items():
        if modality.in_array:
            array, more = open_array(folder, modality, None if samples is None else len(samples))
            if array is not None:
                found.arrays[name] = array
                modalities[name] = replace(modality, shape=tuple(array.shape[1:]))
        else:
            more = open_records(folder, modality, series_type)
            if not more:
                found.records.append(name)
        problems += more
    found.description = replace(description, modalities=modalities)
    known = {DESCRIPTION, SAMPLES, *(modality.file for modality in modalities.values())}
    for path in sorted(folder.iterdir()):
        if path.name not in known and path.stem not in description.declared:
            what = (
                "is left over from an interrupted write" if path.name.endswith(".part") else "is no part of the dataset"
            )
            problems.append(Problem(path.name, what, "delete it or name it in dataset.json", "warning"))
    for file, stored in description.files.items():
        if file not in known:
            problems.append(Problem(f"{DESCRIPTION}, files.{file}", "no modality has this file", "is one missing?"))
        elif (folder / file).is_file() and (size := (folder / file).stat().st_size) != stored.bytes:
            what = f"is {size} bytes long, {stored.bytes} were written"
            problems.append(Problem(file, what, CHANGED))
    if description.files and (lacking := sorted(known - {DESCRIPTION, *description.files})):
        what = f"says nothing on {listed(lacking)}"
        problems.append(Problem(f"{DESCRIPTION}, files", what, "add bytes and sha256 of the file", "warning"))
    return found


def _has_clock(samples: Samples) -> bool:
    """Whether the samples' series and hours can be used."""
    return "series_id" in samples.names or "sample_id" in samples.names


def check_dataset(folder: str | Path) -> list[Problem]:
    """All that is wrong with a dataset folder, the content of every file included; empty where it is in order.

    Reads arrays and records in chunks, so memory is bounded by the samples.

    Raises:
        FileNotFoundError: there is no such folder. NotADirectoryError: it is a file. ImportError: no pyarrow.
    """
    found = inspect(folder)
    problems, samples = found.problems, found.samples
    if found.description is None:
        return problems
    ids = samples.column("sample_id") if samples is not None and "sample_id" in samples.names else None
    for name, modality in found.description.modalities.items():
        has = None if samples is None or f"has_{name}" not in samples.names else samples.present(name)
        if name in found.arrays:
            array = found.arrays[name]
            problems += scan_array(array, modality, has_content(array) if has is None else has, ids)
        elif name in found.records:
            clock = samples.clock if samples is not None and _has_clock(samples) else None
            scan = scan_records(found.folder, modality, clock)
            problems += scan.problems
            if clock is None or has is None:
                continue
            earliest = scan.earliest[clock.place]
            present = earliest < np.inf if clock.until is None else earliest <= clock.until
            place = f"{SAMPLES}, column 'has_{name}'"
            if len(rows := np.flatnonzero(has & ~present & ~np.isnan(earliest))):
                what, remedy = f"is true without a record in {modality.file}", "set it to false there"
                problems.append(Problem(f"{place}, {rows_at(rows, ids)}", what, remedy))
            if len(rows := np.flatnonzero(~has & present)):
                what, remedy = f"is false with records in {modality.file}", "set it to true; else they are never used"
                problems.append(Problem(f"{place}, {rows_at(rows, ids)}", what, remedy, "warning"))
    sums = {
        file: sha256_of(path)
        for file, stored in found.description.files.items()
        if (path := found.folder / file).is_file() and path.stat().st_size == stored.bytes  # else noted already
    }
    return problems + altered(found.description, sums)
