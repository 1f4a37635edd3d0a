"""What a finished run says of rows: scores, predictions, imputations."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sklar.data import open_dataset
from sklar.data.missingness import Missingness
from sklar.evaluation import Record, evaluate_rows, predict_rows
from sklar.models import FusionModel
from sklar.models.base import ROWS_AT_ONCE
from sklar.training.feed import Feed, remove
from sklar.training.files import refuse_inside_dataset, renamed
from sklar.training.run import Run

if TYPE_CHECKING:
    import numpy as np


def rows_of(run: Run, data: Path | None, split: str | None) -> Feed:
    """Rows of a dataset folder as the run's model wants them; those with nothing for it are left out with a warning.

    Args:
        run: a finished run.
        data: the folder; default the one that the run was trained on.
        split: ``train``, ``validation``, ``test``, or None for all rows.

    Raises:
        ValueError: no such rows; a file that has changed since it was written; a modality of another kind or step than
            in training.
    """
    dataset = open_dataset(run.data if data is None else data, verify=True)
    names = run.model.names
    for name, before in run.modalities.items():
        now = dataset.modalities.get(name)
        if now is None or name not in names:
            continue
        trained = f"when the run was trained it was {before['kind']}"
        if now.kind != before["kind"]:
            raise ValueError(f"{dataset.folder}: modality {name!r} is of kind {now.kind}, {trained}; prepare it so")
        if now.step != before.get("step"):
            trained += f" in bins of {before.get('step')} hours"
            raise ValueError(f"{dataset.folder}: modality {name!r} has bins of {now.step} hours, {trained}")
    unknown = [name for name in dataset.names if name not in run.modalities]
    if unknown:
        warnings.warn(f"{dataset.name}: modalities {unknown} are not the run's and left out", stacklevel=2)
    rows = dataset if split is None else dataset.part(split)
    if len(rows) == 0:
        raise ValueError(f"{dataset.folder} has no rows" + ("" if split is None else f" whose split is {split!r}"))
    feed = Feed(rows, run.model, leave_out=True)
    if len(feed) == 0:
        raise ValueError(f"{dataset.folder}: no row has any of the run's modalities {names}")
    return feed


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
    rows = rows_of(run, data, split)
    dataset = rows.dataset
    classes = None if dataset.classes is None else list(dataset.classes)
    theirs, ours = (dataset.task, list(dataset.labels), classes), (run.task, run.labels, run.classes)
    if theirs != ours:
        words = ["{}, labels {}, classes {}".format(*question) for question in (theirs, ours)]
        raise ValueError(f"{dataset.folder} asks for {words[0]}; the run answers {words[1]}")
    if missing is not None:
        rows = Feed(remove(dataset, run.model, missing), run.model)
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

    refuse_inside_dataset(out)
    rows = rows_of(run, data, split)
    dataset = rows.dataset
    with renamed(out) as part:
        with tqdm(total=len(rows), disable=None if progress else True, unit="row") as bar:
            prediction = predict_rows(run.model, rows, num_samples, bar.update)
        columns: dict[str, Any] = {"sample_id": dataset.sample_id}
        for name, value in (("probability", prediction.mean), ("spread", prediction.spread)):
            columns |= _columns(run, name, value)
        columns |= {f"has_{name}": rows.observed[:, m].numpy() for m, name in enumerate(rows.names)}
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
    itself for vectors and tables, summaries of it for the other kinds (see docs/encoders.md). A feature that is
    called like another column, ``sample_id`` or ``draw`` for instance, gets underscores behind its name.

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
    if not model.generates:
        raise ValueError(
            f"the run's model is {model.name!r}, which imputes nothing; train one that generates (sklar models)"
        )
    refuse_inside_dataset(out)
    rows = rows_of(run, data, split)
    dataset = rows.dataset
    lacking = [m for m in range(len(rows.names)) if not bool(rows.observed[:, m].all())]
    if not lacking:
        raise ValueError(f"{dataset.folder}: no row lacks a modality, there is nothing to impute")
    generator = torch.Generator().manual_seed(seed)
    paths = {(m, what): out / f"{rows.names[m]}-{what}.parquet" for m in lacking for what in ("embeddings", "features")}
    with ExitStack() as files:  # closes the writers, then renames
        temporary = {key: files.enter_context(renamed(path)) for key, path in paths.items()}
        writers: dict[tuple[int, str], Any] = {}
        bar = files.enter_context(tqdm(total=len(rows), disable=None if progress else True, unit="row"))
        for part in torch.arange(len(rows)).split(ROWS_AT_ONCE):
            found = model.impute_and_generate(rows[part], num_samples, generator)
            for m in lacking:
                hidden = ~rows.observed[part, m]
                if not bool(hidden.any()):
                    continue
                ids = dataset.sample_id[part[hidden].numpy()]
                for what, values in zip(("embeddings", "features"), found, strict=True):
                    table = pa.table(_draws(model, rows.names[m], what, values[rows.names[m]][:, hidden].cpu(), ids))
                    key = (m, what)
                    if key not in writers:
                        writers[key] = files.enter_context(parquet.ParquetWriter(temporary[key], table.schema))
                    writers[key].write_table(table)
            bar.update(len(part))
    return list(paths.values())


def _draws(model: FusionModel, name: str, what: str, draws: Tensor, ids: np.ndarray) -> dict[str, Any]:
    """Columns of a table of draws ``(S, rows, F)``: all of a row, then the next row's."""
    names = model.encoder(name).feature_names() if what == "features" else [f"z{j}" for j in range(draws.shape[-1])]
    columns = {"sample_id": ids.repeat(len(draws)), "draw": list(range(len(draws))) * len(ids)}
    values = draws.transpose(0, 1).flatten(0, 1).T.numpy()
    return columns | dict(zip(_distinct(names, [*columns]), values, strict=True))


def _distinct(names: Sequence[str], taken: Sequence[str]) -> list[str]:
    """The names, those that are taken or stood before with as many underscores as make them new."""
    found: list[str] = []
    for name in names:
        new = name
        while new in (*taken, *found) or (new != name and new in names):
            new += "_"
        found.append(new)
    return found
