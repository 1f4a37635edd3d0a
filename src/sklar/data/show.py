"""A dataset in plain text: counts, label rates, modalities, and which of them come together."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sklar.data.arrays import CHUNK
from sklar.data.dataset import Dataset, open_dataset
from sklar.data.description import SPLITS, Modality

WIDTH = 120
MOST = 20  # rows of a table of patterns, classes or labels
BAR = 20  # characters of the longest bar


def describe_dataset(dataset: str | Path | Dataset) -> str:
    """What a dataset holds: rows and label rates by split, each modality, and the patterns of what is observed.

    Args:
        dataset: a folder, or an opened dataset or view.

    Returns:
        Lines of at most 120 characters.

    Raises:
        FileNotFoundError, ValueError: as `open_dataset`; a text or events file is damaged.
    """
    ds = dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
    rate, meaning = label_rate(ds)
    blocks = [
        _head(ds),
        _split_table(ds),
        [f"modalities (label: {meaning})", *_modality_table(ds, rate)],
        [f"patterns (● observed, ○ missing; label: {meaning})", *_pattern_table(ds, rate)],
    ]
    return "\n\n".join("\n".join(_clipped(line, WIDTH) for line in block) for block in blocks)


def label_rate(ds: Dataset) -> tuple[Callable[[np.ndarray], str], str]:
    """One number for the labels of some rows, as text ("-" where none is labelled), and what it means.

    Binary: the share of the second class; multiclass: of the most frequent class; multilabel: the mean share of the
    labels; regression: the mean.
    """
    target = ds.target
    if target is None:
        return lambda rows: "-", "no row has one"
    if target.is_floating_point():
        values = target.numpy().astype(np.float64).reshape(len(ds), -1)
        meaning = "mean share of the labels" if ds.task == "multilabel" else f"mean of {ds.labels[0]}"
    else:
        known = target[target >= 0]
        top = 1 if ds.task == "binary" or not len(known) else int(torch.bincount(known).argmax())
        values = np.where(target >= 0, target == top, np.nan).reshape(len(ds), 1)
        meaning = f"share of {ds.classes[top] if ds.classes else top!r} in {ds.labels[0]}"

    def rate(rows: np.ndarray) -> str:
        chosen = values[rows]
        chosen = chosen[~np.isnan(chosen)]
        if not len(chosen):
            return "-"
        return f"{chosen.mean():.4g}" if ds.task == "regression" else _percent(chosen.mean())

    return rate, meaning


def _percent(share: float) -> str:
    return "-" if np.isnan(share) else f"{100 * share:.1f}%"


def _clipped(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _aligned(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Columns of one width, the first ``left`` of them flush left."""
    table = [[_clipped(cell, 40) for cell in row] for row in (header, *rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    lines = []
    for row in table:
        cells = [
            cell.ljust(w) if i < left else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(("  " + "  ".join(cells)).rstrip())
    return lines


def _head(ds: Dataset) -> list[str]:
    lines = [f"{ds.name}: {ds.task}"]
    facts = {"labels": ", ".join(ds.labels), "classes": ", ".join(ds.classes or ())}
    facts |= {"source": ds.description.source, "licence": ds.description.licence or "not stated"}
    for name, fact in facts.items():
        if fact:
            lines += textwrap.wrap(fact, WIDTH, initial_indent=f"  {name:8} ", subsequent_indent=" " * 11, max_lines=3)
    return lines


def _split_table(ds: Dataset) -> list[str]:
    """Rows, groups and labels of each split and of all."""
    split, group = ds.split, ds.group_id
    parts = [(name, split == name) for name in SPLITS if (split == name).any()] + [("all", np.ones(len(ds), bool))]
    rows = [
        ["rows", *(str(int(part.sum())) for _, part in parts)],
        ["groups", *(str(len(np.unique(group[part]))) for _, part in parts)],
    ]
    if ds.target is not None:
        labels = _label_rows(ds, ds.target)
        rows += [[name, *(value(torch.from_numpy(part)) for _, part in parts)] for name, value in labels[: MOST + 1]]
        if len(labels) > MOST + 1:
            rows.append([f"{len(labels) - MOST - 1} more", *[""] * len(parts)])
    return ["rows and labels", *_aligned(["", *(name for name, _ in parts)], rows)]


def _label_rows(ds: Dataset, target: Tensor) -> list[tuple[str, Callable[[Tensor], str]]]:
    """What the labels of some rows are, a line each: a name and the text for a mask of rows."""
    if ds.task == "regression":

        def moment(statistic: Callable[[Tensor], Tensor]) -> Callable[[Tensor], str]:
            return lambda part: f"{float(statistic(known)):.4g}" if len(known := _known(target[part])) else "-"

        return [
            ("unlabelled", lambda part: str(int(target[part].isnan().sum()))),
            (f"{ds.labels[0]}, mean", moment(lambda values: values.double().mean())),
            (f"{ds.labels[0]}, sd", moment(lambda values: values.double().std(correction=0))),
        ]
    if ds.task == "multilabel":

        def share(label: int) -> Callable[[Tensor], str]:
            return lambda part: _percent(float(_known(target[part, label]).double().mean()))

        lines = [("unlabelled", lambda part: str(int(target[part].isnan().any(1).sum())))]
        return [*lines, *((name, share(label)) for label, name in enumerate(ds.labels))]

    def frequency(index: int) -> Callable[[Tensor], str]:
        return lambda part: _percent(float((target[part][target[part] >= 0] == index).double().mean()))

    lines = [("unlabelled", lambda part: str(int((target[part] < 0).sum())))]
    return [*lines, *((f"{ds.labels[0]} {name}", frequency(i)) for i, name in enumerate(ds.classes or ()))]


def _known(values: Tensor) -> Tensor:
    return values[~values.isnan()]


def _modality_table(ds: Dataset, rate: Callable[[np.ndarray], str]) -> list[str]:
    header = ["", "", "kind", "content", "rows", "share", "missing cells", "records a row", "label if there", "if not"]
    rows = []
    for number, (name, modality) in enumerate(ds.modalities.items()):
        has = ds.observed[:, number].numpy()
        share = _percent(has.mean()) if len(ds) else "-"
        cells, records = "", ""
        if modality.kind in ("table", "series"):
            cells = _percent(missing_cells(ds, name))
        elif not modality.in_array and has.any():
            low, median, high = np.percentile(ds.record_count(name)[has], (10, 50, 90))
            records = f"{median:.0f} ({low:.0f}-{high:.0f})"
        line = [
            str(number + 1),
            _clipped(name, 20),
            modality.kind,
            _content(modality),
            str(int(has.sum())),
            share,
            cells,
        ]
        rows.append([*line, records, rate(has), rate(~has)])
    return [
        *_aligned(header, rows, left=4),
        "  records a row: the median and the 10th and 90th percentile of rows with some",
    ]


def _content(modality: Modality) -> str:
    if modality.kind == "text":
        return ""
    if modality.kind == "events":
        return f"{len(modality.codes)} codes"
    if modality.kind == "series":
        bins, channels = modality.shape
        return f"{bins} x {modality.step:g} h, {channels} ch."
    size = " x ".join(map(str, modality.shape))
    categorical = sum(column.categories is not None for column in modality.columns)
    return f"{size} ({categorical} cat.)" if categorical else size


def missing_cells(ds: Dataset, name: str) -> float:
    """The share of NaN among the cells of the rows that have a table or series; NaN where no row has it."""
    has = torch.from_numpy(np.flatnonzero(ds.observed[:, ds.names.index(name)].numpy()))
    size = int(np.prod(ds.modalities[name].shape))
    missing = 0
    for rows in has.split(max(1, CHUNK // size)) if len(has) else ():
        values = ds.take(rows).content(name)
        assert isinstance(values, Tensor)  # a table or series
        missing += int(values.isnan().sum())
    return missing / (len(has) * size) if len(has) else float("nan")


def _pattern_table(ds: Dataset, rate: Callable[[np.ndarray], str]) -> list[str]:
    """The most frequent patterns: a dot a modality, how many rows, and their labels (an UpSet plot in text)."""
    if not len(ds):
        return ["  no rows"]
    patterns, place, counts = np.unique(ds.observed.numpy(), axis=0, return_inverse=True, return_counts=True)
    place = place.reshape(-1)
    order = np.lexsort((np.arange(len(counts)), -counts))
    names = [_clipped(name, 12) for name in ds.names]
    if sum(len(name) + 2 for name in names) > WIDTH - 60:
        names = [str(number + 1) for number in range(len(ds.names))]  # as numbered among the modalities
    header = [*names, "rows", "share", "label", ""]
    rows = []
    for pattern in order[:MOST].tolist():
        dots = ["●" if seen else "○" for seen in patterns[pattern]]
        bar = "█" * max(1, round(BAR * counts[pattern] / counts.max()))
        share = _percent(counts[pattern] / len(ds))
        rows.append([*dots, str(counts[pattern]), share, rate(place == pattern), bar.ljust(BAR)])
    lines = _aligned(header, rows, left=0)
    if len(order) > MOST:
        left = int(counts[order[MOST:]].sum())
        lines.append(f"  {len(order) - MOST} more patterns in {left} rows ({_percent(left / len(ds))})")
    return lines
