"""The ``.npy`` files of a dataset folder: opened as memory maps, scanned in chunks, written in chunks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sklar.data.description import Modality
from sklar.data.problem import MISSING_FILE, Problem, rows_at

CHUNK = 2**24  # values read at a time
AXES = {"vector": "(n, F)", "table": "(n, F)", "series": "(n, T, C)", "image": "(n, C, H, W)"}
REWRITE = "write the folder again with sklar.data.write_dataset"


def open_array(folder: Path, modality: Modality, rows: int | None) -> tuple[np.ndarray | None, list[Problem]]:
    """The memory map of an array's file, None where there is an error, and what is wrong with its header.

    Args:
        folder: of the dataset.
        modality: vector, table, series or image.
        rows: of ``samples.parquet``; None where that is unknown.
    """
    place = modality.file
    file = folder / place
    if not file.is_file():
        return None, [Problem(place, MISSING_FILE, f"{REWRITE}, or take the modality out of dataset.json")]
    try:
        array = np.load(file, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # a damaged header is parsed as Python, and may fail in any way
        return None, [Problem(place, f"cannot be read as .npy: {error or type(error).__name__}", REWRITE)]
    if not isinstance(array, np.memmap):  # a zip of arrays
        return None, [Problem(place, "holds no single array", "save it with numpy.save")]
    problems = []
    allowed = ("float32", "uint8") if modality.kind == "image" else ("float32",)
    if array.dtype not in [np.dtype(name) for name in allowed]:
        what = f"holds {array.dtype} ({array.dtype.byteorder} byte order)"
        problems.append(Problem(place, what, f"save it as {' or '.join(allowed)} in native byte order"))
    axes = AXES[modality.kind]
    if array.ndim != axes.count(",") + 1 or min(array.shape[1:]) < 1:
        problems.append(Problem(place, f"has the shape {array.shape}", f"a {modality.kind} needs {axes}"))
        return None, problems
    if modality.kind == "image" and array.shape[1] not in (1, 3):
        problems.append(Problem(place, f"images of {array.shape[1]} channels, {array.shape}", "1 or 3 are allowed"))
    if rows is not None and len(array) != rows:
        what = f"has {len(array)} rows, samples.parquet has {rows}"
        problems.append(Problem(place, what, "give each sample its row, of NaN where it lacks the modality"))
    named = len(modality.columns or modality.channels)
    if named and array.shape[-1] != named:
        what = f"is {array.shape[-1]} wide, dataset.json names {named}"
        problems.append(Problem(place, what, f"make dataset.json's modalities.{modality.name} and the file agree"))
    if modality.shape and array.shape[1:] != modality.shape:
        what = f"rows of shape {array.shape[1:]}, dataset.json says {modality.shape}"
        problems.append(Problem(place, what, "make them agree: is this the right file?"))
    if array.size and not array.flags.c_contiguous:
        problems.append(Problem(place, "is stored in Fortran order", "save numpy.ascontiguousarray of it"))
    expected = array.offset + array.nbytes
    if (size := file.stat().st_size) != expected:
        problems.append(Problem(place, f"is {size} bytes long, its header says {expected}", REWRITE))
    return (None if problems else array), problems


def chunks(array: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Runs of rows of at most `CHUNK` values (one row at least)."""
    step = max(1, CHUNK // max(1, int(np.prod(array.shape[1:]))))
    for start in range(0, len(array), step):
        rows = slice(start, min(start + step, len(array)))
        yield rows, np.asarray(array[rows])


def has_content(array: np.ndarray) -> np.ndarray:
    """Which rows hold anything, bool ``(n,)``: a number in floats, a value above 0 in uint8."""
    found = np.zeros(len(array), dtype=bool)
    for rows, values in chunks(array):
        flat = values.reshape(len(values), -1)
        found[rows] = (flat > 0).any(1) if array.dtype == np.uint8 else ~np.isnan(flat).all(1)
    return found


def scan_array(array: np.ndarray, modality: Modality, present: np.ndarray, ids: np.ndarray | None) -> list[Problem]:
    """What is wrong with the content of the rows that have the modality, and which other rows hold something.

    Args:
        array: ``(n, ...)``.
        modality: vector, table, series or image.
        present: which rows have it, bool ``(n,)``.
        ids: the sample_id of each row, for messages.
    """
    faults: dict[tuple[str, str], list[np.ndarray]] = {}

    def note(what: str, remedy: str, rows: np.ndarray) -> None:
        if len(rows):
            faults.setdefault((what, remedy), []).append(rows)

    for rows, values in chunks(array):
        if array.dtype == np.uint8:  # every byte is a value
            break
        places = np.flatnonzero(present[rows])
        flat = values[places].reshape(len(places), int(np.prod(values.shape[1:])))
        places = places + rows.start
        lacking = np.isnan(flat)
        empty = lacking.all(1)
        note(f"has_{modality.name} is true where all is NaN", "set it to false there", places[empty])
        infinite = np.isinf(flat).any(1)
        note("infinite values", "replace them by NaN or a number", places[infinite])
        if modality.kind in ("vector", "image"):
            some = lacking.any(1) & ~empty
            note("NaN among numbers", f"a {modality.kind} is whole or absent: fill it, or use a table", places[some])
        if modality.kind == "image":
            outside = ((flat < 0) | (flat > 1)).any(1) & ~infinite
            note("values outside [0, 1]", "scale the image, or store uint8", places[outside])
        if modality.kind == "table":
            for number, column in enumerate(modality.columns):
                if column.categories is not None:
                    cells = flat[:, number]
                    count = len(column.categories)
                    with np.errstate(invalid="ignore"):  # of NaN
                        whole = cells == np.floor(cells)
                    wrong = ~np.isnan(cells) & ~((cells >= 0) & (cells < count) & whole)
                    remedy = f"a cell holds the index of its category, 0 to {count - 1}, or NaN"
                    note(f"column {column.name!r} holds no category", remedy, places[wrong])
    problems = []
    for (what, remedy), found in faults.items():
        problems.append(Problem(f"{modality.file}, {rows_at(np.concatenate(found), ids)}", what, remedy))
    if len(unused := np.flatnonzero(~present & has_content(array))):
        place = f"{modality.file}, {rows_at(unused, ids)}"
        what = f"has_{modality.name} is false where there is content"
        remedy = "set it to true there; else the content is never used"
        problems.append(Problem(place, what, remedy, "warning"))
    return problems


def write_array(file: Path, values: np.ndarray, dtype: type[np.generic], place: str) -> None:
    """An array in a ``.npy`` file, converted a chunk at a time.

    Raises:
        ValueError: finite numbers that are infinite in ``dtype``.
    """
    stored = np.lib.format.open_memmap(file, mode="w+", dtype=dtype, shape=values.shape)
    for rows, chunk in chunks(values):
        with np.errstate(over="ignore"):
            stored[rows] = chunk
        if np.issubdtype(dtype, np.floating) and (np.isinf(stored[rows]) & np.isfinite(chunk)).any():
            raise ValueError(f"{place}: numbers too large for float32; change their unit")
    stored.flush()
