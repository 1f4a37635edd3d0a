"""What a finished run says of rows: scores, predictions, imputations."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sklar.data import Dataset, open_dataset
from sklar.data.missingness import Missingness
from sklar.evaluation import Record, evaluate_rows, predict_rows
from sklar.models.base import ROWS_AT_ONCE
from sklar.models.variational import VariationalCopula
from sklar.training.feed import Feed
from sklar.training.run import Run


def rows_of(run: Run, data: Path | None, split: str | None) -> tuple[Dataset, Feed]:
    """Rows of a dataset folder, as they are and as the run's model wants them.

    Args:
        run: a finished run.
        data: the folder; default the one that the run was trained on.
        split: ``train``, ``validation``, ``test``, or None for all rows.

    Raises:
        ValueError: no such rows.
    """
    dataset = open_dataset(run.data if data is None else data)
    rows = dataset if split is None else dataset.part(split)
    if len(rows) == 0:
        raise ValueError(f"{dataset.folder} has no rows" + ("" if split is None else f" whose split is {split!r}"))
    return rows, Feed(rows, run.model)


def evaluate_run(
    run: Run, data: Path | None = None, split: str | None = "test", missing: Missingness | None = None
) -> list[Record]:
    """Scores of a run on labelled rows; see `evaluate_rows`.

    Args:
        run: a finished run.
        data: a dataset folder; default the run's own.
        split: which rows; None for all.
        missing: removes modalities beside what is missing already.

    Raises:
        ValueError: another task, other labels or classes than the run's; no labelled rows.
    """
    dataset, rows = rows_of(run, data, split)
    classes = None if dataset.classes is None else list(dataset.classes)
    theirs, ours = (dataset.task, list(dataset.labels), classes), (run.task, run.labels, run.classes)
    if theirs != ours:
        raise ValueError(f"{dataset.folder} asks for {theirs}, the run answers {ours}: task, labels, classes")
    if missing is not None:
        rows = rows.without(missing)
    return evaluate_rows(run.model, rows)


def predict_run(
    run: Run, data: Path, out: Path, split: str | None = None, num_samples: int | None = None, progress: bool = True
) -> Path:
    """Write predictions as Parquet: a row a sample, atomically; returns the path.

    Columns: ``sample_id``; ``probability`` of the second of two classes, or one a class (``probability_<class>``) or
    label (``probability_<label>``), or ``mean``; the same with ``spread`` (standard deviation over draws of what is not
    known, uncalibrated); ``has_<modality>`` as the model saw it.

    Args:
        run: a finished run.
        data: a dataset folder; labels are not needed.
        out: the file.
        split: which rows; None for all.
        num_samples: draws to average over.
        progress: show a progress bar.
    """
    import pyarrow as pa
    from pyarrow import parquet
    from tqdm import tqdm

    dataset, rows = rows_of(run, data, split)
    with tqdm(total=len(rows), disable=None if progress else True, unit="row") as bar:
        prediction = predict_rows(run.model, rows, num_samples, bar.update)
    columns: dict[str, Any] = {"sample_id": dataset.sample_id}
    for name, value in (("probability", prediction.mean), ("spread", prediction.spread)):
        columns |= _columns(run, name, value)
    columns |= {f"has_{name}": rows.observed[:, m].numpy() for m, name in enumerate(rows.names)}
    with renamed(out) as part:
        parquet.write_table(pa.table(columns), part)
    return out


def _columns(run: Run, name: str, value: Tensor) -> dict[str, Any]:
    if run.task == "regression":
        return {"mean" if name == "probability" else name: value.numpy()}
    if run.task == "binary":
        return {name: value[:, 1].numpy()}
    labels = run.labels if run.task == "multilabel" else run.classes or []
    return {f"{name}_{label}": value[:, k].numpy() for k, label in enumerate(labels)}


def impute_run(
    run: Run, data: Path, out: Path, split: str | None = None, num_samples: int = 5, seed: int = 0,
    progress: bool = True,
) -> list[Path]:  # fmt: skip
    """Write draws of what is missing as Parquet, two files a modality that some row lacks; returns their paths.

    ``<modality>-embeddings.parquet``: ``sample_id``, ``draw``, ``z0`` and so on. ``<modality>-features.parquet``:
    ``sample_id``, ``draw``, and the decoded features by name, in original units with the decoder's noise: the input
    itself for vectors and tables, summaries of it for the other kinds (see docs/encoders.md).

    Args:
        run: a finished run of a model that generates.
        data: a dataset folder.
        out: folder of the files.
        split: which rows; None for all.
        num_samples: draws a row.
        seed: of the draws.
        progress: show a progress bar.

    Raises:
        ValueError: the model does not impute; nothing is missing.
    """
    import pyarrow as pa
    from pyarrow import parquet
    from tqdm import tqdm

    model = run.model
    if not isinstance(model, VariationalCopula):
        raise ValueError(f"the run's model is {model.name!r}, which imputes nothing; train variational_copula")
    dataset, rows = rows_of(run, data, split)
    lacking = [m for m in range(len(rows.names)) if not bool(rows.observed[:, m].all())]
    if not lacking:
        raise ValueError(f"{dataset.folder}: no row lacks a modality, there is nothing to impute")
    out.mkdir(parents=True, exist_ok=True)
    generator = torch.Generator().manual_seed(seed)
    names = {m: model.encoder(rows.names[m]).feature_names() for m in lacking}
    paths = {(m, what): out / f"{rows.names[m]}-{what}.parquet" for m in lacking for what in ("embeddings", "features")}
    temporary = {key: path.with_name(f"{path.name}.{os.getpid()}.part") for key, path in paths.items()}
    writers: dict[tuple[int, str], Any] = {}
    ids = dataset.sample_id
    try:
        with tqdm(total=len(rows), disable=None if progress else True, unit="row") as bar:
            for part in torch.arange(len(rows)).split(ROWS_AT_ONCE):
                embeddings, features = model.impute_and_generate(rows[part], num_samples, generator)
                for m in lacking:
                    hidden = ~rows.observed[part, m]
                    if not bool(hidden.any()):
                        continue
                    for what, values in (("embeddings", embeddings), ("features", features)):
                        draws = values[rows.names[m]][:, hidden].cpu()
                        labels = [f"z{j}" for j in range(draws.shape[-1])] if what == "embeddings" else names[m]
                        count = int(hidden.sum())
                        table = pa.table(
                            {
                                "sample_id": ids[part[hidden].numpy().repeat(num_samples)],
                                "draw": list(range(num_samples)) * count,
                            }
                            | dict(zip(labels, draws.transpose(0, 1).flatten(0, 1).T.numpy(), strict=True))
                        )
                        key = (m, what)
                        if key not in writers:
                            writers[key] = parquet.ParquetWriter(temporary[key], table.schema)
                        writers[key].write_table(table)
                bar.update(len(part))
    finally:
        for writer in writers.values():
            writer.close()
    for key, path in paths.items():
        os.replace(temporary[key], path)
    return list(paths.values())


@contextmanager
def renamed(path: Path) -> Iterator[Path]:
    """A temporary name to write to, renamed to ``path`` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
