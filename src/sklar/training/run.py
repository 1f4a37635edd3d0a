"""Runs: a configuration trained into a folder, and that folder read back."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sklar.data import Dataset, open_dataset
from sklar.encoders import encoder_class
from sklar.encoders.defaults import default_specification
from sklar.models import FusionModel, make_model
from sklar.training.checkpoint import load_model
from sklar.training.config import RunConfig
from sklar.training.feed import Feed
from sklar.training.fit import train
from sklar.training.schedule import seed_of

CONFIG, RUN = "config.yaml", "run.json"
TASKS = {"binary": "classification", "multiclass": "classification"}  # the others have the model's name
PARTS, LABELS, MISSING_TRAIN, MISSING_VALIDATION, WEIGHTS = range(5)  # streams of randomness


@dataclass(frozen=True)
class Run:
    """A finished run.

    Attributes:
        folder: where it lives.
        model: trained and calibrated.
        task: ``binary``, ``multiclass``, ``multilabel`` or ``regression``.
        labels: label columns.
        classes: names of the classes, or None.
        data: the dataset folder it was trained on.
    """

    folder: Path
    model: FusionModel
    task: str
    labels: list[str]
    classes: list[str] | None
    data: Path


def train_run(config: RunConfig, progress: bool = True) -> Run:
    """Train what a configuration says, or go on where a killed process left off; see `sklar.training.train`.

    Raises:
        FileNotFoundError, ValueError, KeyError, TypeError: what is wrong with the data, the configuration or the
            folder, before training begins.
    """
    dataset = open_dataset(config.data)
    learning, held_out = parts(dataset, config)
    model = make_run_model(dataset, config)
    rows, validation = Feed(learning, model), Feed(held_out, model)
    if config.missing is not None:
        seeds = [seed_of(config.seed, config.missing.seed, stream) for stream in (MISSING_TRAIN, MISSING_VALIDATION)]
        rows = rows.without(replace(config.missing, seed=seeds[0]))
        validation = validation.without(replace(config.missing, seed=seeds[1]))
    config.out.mkdir(parents=True, exist_ok=True)
    about = {
        "task": dataset.task, "labels": list(dataset.labels),
        "classes": None if dataset.classes is None else list(dataset.classes),
        "data": str(config.data), "name": dataset.name,
        "rows": {"train": len(rows), "labelled": int(_labelled(learning).sum()), "validation": len(validation)},
    }  # fmt: skip
    write_text(config.out / RUN, json.dumps(about, indent=1) + "\n")
    write_text(config.out / CONFIG, to_yaml(config))
    train(model, rows, validation, config.schedule, config.seed, progress, config.out, config.hardware)
    return read_run(config.out)


def read_run(folder: str | Path) -> Run:
    """A finished run.

    Raises:
        FileNotFoundError: no run there, or an unfinished one. ValueError: a damaged file.
    """
    folder = Path(folder)
    if not (folder / RUN).is_file():
        raise FileNotFoundError(f"{folder} is not a run: it has no {RUN}; make one with sklar train")
    try:
        about = json.loads((folder / RUN).read_text())
        fields = {key: about[key] for key in ("task", "labels", "classes")} | {"data": Path(about["data"])}
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / RUN} is damaged ({error}); train again") from error
    return Run(folder, load_model(folder), **fields)


def parts(dataset: Dataset, config: RunConfig) -> tuple[Dataset, Dataset]:
    """Training and validation rows, the former with as many labels as the configuration leaves them.

    Where the data set has no validation rows, a share of the training rows' groups (persons) becomes them.

    Raises:
        ValueError: no training rows, or too few labels.
    """
    learning, held_out = dataset.part("train"), dataset.part("validation")
    if len(learning) == 0:
        raise ValueError(f"{config.data} has no rows whose split is 'train'")
    if len(held_out) == 0:
        if not 0 < config.validation < 1:
            raise ValueError(f"validation must be a share between 0 and 1, got {config.validation}")
        groups, of_row = _numbered(learning.group_id)
        generator = torch.Generator().manual_seed(seed_of(config.seed, PARTS))
        chosen = torch.zeros(groups, dtype=torch.bool)
        chosen[torch.randperm(groups, generator=generator)[: max(1, round(config.validation * groups))]] = True
        learning, held_out = learning.take(~chosen[of_row]), learning.take(chosen[of_row])
    if config.labelled is not None:
        learning = learning.label(_keep_labels(learning, config.labelled, seed_of(config.seed, LABELS)))
    if not config.unlabelled:
        learning = learning.take(_labelled(learning))
    if len(learning) == 0:
        raise ValueError(f"{config.data} has no training rows with a label")
    return learning, held_out


def _numbered(values: Any) -> tuple[int, Tensor]:
    import numpy as np

    found, index = np.unique(values, return_inverse=True)
    return len(found), torch.as_tensor(index)


def _keep_labels(rows: Dataset, number: int, seed: int) -> Tensor:
    """Which rows keep their label: bool ``(n,)``, the same share of every class."""
    target, known = rows.target, _labelled(rows)
    if target is None:
        raise ValueError("there are no labels of which some could be kept")
    if not 1 <= number <= int(known.sum()):
        raise ValueError(f"labelled must be between 1 and the {int(known.sum())} labelled rows, got {number}")
    order = torch.rand(len(rows), generator=torch.Generator().manual_seed(seed))
    if not target.is_floating_point():  # each class's rows at even distances: any first part has all in proportion
        for label in target[known].unique():
            mine = (target == label).nonzero().flatten()
            ranks = order[mine].argsort().argsort()
            order[mine] = (ranks + order[mine]) / len(mine)
    order[~known] = torch.inf
    kept = torch.zeros(len(rows), dtype=torch.bool)
    kept[order.argsort()[:number]] = True
    return kept


def _labelled(rows: Dataset) -> Tensor:
    """Which rows have a label, or some of several: bool ``(n,)``."""
    if rows.target is None:
        return torch.zeros(len(rows), dtype=torch.bool)
    if rows.target.is_floating_point():
        return ~rows.target.isnan().reshape(len(rows), -1).all(-1)
    return rows.target >= 0


def make_run_model(dataset: Dataset, config: RunConfig) -> FusionModel:
    """An untrained model for a data set; its weights are a function of the seed.

    Raises:
        KeyError: an unknown model, modality or encoder. TypeError: arguments that they do not have.
    """
    inputs = model_inputs(dataset, config.encoders, config.modalities)
    task = TASKS.get(dataset.task, dataset.task)
    count = len(dataset.classes) if dataset.classes is not None else len(dataset.labels)
    fixed = {"inputs": inputs, "task": task, "classes": None if task == "regression" else count}
    for name in fixed:
        if name in config.settings:
            raise ValueError(f"settings: {name!r} comes from the data set; leave it out")
    with torch.random.fork_rng():
        torch.manual_seed(seed_of(config.seed, WEIGHTS))
        return make_model(config.model, **fixed, **config.settings)


def model_inputs(
    dataset: Dataset, encoders: Mapping[str, Mapping[str, Any]] | None = None, modalities: list[str] | None = None
) -> dict[str, dict[str, Any]]:
    """The encoders' specifications for a data set, by modality.

    Args:
        dataset: which says of each modality its kind, columns, channels, codes, step.
        encoders: specifications instead of the default ones; what they leave out is filled in from the data set.
        modalities: which ones, in which order; default all.

    Raises:
        KeyError: a modality that the data set does not have.
    """
    encoders = encoders or {}
    names = dataset.names if modalities is None else modalities
    for name in (*names, *encoders):
        if name not in dataset.modalities:
            raise KeyError(f"{dataset.name} has no modality {name!r}; it has {dataset.names}")
    result = {}
    for name in names:
        modality = dataset.modalities[name]
        known = default_specification(modality.kind, asdict(modality))
        wanted = dict(encoders.get(name, {}))
        if "kind" in wanted:
            taken = inspect.signature(encoder_class(str(wanted["kind"]))).parameters
            known = {key: value for key, value in known.items() if key in taken}
        result[name] = known | wanted
    return result


def to_yaml(config: RunConfig) -> str:
    """A configuration as YAML, which ``sklar train`` reads."""
    import yaml

    content = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(config).items()}
    text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return text


def write_text(path: Path, text: str) -> None:
    """A file under a temporary name, then renamed."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
