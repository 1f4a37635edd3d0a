"""From stages to a dataset folder a task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sklar.clinical.mimic3.facts import WORDED, channels
from sklar.clinical.mimic3.provenance import Provenance
from sklar.clinical.mimic3.tasks import Task
from sklar.clinical.mimic3.tensor import EPS, Normaliser, bin_count, bins_of, codes_of, expand, fill
from sklar.clinical.mimic3.units import UNITS
from sklar.data import Column, RecordFile, Series, write_dataset
from sklar.data.values import Value

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

HOURS = 48.0
STAYS = 1000  # whose tensors are made at a time
OTHERS = ("sample_id", "group_id", "split", "stay_id", "series_id", "until", "in_note_sample")


def build_tensors(
    connection: duckdb.DuckDBPyConnection, step: float, folders: Mapping[str, tuple[np.ndarray, np.ndarray]]
) -> Iterator[tuple[np.ndarray, np.ndarray, dict[str, int]]]:
    """The discretised first 48 hours of stays, or what there is of them, some stays at a time.

    Args:
        connection: DuckDB with the stages ``timeseries`` and ``all_stays``.
        step: hours of a bin.
        folders: of each dataset folder its stays (and which of them its normaliser is fitted on).

    Yields:
        Float64 ``(k, N, 76)``, the stays ``(k,)`` in ascending order, and by variable how many readings are neither a
        number nor a listed category; those are left out, where the published discretiser stops.
    """
    layout = channels()
    stays = np.unique(np.concatenate([ids for ids, _ in folders.values()]))
    names = ", ".join(f'"{name}"' for name in layout.names)
    reading = (
        f"WITH ends AS (SELECT ICUSTAY_ID, CASE WHEN 24.0::DOUBLE * LOS < {HOURS} - {EPS} THEN 24.0::DOUBLE * LOS "
        f"ELSE {HOURS} END AS finish FROM all_stays) "
        f"SELECT ICUSTAY_ID, Hours, {names} FROM timeseries JOIN ends USING (ICUSTAY_ID) "
        f"WHERE ICUSTAY_ID BETWEEN ? AND ? AND Hours > -{EPS} AND Hours < finish + {EPS} ORDER BY ICUSTAY_ID, row"
    )
    for start in range(0, len(stays), STAYS):
        part = stays[start : start + STAYS]
        rows = connection.sql(reading, params=[int(part[0]), int(part[-1])]).to_arrow_table()
        stay = rows["ICUSTAY_ID"].to_numpy()
        place = np.minimum(np.searchsorted(part, stay), len(part) - 1)
        bins = bins_of(rows["Hours"].to_numpy(), step, HOURS)
        wanted = (part[place] == stay) & (bins >= 0)
        values = np.full((len(part), bin_count(step, HOURS), len(layout.names)), np.nan)
        unread: dict[str, int] = {}
        for channel, name in enumerate(layout.names):
            codes = codes_of(name, rows[name].to_pylist())
            use = wanted & np.isfinite(codes)
            values[place[use], bins[use], channel] = codes[use]  # later rows overwrite
            if strange := int((wanted & np.isinf(codes)).sum()):
                unread[name] = strange
        yield expand(fill(values), ~np.isnan(values)), part, unread


def write_tensors(
    connection: duckdb.DuckDBPyConnection,
    step: float,
    folders: Mapping[str, tuple[np.ndarray, np.ndarray]],
    target: Path,
) -> tuple[np.ndarray, dict[str, Normaliser], dict[str, int]]:
    """The tensors of `build_tensors` in one ``.npy``, float32.

    Args:
        connection: DuckDB with the stage ``timeseries``.
        step: hours of a bin.
        folders: of each dataset folder its stays and which of them its normaliser is fitted on.
        target: the file.

    Returns:
        The stays in the rows' order ``(n,)``, the normaliser of each folder, and the readings left out.
    """
    stays = np.unique(np.concatenate([ids for ids, _ in folders.values()]))
    shape = (len(stays), bin_count(step, HOURS), len(channels().columns))
    stored = np.lib.format.open_memmap(target, mode="w+", dtype=np.float32, shape=shape)
    normalisers = {name: Normaliser.empty() for name in folders}
    unread: Counter[str] = Counter()
    start = 0
    for tensor, part, strange in build_tensors(connection, step, folders):
        stored[start : start + len(part)] = tensor
        start += len(part)
        unread.update(strange)
        for name, (ids, fitted) in folders.items():
            normalisers[name].see(tensor[np.isin(part, ids[fitted])])
    stored.flush()
    return stays, normalisers, dict(sorted(unread.items()))


def events_vocabulary() -> list[Column]:
    """Codes of the irregular events: the variables, and a code a listed word of the coma scale."""
    layout = channels()
    codes = [Column(name, UNITS[name]) for name in layout.names]
    return codes + [Column(f"{name}->{text}") for name in WORDED for text in layout.categories[name]]


def write_task(
    task: Task,
    folder: Path,
    samples: pa.Table,
    modalities: Mapping[str, Value],
    provenance: Provenance,
    notes: Mapping[str, Any],
) -> None:
    """Write one task's dataset folder.

    Raises:
        ValueError: the rows and modalities do not make a valid dataset.
    """
    labels = [task.label] if task.label else [name for name in samples.column_names if name not in OTHERS]
    write_dataset(
        folder,
        name=f"mimic3-{task.folder}",
        task=task.kind,
        labels=labels,
        classes=task.classes,
        samples=samples,
        modalities=modalities,
        source=provenance.source,
        licence=provenance.licence,
        notes=notes,
    )


def tensor_value(file: Path, stays: np.ndarray, rows: np.ndarray, step: float) -> Series:
    """The rows of one folder out of the tensor of all stays."""
    values = np.load(file, mmap_mode="r", allow_pickle=False)
    places = np.searchsorted(stays, rows)
    whole = values if len(places) == len(stays) else values[places]
    columns = [Column(name, UNITS.get(name)) for name in channels().columns]
    return Series(whole, columns, step=step)


def events_value(file: Path) -> RecordFile:
    """The irregular events."""
    return RecordFile("events", file, events_vocabulary())
