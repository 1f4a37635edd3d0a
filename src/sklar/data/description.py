"""``dataset.json``: what a dataset folder holds."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sklar.data.entry import Entry, are_names, is_count, is_name, is_object, is_positive, is_text
from sklar.data.problem import MISSING_FILE, Problem, listed
from sklar.data.values import Column

DESCRIPTION, SAMPLES = "dataset.json", "samples.parquet"
TASKS = ("binary", "multiclass", "multilabel", "regression")
SPLITS = ("train", "validation", "test")
SUFFIX = dict.fromkeys(("vector", "table", "series", "image"), ".npy") | {"text": ".parquet", "events": ".parquet"}
NAMED = {"vector": "columns", "table": "columns", "series": "channels", "events": "codes"}  # the key of what has names
RESERVED = ("sample_id", "group_id", "split", "series_id", "until")  # columns of samples.parquet
SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,99}")  # a file's name everywhere, and a module's


@dataclass(frozen=True)
class Modality:
    """What one modality holds.

    Attributes:
        name: of the modality.
        kind: vector, table, series, image, text or events.
        file: its file in the folder.
        shape: of one row, ``(F,)``, ``(T, C)`` or ``(C, H, W)``; empty for text and events.
        columns: of a vector (empty where they have no names) or a table.
        channels: of a series.
        codes: the vocabulary of events.
        step: hours of a series' bin.
    """

    name: str
    kind: str
    file: str
    shape: tuple[int, ...] = ()
    columns: tuple[Column, ...] = ()
    channels: tuple[Column, ...] = ()
    codes: tuple[Column, ...] = ()
    step: float | None = None

    @property
    def in_array(self) -> bool:
        """Whether its file is a ``.npy`` with one row a sample."""
        return SUFFIX[self.kind] == ".npy"


@dataclass(frozen=True)
class Stored:
    """A file as it was written: what tells that it has changed since.

    Attributes:
        bytes: its size.
        sha256: its checksum, hexadecimal.
    """

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Description:
    """The content of ``dataset.json``; see docs/data.md for the meaning of each key."""

    name: str = ""
    task: str = ""
    labels: tuple[str, ...] = ()
    classes: tuple[str, ...] | None = None
    modalities: Mapping[str, Modality] = field(default_factory=dict)
    source: str = ""
    licence: str = ""
    notes: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Stored] = field(default_factory=dict)
    declared: frozenset[str] = frozenset()  # all names under modalities, also of those that are not in order

    def to_json(self) -> str:
        """The text of ``dataset.json``.

        Raises:
            ValueError, TypeError: notes that JSON cannot hold.
        """
        content = {
            "format": 1,
            "name": self.name,
            "task": self.task,
            "labels": list(self.labels),
            "classes": None if self.classes is None else list(self.classes),
            "modalities": {name: _modality_content(modality) for name, modality in self.modalities.items()},
            "source": self.source,
            "licence": self.licence,
            "notes": dict(self.notes),
            "files": {name: {"bytes": file.bytes, "sha256": file.sha256} for name, file in self.files.items()},
        }
        return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _modality_content(modality: Modality) -> dict[str, Any]:
    content: dict[str, Any] = {"kind": modality.kind, "file": modality.file}
    if modality.in_array:
        content["shape"] = list(modality.shape)
    if modality.kind == "vector":
        content["columns"] = [column.name for column in modality.columns] or None
    elif modality.kind == "table":
        content["columns"] = [
            {"name": column.name, "unit": column.unit, "categories": column.categories and list(column.categories)}
            for column in modality.columns
        ]
    elif modality.kind in NAMED:
        key = NAMED[modality.kind]
        content[key] = [{"name": column.name, "unit": column.unit} for column in getattr(modality, key)]
    if modality.kind == "series":
        content["step"] = modality.step
    return content


def read_description(folder: Path) -> tuple[Description | None, list[Problem]]:
    """``dataset.json`` of a folder, as far as it can be understood, and all that is wrong with it.

    Returns:
        None where there is no JSON object at all; otherwise what is wrong is left out of the description.
    """
    file = folder / DESCRIPTION
    try:
        content = json.loads(file.read_bytes().decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except FileNotFoundError:
        return None, [Problem(DESCRIPTION, MISSING_FILE, "write the folder with sklar.data.write_dataset")]
    except (OSError, ValueError, RecursionError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors
        return None, [Problem(DESCRIPTION, f"cannot be read: {error}", "it must be one JSON object in UTF-8")]
    problems: list[Problem] = []
    if not isinstance(content, dict):
        problem = Problem(DESCRIPTION, f"holds a {type(content).__name__}", "it must be one JSON object")
        return None, [problem]
    return _description(Entry(content, DESCRIPTION, problems)), problems


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in one object")
    return content


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _description(entry: Entry) -> Description:
    entry.read("format", lambda value: value == 1 and is_count(value), "1, the version of this format")
    name = entry.read("name", is_name, "a name of one line")
    task = entry.read("task", lambda value: value in TASKS, f"one of {listed(TASKS)}")
    many = task == "multilabel"
    labels = entry.read(
        "labels",
        lambda value: are_names(value) and (many or not task or len(value) == 1) and not set(value) & set(RESERVED),
        "a list of " + ("different columns" if many else "one column") + f" of {SAMPLES}, none of {listed(RESERVED)}",
    )
    if task in ("binary", "multiclass"):
        count = "2 different names" if task == "binary" else "at least 2 different names"
        classes = entry.read(
            "classes",
            lambda value: are_names(value) and (len(value) == 2 if task == "binary" else len(value) >= 2),
            f"a list of {count}, in the order of the label's values",
        )
    else:
        anything = not task  # an unknown task may or may not have classes
        classes = entry.read("classes", lambda _: anything, f"null for {task}", optional=True)
    modalities = entry.read("modalities", lambda value: is_object(value) and bool(value), "an object with a modality")
    description = Description(
        name or "",
        task or "",
        tuple(labels or ()),
        tuple(classes) if are_names(classes) else None,
        _modalities(modalities or {}, entry.problems),
        entry.read("source", is_text, "a text", optional=True) or "",
        entry.read("licence", is_text, "a text", optional=True) or "",
        entry.read("notes", is_object, "an object", optional=True) or {},
        _files(entry),
        frozenset(modalities or ()),
    )
    entry.finish()
    return description


def _files(entry: Entry) -> dict[str, Stored]:
    stored = {}
    for name, content in (entry.read("files", is_object, "an object", optional=True) or {}).items():
        place = f"{entry.where('files')}.{name}"
        if not is_object(content):
            entry.problems.append(Problem(place, "is no object", "it must hold bytes and sha256"))
            continue
        file = Entry(content, place, entry.problems)
        size = file.read("bytes", is_count, "the size of the file")
        checksum = file.read("sha256", lambda value: is_text(value) and len(value) == 64, "64 hexadecimal digits")
        file.finish()
        if size is not None and checksum is not None:
            stored[name] = Stored(size, checksum)
    return stored


def _modalities(content: dict[str, Any], problems: list[Problem]) -> dict[str, Modality]:
    modalities = {}
    seen: dict[str, str] = {SAMPLES: SAMPLES, DESCRIPTION: DESCRIPTION}
    for name, value in content.items():
        place = f"{DESCRIPTION}, modalities.{name}"
        if not SAFE_NAME.fullmatch(name):
            remedy = "name it with letters, digits, _ and - only (at most 100, not - first)"
            problems.append(Problem(place, f"the name {name!r} is no safe file name", remedy))
            continue
        if not is_object(value):
            problems.append(Problem(place, f"is a {type(value).__name__}", "it must be an object with kind and file"))
            continue
        modality = _modality(name, Entry(value, place, problems))
        if modality is None:
            continue
        if (folded := modality.file.casefold()) in seen:
            what = f"{modality.file!r} is already the file of {seen[folded]}"
            problems.append(Problem(f"{place}.file", what, "give each modality a file of its own"))
            continue
        seen[folded] = f"modality {name!r}"
        modalities[name] = modality
    return modalities


def _modality(name: str, entry: Entry) -> Modality | None:
    before = len([problem for problem in entry.problems if problem.is_error])
    kind = entry.read(
        "kind", lambda value: value in SUFFIX if is_text(value) else False, f"one of {listed([*SUFFIX], 6)}"
    )
    if kind is None:
        return None
    suffix = SUFFIX[kind]
    file = entry.read(
        "file",
        lambda value: is_text(value) and value.endswith(suffix) and bool(SAFE_NAME.fullmatch(value[: -len(suffix)])),
        f"the name of a {suffix} file in the folder itself, such as '{name}{suffix}'",
    )
    shape = None
    if suffix == ".npy":
        axes = {"vector": "[F]", "table": "[F]", "series": "[T, C]", "image": "[C, H, W], C = 1 or 3"}[kind]
        shape = entry.read("shape", lambda value: _is_shape(kind, value), f"the shape of a row, {axes}", optional=True)
    columns: tuple[Column, ...] | None = ()
    if kind == "vector":
        names = entry.read("columns", are_names, "a list of different names", optional=True)
        columns = tuple(Column(column) for column in names or ())
    elif kind in NAMED:
        columns = _columns(entry, NAMED[kind], categorical=kind == "table")
    step = entry.read("step", is_positive, "a positive number, the hours of a bin") if kind == "series" else None
    entry.finish()
    if file is None or columns is None or len([problem for problem in entry.problems if problem.is_error]) > before:
        return None
    fields: dict[str, Any] = {NAMED[kind]: columns} if kind in NAMED else {}
    return Modality(name, kind, file, tuple(shape or ()), step=None if step is None else float(step), **fields)


def _is_shape(kind: str, value: Any) -> bool:
    if not isinstance(value, list) or not all(is_count(size) and size > 0 for size in value):
        return False
    return len(value) == {"vector": 1, "table": 1, "series": 2, "image": 3}[kind] and (
        kind != "image" or value[0] in (1, 3)
    )


def _columns(entry: Entry, key: str, categorical: bool) -> tuple[Column, ...] | None:
    """The named columns, channels or codes under ``key``, None where one of them is not in order."""
    content = entry.read(key, lambda value: isinstance(value, list) and bool(value), "a list of objects, at least one")
    if content is None:
        return None
    columns = []
    for place, value in enumerate(content):
        where = f"{entry.where(key)}[{place}]"
        if not is_object(value):
            entry.problems.append(Problem(where, f"is a {type(value).__name__}", "it must be an object with a name"))
            continue
        column = Entry(value, where, entry.problems)
        name = column.read("name", is_name, "a name of one line")
        unit = column.read("unit", is_text, "a text", optional=True)
        names = None
        if categorical:
            names = column.read("categories", are_names, "a list of different names", optional=True)
        column.finish()
        if name is not None:
            columns.append(Column(name, unit, None if names is None else tuple(names)))
    names = [column.name for column in columns]
    if len(set(names)) < len(names):
        twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
        entry.problems.append(Problem(entry.where(key), f"{listed(twice)} stand twice", "give each its own name"))
        return None
    return tuple(columns) if len(columns) == len(content) else None
