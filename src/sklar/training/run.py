"""Runs: a configuration trained into a folder, and that folder read back."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from sklar.data import Dataset, open_dataset
from sklar.models import FusionModel
from sklar.training.checkpoint import SETTINGS, load_model
from sklar.training.config import RunConfig
from sklar.training.feed import Feed, remove
from sklar.training.files import refuse_inside_dataset, write_json, write_text
from sklar.training.fit import make_fabric, quiet, train
from sklar.training.inputs import make_run_model
from sklar.training.rows import keep_labels, labelled, split_rows
from sklar.training.schedule import Stream, seed_of
from sklar.training.state import fingerprint, read_progress

CONFIG, RUN = "config.yaml", "run.json"


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
    config = with_absolute_paths(config)
    text = to_yaml(config)
    refuse_inside_dataset(config.out)
    dataset = open_dataset(config.data, verify=True)
    model, rows, validation = prepare_run(dataset, config)
    about = {
        "task": dataset.task, "labels": list(dataset.labels),
        "classes": None if dataset.classes is None else list(dataset.classes),
        "data": str(config.data), "name": dataset.name, "content": content_digest(dataset),
        "modalities": {
            name: {"kind": modality.kind} | ({} if modality.step is None else {"step": modality.step})
            for name, modality in dataset.modalities.items()
        },
        "rows": {"train": len(rows), "labelled": int(labelled(rows.dataset).sum()), "validation": len(validation)},
    }  # fmt: skip
    with quiet():
        make_fabric(config.hardware)  # a device that is not there
    print_ = fingerprint(model, rows, validation, config.schedule, config.seed, config.hardware)
    _refuse_another_run(config.out, print_, about["content"])
    for name in (RUN, CONFIG):
        for left in config.out.glob(f"{name}.*.part"):  # of a process killed while it wrote
            left.unlink()
    write_json(config.out / RUN, about)
    write_text(config.out / CONFIG, text)
    train(model, rows, validation, config.schedule, config.seed, progress, config.out, config.hardware)
    return read_run(config.out)


def prepare_run(dataset: Dataset, config: RunConfig) -> tuple[FusionModel, Feed, Feed]:
    """What a run begins with: an untrained model, its training rows and its validation rows.

    Raises:
        ValueError, KeyError, TypeError: what is wrong with the data or the configuration.
    """
    learning, held_out = split_rows(dataset, config)
    keep_labels(learning, config)  # what is wrong with it is said before a network is made or loaded
    model = make_run_model(dataset, config)
    draws = [seed_of(config.seed, stream) % 2**31 for stream in (Stream.MISSING_TRAIN, Stream.MISSING_VALIDATION)]
    learning = keep_labels(remove(learning, model, config.missing, draws[0]), config)
    rows, validation = Feed(learning, model), Feed(remove(held_out, model, config.missing, draws[1]), model)
    never = [name for name, some in zip(rows.names, rows.observed.any(0).tolist(), strict=True) if not some]
    if never:
        warnings.warn(f"no training row has {never}: what is said of them rests on nothing", stacklevel=3)
    return model, rows, validation


def with_absolute_paths(config: RunConfig) -> RunConfig:
    """The same configuration, which means the same from any working directory.

    An encoder's ``model`` is a path where there is such a folder, a name otherwise; its ``cache`` always is one.
    """
    encoders = {}
    for name, given in config.encoders.items():
        encoders[name] = dict(given)
        for key in ("model", "cache"):
            path = given.get(key)
            if isinstance(path, str | Path) and (key == "cache" or Path(path).expanduser().is_dir()):
                encoders[name][key] = os.path.abspath(Path(path).expanduser())
    data, out = Path(os.path.abspath(config.data)), Path(os.path.abspath(config.out))
    return replace(config, data=data, out=out, encoders=encoders)


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
    """What tells a dataset folder from another: its description, and the checksums of its files as they are."""
    description = replace(dataset.description, files={})  # what was declared is not what is there
    return hashlib.sha256(json.dumps([description.to_json(), dict(dataset.checksums)]).encode()).hexdigest()


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
