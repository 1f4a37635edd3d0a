"""Which rows of a data set a run trains on, which validate it, and which labels it sees."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from sklar.data import Dataset
from sklar.training.config import RunConfig
from sklar.training.inputs import chosen_modalities
from sklar.training.schedule import Stream, seed_of


def split_rows(dataset: Dataset, config: RunConfig) -> tuple[Dataset, Dataset]:
    """Training and validation rows; those that have none of the modalities in use are left out with a warning.

    Where the data set has no validation rows, a share of the training rows' groups (persons) becomes them.

    Raises:
        ValueError: no training rows, or none to spare for validation. KeyError: an unknown modality.
    """
    names = chosen_modalities(dataset, config.modalities)
    learning = usable(dataset.part("train"), names, config.matched)
    held_out = usable(dataset.part("validation"), names, config.matched)
    if len(learning) == 0:
        wanted = "every modality" if config.matched else "a modality"
        raise ValueError(f"{config.data} has no rows whose split is 'train' that have {wanted} in use")
    if len(held_out) == 0:
        if not 0 < config.validation < 1:
            raise ValueError(f"validation must be a share between 0 and 1, got {config.validation}")
        groups, of_row = _numbered(learning.group_id)
        if groups < 2:
            raise ValueError(f"{config.data}: the training rows are one group's, of which none can serve validation")
        generator = torch.Generator().manual_seed(seed_of(config.seed, Stream.PARTS))
        chosen = torch.zeros(groups, dtype=torch.bool)
        count = min(max(1, round(config.validation * groups)), groups - 1)
        chosen[torch.randperm(groups, generator=generator)[:count]] = True
        learning, held_out = learning.take(~chosen[of_row]), learning.take(chosen[of_row])
    if not bool(labelled(held_out).any()):
        raise ValueError(f"{config.data}: no validation row has a label, and early stopping and calibration need some")
    return learning, held_out


def usable(rows: Dataset, names: list[str], matched: bool = False) -> Dataset:
    """The rows that have at least one of these modalities, where a warning counts the others; or all of them."""
    places = [rows.names.index(name) for name in names if name in rows.modalities]
    if matched:
        return rows.take(rows.observed[:, places].all(-1))
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
        learning = learning.label(_keep_labels(learning, config.labelled, seed_of(config.seed, Stream.LABELS)))
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
