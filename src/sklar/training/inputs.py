"""From a data set and a configuration to an untrained model."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import torch

from sklar.data import Dataset
from sklar.encoders.defaults import default_specification
from sklar.encoders.registry import completed
from sklar.models import MODELS, FusionModel, make_model
from sklar.training.config import RunConfig
from sklar.training.schedule import Stream, seed_of

TASKS = {"binary": "classification", "multiclass": "classification"}  # the others have the model's name
FIXED = ("inputs", "task", "classes")  # of a model, which come from the data set


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
        torch.manual_seed(seed_of(config.seed, Stream.WEIGHTS))
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
    names = chosen_modalities(dataset, modalities)
    chosen_modalities(dataset, list(encoders) or None)
    result = {}
    for name in names:
        modality = dataset.modalities[name]
        result[name] = completed(default_specification(modality.kind, asdict(modality)), encoders.get(name, {}))
    return result


def chosen_modalities(dataset: Dataset, chosen: list[str] | None) -> list[str]:
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
