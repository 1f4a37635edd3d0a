"""A small dataset folder with every kind of modality, and what may change in one between training and prediction."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sklar.cli import main
from sklar.data import Column, Events, Image, Series, Table, Text, Vector, write_dataset

MARK = "zebramarker"  # stands in every text: must never come out again
ROWS = 60
NAMES = ["vec", "labs", "vitals", "film", "note", "drugs"]
QUICK = {"schedule": {"steps": 6, "batch_size": 16, "warmup": 1}, "settings": {"dim": 4, "hidden": 8}}


def tiny(task: str = "binary", rows: int = ROWS, seed: int = 0, **changes: Any) -> dict[str, Any]:
    """Arguments of `write_dataset`: two rows a person, a fifth unlabelled, each modality but one absent somewhere."""
    rng = np.random.default_rng(seed)
    state = rng.integers(0, 3, rows)
    vec = rng.normal(size=(rows, 4)) + state[:, None]
    vec[3::7] = np.nan
    labs = rng.normal(size=(rows, 4)) + state[:, None]
    labs[:, 0] = rng.integers(0, 3, rows)
    labs[rng.random(rows) < 0.3, 2] = np.nan
    vitals = rng.normal(size=(rows, 5, 3)) * [1.0, 5.0, 0.2] + state[:, None, None]
    vitals[rng.random(vitals.shape) < 0.2] = np.nan
    films = rng.integers(0, 256, (rows, 1, 6, 6)).astype(np.uint8)
    ids = [f"r{i:03d}" for i in range(rows)]
    words = ["cough", "fever", "pain"]
    notes = [(ids[i], float(t), f"{MARK} {words[(state[i] + t) % 3]}") for i in range(rows) for t in range(i % 3)]
    codes = ["aspirin", "heparin", "insulin"]
    events = [
        (ids[i], float(t), codes[(state[i] + t) % 3], None if t == 1 else float(rng.normal()))
        for i in range(rows) for t in range(i % 4)
    ]  # fmt: skip
    values = {
        "binary": {"died": [int(s > 0) for s in state]},
        "multiclass": {"stage": state.tolist()},
        "multilabel": {"septic": [int(s > 0) for s in state], "renal": [int(s > 1) for s in state]},
        "regression": {"days": [float(s) for s in state + 0.1 * rng.normal(size=rows)]},
    }[task]
    labels: dict[str, list[Any]] = {
        name: [None if i % 5 == 0 else v for i, v in enumerate(column)] for name, column in values.items()
    }
    quarter = rows // 8 * 2  # whole persons
    return {
        "name": "tiny",
        "task": task,
        "labels": list(labels),
        "classes": {"binary": ["no", "yes"], "multiclass": ["mild", "moderate", "severe"]}.get(task),
        "samples": {
            "sample_id": ids,
            "group_id": [f"p{i // 2}" for i in range(rows)],
            "split": ["train"] * (rows - 2 * quarter) + ["validation"] * quarter + ["test"] * quarter,
            "has_film": (rng.random(rows) < 0.6).tolist(),
            **labels,
        },
        "modalities": {
            "vec": Vector(vec.astype(np.float32), ["v0", "v1", "v2", "v3"]),
            "labs": Table(labs, [Column("sex", None, list("fmx")), Column("crp", "mg/L"), Column("k"), Column("na")]),
            "vitals": Series(vitals, [Column("hr", "1/min"), Column("map", "mmHg"), Column("spo2")], step=1.0),
            "film": Image(films),
            "note": Text(*map(list, zip(*notes, strict=True))),
            "drugs": Events(*map(list, zip(*events, strict=True)), codes=[Column(code) for code in codes]),
        },
        **changes,
    }  # fmt: skip


def write(folder: Path, content: dict[str, Any] | None = None) -> Path:
    return write_dataset(folder, **(tiny() if content is None else content))


def with_presence(content: dict[str, Any]) -> dict[str, Any]:
    """The same with all columns ``has_<modality>`` spelt out, so that they stay when content is changed."""
    content = deepcopy(content)
    m, samples = content["modalities"], content["samples"]
    ids = samples["sample_id"]
    for name, axes in (("vec", 1), ("labs", 1), ("vitals", (1, 2))):
        samples[f"has_{name}"] = (~np.isnan(m[name].values).all(axes)).tolist()
    for name in ("note", "drugs"):
        samples[f"has_{name}"] = [key in set(m[name].series_id) for key in ids]
    return content


def changed(content: dict[str, Any], name: str, **fields: Any) -> dict[str, Any]:
    """A copy in which a modality's value has other fields."""
    content = with_presence(content)
    content["modalities"][name] = replace(content["modalities"][name], **fields)
    return content


def permuted(content: dict[str, Any]) -> dict[str, Any]:
    """The same data with modalities, columns, categories, channels and codes in another order."""
    content = with_presence(content)
    m = content["modalities"]
    labs = np.array(m["labs"].values)
    labs[:, 0] = np.array([2, 0, 1])[labs[:, 0].astype(int)]  # f -> 2, m -> 0, x -> 1
    columns = [replace(m["labs"].columns[0], categories=("m", "x", "f")), *m["labs"].columns[1:]]
    order = [2, 0, 3, 1]
    content["modalities"] = {
        "drugs": replace(m["drugs"], codes=m["drugs"].codes[::-1]),
        "labs": Table(labs[:, order], [columns[k] for k in order]),
        "note": m["note"],
        "film": m["film"],
        "vitals": replace(m["vitals"], values=m["vitals"].values[..., [1, 2, 0]],
                          channels=[m["vitals"].channels[k] for k in (1, 2, 0)]),
        "vec": Vector(m["vec"].values[:, order], [m["vec"].columns[k] for k in order]),
    }  # fmt: skip
    return content


def sklar(*arguments: Any) -> str | int | None:
    """The command line in this process; returns what ``sys.exit`` was given."""
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as error:
        return error.code
    raise AssertionError("main returned without an exit status")
