"""Labels in disguise: single features that tell the label."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sklar.clinical.mimic3.engine import rows_of
from sklar.clinical.mimic3.tasks import Task
from sklar.data.description import read_description

if TYPE_CHECKING:
    import duckdb

FEWEST = 10  # rows of each class; with fewer a feature may tell them apart by chance
CLOSE = 0.995  # area under the curve, or rank correlation

# By stay: the label (the largest of its rows; of the length of stay, all of it).
_LABEL = {
    "binary": "max({0})",
    "regression": "max(until + {0})",
    "multilabel": "max({0})",
}


def ranks(values: np.ndarray) -> np.ndarray:
    """Mid-ranks from 1, ``(n,)``."""
    order = np.argsort(values, kind="stable")
    ordered = values[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    ends = np.r_[starts[1:], len(ordered)]
    out = np.empty(len(values))
    out[order] = np.repeat((starts + ends + 1) / 2, ends - starts)
    return out


def telling(feature: np.ndarray, label: np.ndarray, regression: bool) -> float:
    """How well a feature tells a label, 0.5 to 1: area under the curve, or the size of the rank correlation.

    Args:
        feature: ``(n,)``, NaN where there is none.
        label: ``(n,)``, 0 and 1 or numbers.
        regression: which of the two.
    """
    known = ~np.isnan(feature)
    feature, label = feature[known], label[known]
    if regression:
        if len(feature) < 2 * FEWEST or np.ptp(feature) == 0 or np.ptp(label) == 0:
            return 0.5
        return float(abs(np.corrcoef(ranks(feature), ranks(label))[0, 1]))
    positive = label > 0
    count = int(positive.sum())
    if min(count, len(label) - count) < FEWEST:
        return 0.5
    area = (ranks(feature)[positive].sum() - count * (count + 1) / 2) / (count * (len(label) - count))
    return float(max(area, 1 - area))


def labels_in_disguise(path: Path, task: Task, connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    """Place and kind of every feature that alone tells a label.

    Looked at, by stay: the mean and last bin of each channel of the tensor; the mean value and the presence of each
    code of the events; the presence of each word of the notes; every further column of the samples.

    Args:
        path: the dataset folder.
        task: what it is.
        connection: DuckDB with ``samples``, ``events`` and ``notes`` of the folder.
    """
    described = read_description(path)[0]
    if described is None:
        return
    quoted = [f'"{name}"' for name in described.labels]
    head = ", ".join(f"{_LABEL[task.kind].format(name)} AS {name}" for name in quoted)
    rows = connection.sql(f"SELECT stay_id, {head} FROM samples GROUP BY stay_id ORDER BY stay_id").to_arrow_table()
    stays = rows["stay_id"].to_numpy()
    labels = {name: rows[name].to_numpy().astype(float) for name in described.labels}
    for place, feature in _features(path, stays, connection):
        for name, label in labels.items():
            if telling(feature, label, task.kind == "regression") >= CLOSE:
                yield place, f"tells {name}"
    known = {*described.labels, "sample_id", "group_id", "split", "stay_id", "series_id", "until", "in_note_sample"}
    columns = [row[0] for row in rows_of(connection, "DESCRIBE samples")]
    for column in columns:
        if column not in known and not column.startswith("has_"):
            yield f"samples, column {column}", "is no column of this task; it may tell the label"
    if task.kind == "binary":
        yield from _words(stays, next(iter(labels.values())), connection)


def _features(path: Path, stays: np.ndarray, connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, np.ndarray]]:
    file = path / "ehr.npy"
    if file.exists():
        tensor = np.load(file, mmap_mode="r", allow_pickle=False)
        means = np.concatenate([np.asarray(tensor[i : i + 1000]).mean(1) for i in range(0, len(tensor), 1000)])
        last = np.asarray(tensor[:, -1])
        for channel in range(tensor.shape[-1]):
            yield f"ehr, channel {channel}, mean", means[:, channel].astype(float)
            yield f"ehr, channel {channel}, last bin", last[:, channel].astype(float)
    found = connection.sql(
        "SELECT code, series_id, avg(value) AS value FROM events GROUP BY code, series_id ORDER BY code, series_id"
    ).to_arrow_table()
    codes = np.array(found["code"].to_pylist(), dtype=object)
    place = np.searchsorted(stays, found["series_id"].to_numpy())
    value = found["value"].to_numpy()
    for code in dict.fromkeys(codes.tolist()):
        mine = codes == code
        column = np.full(len(stays), np.nan)
        column[place[mine]] = value[mine]
        yield f"events, code {code}, mean", column
        present = np.zeros(len(stays))
        present[place[mine]] = 1
        yield f"events, code {code}, presence", present


def _words(stays: np.ndarray, label: np.ndarray, connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[str, str]]:
    """Words that nearly all notes of one class have and nearly none of the other."""
    positive = label > 0
    with_notes = {row[0] for row in rows_of(connection, "SELECT DISTINCT series_id FROM notes")}
    noted = np.isin(stays, list(with_notes))
    count = [int((noted & ~positive).sum()), int((noted & positive).sum())]
    if min(count) < FEWEST:
        return
    import pyarrow as pa

    connection.register("stay_labels", pa.table({"series_id": stays, "positive": positive}))
    for number, *_ in rows_of(
        connection,
        "WITH words AS ("
        "SELECT DISTINCT series_id, unnest(regexp_split_to_array(lower(text), '[^a-z]+')) AS word FROM notes"
        "), counted AS ("
        "SELECT word, count(*) FILTER (positive) / ? AS of_positive, count(*) FILTER (NOT positive) / ? AS of_rest "
        "FROM words JOIN stay_labels USING (series_id) GROUP BY word) "
        "SELECT count(*) FROM counted WHERE abs(of_positive - of_rest) >= ? HAVING count(*) > 0",
        [float(count[1]), float(count[0]), 2 * CLOSE - 1],
    ):
        yield "notes", f"{number} words tell the label"
    connection.unregister("stay_labels")
