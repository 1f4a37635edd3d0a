"""Writing a dataset folder: beside its place, checked, then renamed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sklar.data.arrays import has_content, write_array
from sklar.data.checksum import sha256_of
from sklar.data.columns import plain, record_columns, sample_columns
from sklar.data.description import (
    DESCRIPTION,
    SAFE_NAME,
    SAMPLES,
    SUFFIX,
    Description,
    Modality,
    Stored,
    read_description,
)
from sklar.data.parquet import arrow
from sklar.data.records import scan_records
from sklar.data.samples import Clock, Samples
from sklar.data.values import Column, Events, Image, RecordFile, Series, Table, Text, Value, Vector, named

if TYPE_CHECKING:
    import pyarrow as pa


def write_dataset(
    folder: str | Path,
    *,
    name: str,
    task: str,
    labels: Sequence[str],
    samples: Mapping[str, Any] | pa.Table,
    modalities: Mapping[str, Value],
    classes: Sequence[str] | None = None,
    source: str = "",
    licence: str = "",
    notes: Mapping[str, Any] | None = None,
) -> Path:
    """Write a dataset folder (docs/data.md describes it), check it and give it its name.

    Args:
        folder: where to; an existing dataset folder is replaced.
        name: of the data set.
        task: binary, multiclass, multilabel or regression.
        labels: the label columns of ``samples``; exactly one unless multilabel.
        samples: equally long columns: ``sample_id`` (integers or strings) and the labels (class index, 0 or 1, or a
            number; None or NaN where unlabelled); optional ``group_id`` (the person; default: the sample), ``split``
            ("train", "validation", "test"; default: all "train"), ``has_<modality>`` (bool; default: where there is
            content), ``series_id`` (default: the sample_id), ``until`` (hours), and any others.
        modalities: what each modality holds, in the order of the mask's columns.
        classes: names of the classes, in the order of the label's values; 0 and 1 where a binary task gives none.
        source: where the data come from.
        licence: under which they may be used.
        notes: anything else that JSON can hold, such as cohort counts.

    Returns:
        The folder.

    Raises:
        ValueError: anything that `check_dataset` calls an error; nothing is written then. FileExistsError: the folder
            is there and holds anything but a dataset. ImportError: no pyarrow.
    """
    folder = Path(os.path.abspath(folder))
    arrow()
    _refuse_to_replace(folder)
    if task == "binary" and classes is None:
        classes = ("0", "1")
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        columns = sample_columns(samples, labels, task)
        specs = {key: _write_modality(part, key, value, columns) for key, value in modalities.items()}
        described = Description(
            name, task, tuple(labels), None if classes is None else tuple(classes), specs, source, licence, notes or {}
        )
        _write_table(part / SAMPLES, _with_presence(part, columns, described, modalities))
        stored = {file: _stored(part / file) for file in [SAMPLES, *(spec.file for spec in specs.values())]}
        whole = Description(**{**vars(described), "files": stored})
        try:
            (part / DESCRIPTION).write_text(whole.to_json(), encoding="utf-8")
        except (TypeError, ValueError) as error:
            raise ValueError(f"notes: {error}; JSON holds texts, finite numbers, lists and objects") from error
        _refuse_errors(part, folder)
        _give_name(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _refuse_to_replace(folder: Path) -> None:
    """Only a dataset folder, and nothing but one, may be overwritten."""
    if not folder.exists() and not folder.is_symlink():
        return
    if folder.is_dir() and not folder.is_symlink():
        files = {path.name for path in folder.iterdir()}
        description = read_description(folder)[0] if DESCRIPTION in files else None
        known = {DESCRIPTION, SAMPLES}
        if description is not None and description.modalities:  # others' files have that name too
            known |= {*description.files, *(modality.file for modality in description.modalities.values())}
            if not (strange := sorted(files - known)):
                return
            raise FileExistsError(f"{folder} holds {strange[0]!r}, which is no part of the dataset; move it away")
        if not files:
            return
    raise FileExistsError(f"{folder} exists and is no dataset folder; choose another place")


def _give_name(part: Path, folder: Path) -> None:
    """Rename; what had the name before is there again if that fails, and gone if not."""
    mask = os.umask(0)
    os.umask(mask)
    part.chmod(0o777 & ~mask)  # mkdtemp makes private folders
    if not folder.exists():
        os.replace(part, folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".old", dir=folder.parent))
    os.replace(folder, old)  # rename(2) replaces an empty folder
    try:
        os.replace(part, folder)
    except OSError:
        os.replace(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _refuse_errors(part: Path, folder: Path) -> None:
    from sklar.data.check import check_dataset

    errors = [problem for problem in check_dataset(part) if problem.is_error]
    if errors:
        shown = "\n".join(f"  {problem}" for problem in errors[:20])
        more = f"\n  and {len(errors) - 20} more" if len(errors) > 20 else ""
        raise ValueError(f"{folder} would not be a valid dataset, nothing is written:\n{shown}{more}")


def _stored(file: Path) -> Stored:
    return Stored(file.stat().st_size, sha256_of(file))


def _write_modality(part: Path, name: str, value: Value, samples: pa.Table) -> Modality:
    """Write one modality's file.

    Args:
        part: the folder.
        name: of the modality.
        value: its content.
        samples: the columns of ``samples.parquet``.

    Raises:
        ValueError: values of another shape, length or type.
    """
    place = f"modality {name!r}"
    if not isinstance(value, Value):
        raise ValueError(f"{place} is a {type(value).__name__}; give a Vector, Table, Series, Image, Text or Events")
    if not SAFE_NAME.fullmatch(name):
        raise ValueError(f"{place}: the name is no safe file name; use letters, digits, _ and - (not first)")
    file = f"{name}{SUFFIX[value.kind]}"
    if isinstance(value, RecordFile):
        if value.kind not in ("text", "events"):
            raise ValueError(f"{place}: a stored file holds text or events, not {value.kind!r}")
        try:
            os.link(value.file, part / file)
        except OSError:  # another disk, or one without links
            shutil.copyfile(value.file, part / file)
        return Modality(name, value.kind, file, codes=named(value.codes))
    if isinstance(value, Text | Events):
        series_type = samples.schema.field("series_id" if "series_id" in samples.column_names else "sample_id").type
        _write_table(part / file, record_columns(value, place, series_type))
        codes = named(value.codes) if isinstance(value, Events) else ()
        return Modality(name, value.kind, file, codes=codes)
    values = np.asarray(plain(value.values))
    axes = {"vector": "(n, F)", "table": "(n, F)", "series": "(n, T, C)", "image": "(n, C, H, W)"}[value.kind]
    if values.ndim != axes.count(",") + 1 or 0 in values.shape[1:]:
        raise ValueError(f"{place} has the shape {values.shape}; a {value.kind} needs {axes}")
    if len(values) != samples.num_rows:
        counts = f"{len(values)} rows, samples have {samples.num_rows}"
        raise ValueError(f"{place} has {counts}; give an absent one a row of NaN")
    if values.dtype.kind not in "fiub":
        raise ValueError(f"{place} holds {values.dtype}; give numbers, NaN where one is missing")
    dtype = np.uint8 if values.dtype == np.uint8 and isinstance(value, Image) else np.float32
    if isinstance(value, Image) and dtype is np.float32 and values.dtype.kind != "f":
        raise ValueError(f"{place} holds {values.dtype}; an image is uint8, or float in [0, 1]")
    write_array(part / file, values, dtype, place)
    shape = tuple(values.shape[1:])
    if isinstance(value, Series):
        return Modality(name, value.kind, file, shape, channels=named(value.channels), step=value.step)
    if isinstance(value, Table):
        return Modality(name, value.kind, file, shape, columns=named(value.columns))
    if isinstance(value, Vector) and value.columns is not None:
        return Modality(name, value.kind, file, shape, columns=tuple(Column(column) for column in value.columns))
    return Modality(name, value.kind, file, shape)


def _with_presence(
    part: Path, columns: pa.Table, description: Description, modalities: Mapping[str, Value]
) -> pa.Table:
    """The samples with a column ``has_<modality>`` each; one that is not given says where there is content."""
    clock: Clock | None = None
    for name, spec in description.modalities.items():
        column = f"has_{name}"
        if column in columns.column_names:
            continue
        if spec.in_array:
            array = np.load(part / spec.file, mmap_mode="r")
            present = np.ones(len(array), bool) if array.dtype == np.uint8 else has_content(array)
        else:
            clock = clock or Samples(columns, description).clock
            earliest = scan_records(part, spec, clock).earliest[clock.place]
            present = earliest < np.inf if clock.until is None else earliest <= clock.until
        columns = columns.append_column(column, arrow().array(present))
    return columns


def _write_table(file: Path, columns: pa.Table) -> None:
    import pyarrow.parquet as pq

    pq.write_table(columns, file)
