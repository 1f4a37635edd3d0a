"""Runs: a configuration trained into a folder, and that folder read back."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sklar.data import Dataset, open_dataset
from sklar.encoders import encoder_class
from sklar.encoders.defaults import default_specification
from sklar.models import MODELS, FusionModel, make_model
from sklar.training.checkpoint import SETTINGS, load_model
from sklar.training.config import RunConfig
from sklar.training.feed import Feed, remove
from sklar.training.files import write_json, write_text
from sklar.training.fit import make_fabric, quiet, train
from sklar.training.schedule import seed_of
from sklar.training.state import fingerprint, read_progress

CONFIG, RUN = "config.yaml", "run.json"
TASKS = {"binary": "classification", "multiclass": "classification"}  # the others have the model's name
FIXED = ("inputs", "task", "classes")  # of a model, which come from the data set
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
        modalities: kind, and step in hours where it has one, of each modality of that folder, used or not.
    """

    folder: Path
    model: FusionModel
    task: str
    labels: list[str]
    classes: list[str] | None
    data: Path
    modalities: dict[str, dict[str, Any]]


def train_run(config: RunConfig, progress: bool = True) -> Run:
    """Train what a configuration says, or go on where a killed process left off; see `sklar.training.train`.

    Raises:
        FileNotFoundError, ValueError, KeyError, TypeError: what is wrong with the data, the configuration or the
            folder, before training begins.
    """
    config = replace(config, data=Path(os.path.abspath(config.data)), out=Path(os.path.abspath(config.out)))
    text = to_yaml(config)
    if config.data in (config.out, *config.out.parents):
        raise ValueError(f"out {config.out} lies in the dataset folder, which holds nothing else; choose another place")
    dataset = open_dataset(config.data)
    learning, held_out = split_rows(dataset, config)
    keep_labels(learning, config)  # what is wrong with it is said before a network is made or loaded
    model = make_run_model(dataset, config)
    draws = [seed_of(config.seed, stream) % 2**31 for stream in (MISSING_TRAIN, MISSING_VALIDATION)]
    learning = keep_labels(remove(learning, model, config.missing, draws[0]), config)
    rows, validation = Feed(learning, model), Feed(remove(held_out, model, config.missing, draws[1]), model)
    never = [name for name, some in zip(rows.names, rows.observed.any(0).tolist(), strict=True) if not some]
    if never:
        warnings.warn(f"no training row has {never}: what is said of them rests on nothing", stacklevel=2)
    about = {
        "task": dataset.task, "labels": list(dataset.labels),
        "classes": None if dataset.classes is None else list(dataset.classes),
        "data": str(config.data), "name": dataset.name, "content": content_digest(dataset),
        "modalities": {
            name: {"kind": modality.kind} | ({} if modality.step is None else {"step": modality.step})
            for name, modality in dataset.modalities.items()
        },
        "rows": {"train": len(rows), "labelled": int(labelled(learning).sum()), "validation": len(validation)},
    }  # fmt: skip
    with quiet():
        make_fabric(config.hardware)  # a device that is not there
    print_ = fingerprint(model, rows, validation, config.schedule, config.seed, config.hardware.devices)
    _refuse_another_run(config.out, print_, about["content"])
    write_json(config.out / RUN, about)
    write_text(config.out / CONFIG, text)
    train(model, rows, validation, config.schedule, config.seed, progress, config.out, config.hardware)
    return read_run(config.out)


def _refuse_another_run(folder: Path, print_: str, content: Any) -> None:
    """Before anything is written: a folder that holds a run of something else stays as it is."""
    if read_progress(folder, print_) is None:
        if (folder / SETTINGS).exists():
            raise ValueError(f"{folder} holds a model already; give another folder, or delete this one to train anew")
        return
    try:
        before = json.loads((folder / RUN).read_text(encoding="utf-8"))["content"]
    except (OSError, ValueError, KeyError, TypeError):
        return  # rewritten
    if before != content:
        raise ValueError(f"the dataset has changed since the run in {folder} began; give another folder")


def content_digest(dataset: Dataset) -> str:
    """What tells a dataset folder from another: its description, which has the checksums, and the sizes of files."""
    sizes = sorted((path.name, path.stat().st_size) for path in dataset.folder.iterdir() if path.is_file())
    return hashlib.sha256(json.dumps([dataset.description.to_json(), sizes]).encode()).hexdigest()


def read_run(folder: str | Path) -> Run:
    """A finished run.

    Raises:
        FileNotFoundError: no run there, or an unfinished one. ValueError: a damaged file.
    """
    folder = Path(folder)
    if not (folder / RUN).is_file():
        raise FileNotFoundError(f"{folder} is not a run: it has no {RUN}; make one with sklar train")
    try:
        about = json.loads((folder / RUN).read_text(encoding="utf-8"))
        fields = {key: about[key] for key in ("task", "labels", "classes", "modalities")}
        data = Path(about["data"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / RUN} is damaged ({error}); train again") from error
    if not (folder / SETTINGS).is_file():
        raise FileNotFoundError(f"the run in {folder} has not finished; go on with sklar train {folder / CONFIG}")
    return Run(folder, load_model(folder), data=data, **fields)


def split_rows(dataset: Dataset, config: RunConfig) -> tuple[Dataset, Dataset]:
    """Training and validation rows; those that have none of the modalities in use are left out with a warning.

    Where the data set has no validation rows, a share of the training rows' groups (persons) becomes them.

    Raises:
        ValueError: no training rows, or none to spare for validation. KeyError: an unknown modality.
    """
    names = _modalities(dataset, config.modalities)
    learning = with_something(dataset.part("train"), names)
    held_out = with_something(dataset.part("validation"), names)
    if len(learning) == 0:
        raise ValueError(f"{config.data} has no rows whose split is 'train' that have a modality in use")
    if len(held_out) == 0:
        if not 0 < config.validation < 1:
            raise ValueError(f"validation must be a share between 0 and 1, got {config.validation}")
        groups, of_row = _numbered(learning.group_id)
        if groups < 2:
            raise ValueError(f"{config.data}: the training rows are one group's, of which none can serve validation")
        generator = torch.Generator().manual_seed(seed_of(config.seed, PARTS))
        chosen = torch.zeros(groups, dtype=torch.bool)
        count = min(max(1, round(config.validation * groups)), groups - 1)
        chosen[torch.randperm(groups, generator=generator)[:count]] = True
        learning, held_out = learning.take(~chosen[of_row]), learning.take(chosen[of_row])
    if not bool(labelled(held_out).any()):
        raise ValueError(f"{config.data}: no validation row has a label, and early stopping and calibration need some")
    return learning, held_out


def with_something(rows: Dataset, names: list[str]) -> Dataset:
    """The rows that have at least one of these modalities; a warning counts the others."""
    places = [rows.names.index(name) for name in names if name in rows.modalities]
    some = rows.observed[:, places].any(-1)
    if lacking := int((~some).sum()):
        warnings.warn(f"{rows.name}: {lacking} of {len(rows)} rows have none of {names} and are left out", stacklevel=3)
        return rows.take(some)
    return rows


def keep_labels(learning: Dataset, config: RunConfig) -> Dataset:
    """Training rows with as many labels as the configuration leaves them, and the others if it wants them.

    Raises:
        ValueError: too few labels.
    """
    if config.labelled is not None:
        learning = learning.label(_keep_labels(learning, config.labelled, seed_of(config.seed, LABELS)))
    if not config.unlabelled:
        learning = learning.take(labelled(learning))
    if not bool(labelled(learning).any()):
        raise ValueError(f"{config.data} has no training rows with a label")
    return learning


def _numbered(values: Any) -> tuple[int, Tensor]:
    import numpy as np

    found, index = np.unique(values, return_inverse=True)
    return len(found), torch.as_tensor(index)


def _keep_labels(rows: Dataset, number: int, seed: int) -> Tensor:
    """Which rows keep their label: bool ``(n,)``, the same share of every class."""
    target, known = rows.target, labelled(rows)
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


def labelled(rows: Dataset) -> Tensor:
    """Which rows have a label, or some of several: bool ``(n,)``."""
    if rows.target is None:
        return torch.zeros(len(rows), dtype=torch.bool)
    if rows.target.is_floating_point():
        return ~rows.target.isnan().reshape(len(rows), -1).all(-1)
    return rows.target >= 0


def make_run_model(dataset: Dataset, config: RunConfig) -> FusionModel:
    """An untrained model for a data set; its weights are a function of the seed.

    Raises:
        KeyError: an unknown model, modality or encoder. TypeError: a setting that the model does not have.
        ValueError: settings or encoders' arguments that make no model.
    """
    inputs = model_inputs(dataset, config.encoders, config.modalities)
    known = model_settings(config.model)
    unknown = [name for name in config.settings if name not in (*known, *FIXED)]
    if unknown:
        raise TypeError(f"settings: model {config.model!r} has no setting {unknown[0]!r}; it has {known}")
    task = TASKS.get(dataset.task, dataset.task)
    count = len(dataset.classes) if dataset.classes is not None else len(dataset.labels)
    fixed = {"inputs": inputs, "task": task, "classes": None if task == "regression" else count}
    for name in fixed:
        if name in config.settings:
            raise ValueError(f"settings: {name!r} comes from the data set; leave it out")
    with torch.random.fork_rng():
        torch.manual_seed(seed_of(config.seed, WEIGHTS))
        try:
            return make_model(config.model, **fixed, **config.settings)
        except (RuntimeError, TypeError) as error:  # torch's, of sizes that make no layer, and Python's, of arguments
            raise ValueError(f"settings and encoders make no model: {error}") from error


def model_settings(name: str) -> list[str]:
    """What ``settings`` may hold for a model.

    Raises:
        KeyError: an unknown model.
    """
    if name not in MODELS:
        raise KeyError(f"unknown model {name!r}; choose one of {list(MODELS)}")
    family = MODELS[name]
    taken: tuple[str, ...] = ()
    while isinstance(family, partial):
        taken, family = (*taken, *family.keywords), family.func
    found = []
    for level in inspect.getmro(family):  # type: ignore[arg-type]
        parameters = inspect.signature(level.__init__).parameters.values()  # type: ignore[misc]
        found += [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return [name for name in dict.fromkeys(found) if name not in ("self", *FIXED, *taken)]


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
    names = _modalities(dataset, modalities)
    _modalities(dataset, list(encoders) or None)
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


def _modalities(dataset: Dataset, chosen: list[str] | None) -> list[str]:
    """The chosen modalities, all where nothing is chosen."""
    names = dataset.names if chosen is None else chosen
    if chosen is not None and not chosen:
        raise ValueError("modalities names none; leave it out to use all")
    for name in names:
        if name not in dataset.modalities:
            raise KeyError(f"{dataset.name} has no modality {name!r}; it has {dataset.names}")
        if names.count(name) > 1:
            raise ValueError(f"modality {name!r} is named twice")
    return names


def to_yaml(config: RunConfig) -> str:
    """A configuration as YAML, which ``sklar train`` reads.

    Raises:
        ValueError: settings that YAML cannot hold.
    """
    import yaml

    content = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(config).items()}
    try:
        text: str = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    except yaml.YAMLError as error:
        raise ValueError(f"settings and encoders hold numbers, texts, lists and mappings only: {error}") from error
    return text
