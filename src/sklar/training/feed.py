"""A data set as a trained model wants it: modalities, columns and codes by their names."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sklar.data import Batch, Column, Dataset, Texts
from sklar.data.description import Modality
from sklar.data.missingness import Missingness
from sklar.data.problem import can_be_shown
from sklar.models import FusionModel
from sklar.models.base import ROWS_AT_ONCE

NAMED = ("columns", "channels", "codes")  # what an encoder's specification may name


class Feed:
    """The rows of a dataset folder in the order and the vocabulary of a model; `Rows` to training and evaluation.

    What the model does not know is left out: a modality silently, a channel, a code and a category (which becomes a
    missing cell) with a warning; a row that has nothing left of a modality lacks it. What the data lack is missing: a
    modality in all rows, a channel or a column in all cells. Vectors without names are taken in their order.

    Args:
        dataset: an opened folder, or a part of one.
        model: which has its modalities' specifications.
        leave_out: rows that have no modality that the model knows are left out with a warning, rather than refused;
            ``dataset`` is without them then.

    Raises:
        ValueError: a modality of another kind, width, step or unit; rows that have no modality that the model knows.
    """

    def __init__(self, dataset: Dataset, model: FusionModel, leave_out: bool = False) -> None:
        self.dataset, self.names = dataset, model.names
        self.places = {name: dataset.names.index(name) for name in model.names if name in dataset.names}
        lacking = [name for name in model.names if name not in self.places]
        if lacking:
            warnings.warn(f"{dataset.name} has no {lacking}: missing in all rows", stacklevel=2)
        self.changes = {
            name: _Change(name, dataset.modalities[name], model.inputs[name], model.encoder(name).kind)
            for name in self.places
        }
        columns = [
            dataset.observed[:, self.places[name]] if name in self.places else torch.zeros(len(dataset)).bool()
            for name in self.names
        ]
        self.observed = torch.stack(columns, -1)
        for name, change in self.changes.items():
            if change.loses:
                self._look_for_what_is_left(name, change)
        some = self.observed.any(-1)
        empty = (~some).nonzero().flatten()
        if len(empty) and leave_out:
            warnings.warn(f"{dataset.name}: {len(empty)} of {len(dataset)} rows have none of {self.names} and are left "
                          "out", stacklevel=2)  # fmt: skip
            self.dataset, self.observed = dataset.take(some), self.observed[some]
        elif len(empty):
            first = dataset.sample_id[int(empty[0])]
            where = f"sample_id {first}" if can_be_shown(first) else f"row {int(empty[0])}"
            raise ValueError(
                f"{dataset.name}: {len(empty)} rows have none of the model's modalities {self.names} (the first is "
                f"{where}); leave them out"
            )

    def _look_for_what_is_left(self, name: str, change: _Change) -> None:
        """Rows of whose modality nothing is known to the model lack it."""
        shown = self.observed[:, self.names.index(name)]
        for part in shown.nonzero().flatten().split(ROWS_AT_ONCE):
            content = change(self.dataset.take(part).content(name))
            shown[part] = ~content.isnan().flatten(1).all(1)

    @property
    def target(self) -> Tensor | None:
        """As in `Batch`."""
        return self.dataset.target

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, rows: Tensor | slice) -> Batch:
        part = self.dataset.take(rows)
        inputs = {name: change(part.content(name)) for name, change in self.changes.items()}
        return Batch(inputs, self.observed[rows], part.target)


def remove(dataset: Dataset, model: FusionModel, missing: Missingness, draw: int = 0) -> Dataset:
    """The same rows, from which a mechanism has removed some of a model's modalities; no row loses all of them.

    Args:
        dataset: rows, each with one of the model's modalities.
        model: which has its modalities' specifications.
        missing: the mechanism.
        draw: number of the removal, see `Missingness.__call__`.

    Raises:
        KeyError, ValueError: as `Feed` and `Missingness`.
    """
    if missing.mechanism == "natural":
        return dataset
    rows = Feed(dataset, model)
    inputs: dict[str, Tensor | Texts] = {name: torch.zeros(len(rows), 1) for name in rows.names}
    if missing.mechanism in ("mar", "mnar"):  # the others do not look at the content
        inputs |= rows[:].inputs
    left = missing(inputs, rows.observed, rows.target, draw)
    observed = dataset.observed.clone()
    for name, place in rows.places.items():
        observed[:, place] = left[:, rows.names.index(name)]
    return dataset.see(observed)


class _Change:
    """From one modality's content in a data set to the same in the model's terms."""

    def __init__(self, name: str, modality: Modality, wanted: int | Mapping[str, Any], kind: str) -> None:
        specification: dict[str, Any] = {"inputs": wanted} if isinstance(wanted, int) else dict(wanted)
        self.kind = modality.kind
        self.order: Tensor | None = None
        self.loses = False  # whether something that the data have is not known to the model
        self.categories: list[tuple[int, Tensor]] = []
        key = next((key for key in NAMED if specification.get(key) is not None), None)
        if modality.step is not None and specification.get("step", modality.step) != modality.step:
            raise ValueError(
                f"modality {name!r}: bins of {modality.step} hours, the model was trained on bins of "
                f"{specification['step']} hours; prepare the data with that step"
            )
        if key is None or not isinstance(specification[key], Sequence):
            width = specification.get("inputs")
            if modality.kind == "vector" and width not in (None, modality.shape[-1]):
                raise ValueError(f"modality {name!r}: {modality.shape[-1]} features, the model has {width}")
            return
        there = [column.name for column in getattr(modality, key)]
        wanted_names = [entry if isinstance(entry, str) else str(entry["name"]) for entry in specification[key]]
        if not there and modality.kind == "vector" and all(isinstance(entry, str) for entry in specification[key]):
            if modality.shape[-1] != len(wanted_names):
                raise ValueError(f"modality {name!r}: {modality.shape[-1]} features, the model has {len(wanted_names)}")
            return
        if not there:
            raise ValueError(f"modality {name!r} is of kind {modality.kind} without {key}, as encoder {kind!r} needs")
        if not set(there) & set(wanted_names):
            raise ValueError(
                f"modality {name!r}: none of its {key} is known to the model, which has {wanted_names[:5]}...; it has "
                f"{there[:5]}..., as {modality.kind} for the encoder {kind!r}"
            )
        _check_units(name, getattr(modality, key), specification[key])
        extra = [entry for entry in there if entry not in wanted_names]
        if extra:
            self.loses = True
            warnings.warn(f"modality {name!r}: {len(extra)} {key} not known to the model left out: {extra[:5]}",
                          stacklevel=3)  # fmt: skip
        if key == "codes":
            if there != wanted_names:
                places = {entry: i for i, entry in enumerate(wanted_names)}
                self.order = torch.tensor([places.get(entry, -1) for entry in there])
            return
        lacking = [entry for entry in wanted_names if entry not in there]
        if lacking and modality.kind == "vector":
            raise ValueError(f"modality {name!r} lacks the column {lacking[0]!r}, and a vector has no missing cells")
        if lacking:
            warnings.warn(f"modality {name!r} lacks the {key} {lacking[:5]}: missing in all rows", stacklevel=3)
        if there != wanted_names:
            self.order = torch.tensor([there.index(e) if e in there else -1 for e in wanted_names])
        if key == "columns":
            self._map_categories(name, modality, specification[key])

    def _map_categories(self, name: str, modality: Modality, wanted: Sequence[Any]) -> None:
        known = {column.name: column.categories for column in modality.columns}
        for place, entry in enumerate(wanted):
            column = entry if isinstance(entry, str) else entry["name"]
            mine = None if isinstance(entry, str) else entry.get("categories")
            if column not in known or (mine is None) != (known[column] is None):
                if column in known:
                    raise ValueError(f"modality {name!r}, column {column!r}: numbers and categories do not mix")
                continue
            theirs = known[column]
            if mine is None or theirs is None:
                continue
            if isinstance(mine, int):  # their number alone
                mine = [*theirs[:mine], *(str(i) for i in range(len(theirs), mine))]
            if list(theirs) == list(mine):
                continue
            index = torch.tensor([float(mine.index(c)) if c in mine else torch.nan for c in theirs])
            strange = [c for c in theirs if c not in mine]
            if strange:
                self.loses = True
                warnings.warn(
                    f"modality {name!r}, column {column!r}: categories {strange[:5]} are not known to the model and "
                    "become missing cells",
                    stacklevel=4,
                )
            self.categories.append((place, index))

    def __call__(self, content: Any) -> Any:
        """The content of some rows, in the model's terms."""
        if self.order is not None and self.kind == "events":
            content = content.clone()
            code = content[..., 1]
            there = ~code.isnan()
            code[there] = self.order[code[there].long()].to(code)
            content[code == -1] = torch.nan  # padding
        elif self.order is not None:
            found = content.index_select(-1, self.order.clamp(min=0))
            content = torch.where(self.order < 0, torch.nan, found)
        for place, index in self.categories:
            cell = content[:, place]
            known = ~cell.isnan()
            cell[known] = index[cell[known].long()]
        return content


def _check_units(name: str, there: Sequence[Column], wanted: Sequence[Any]) -> None:
    """Refuse numbers in another unit than the model was trained on, where both say which."""
    units = {str(entry["name"]): entry.get("unit") for entry in wanted if isinstance(entry, Mapping)}
    for column in there:
        mine = units.get(column.name)
        if mine and column.unit and mine != column.unit:
            raise ValueError(
                f"modality {name!r}, {column.name!r}: the unit is {column.unit!r}, the model was trained on {mine!r}; "
                "convert the values"
            )
