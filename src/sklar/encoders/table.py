"""Tables: numbers and categories, any cell of which may be missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from sklar.encoders.base import mlp
from sklar.encoders.one_token import OneTokenEncoder
from sklar.encoders.reading import Names, names_of, numbers
from sklar.numerics.masking import only_observed


class TableEncoder(OneTokenEncoder):
    """Standardised numbers, a column a category, and which columns are missing, through one hidden layer.

    The hidden layer's weights of a category's column are its embedding; "missing" has one of its own, in every column.
    A row in which all is missing is encoded as such.

    Args:
        dim: embedding width ``d``.
        hidden: hidden units.
        dropout: rate on the hidden layer.
        columns: number, names or ``{"name", "unit", "categories"}`` of the columns; categories are a list of names (or
            their number), None for a column of numbers. A categorical cell ``(B, F)`` holds the category's index.
    """

    kind: ClassVar[str] = "table"

    def __init__(self, dim: int, hidden: int = 64, dropout: float = 0.1, *, columns: Names) -> None:
        labels = names_of(columns, "column")
        categories = [_categories(entry) for entry in (columns if isinstance(columns, Sequence) else labels)]
        features = sum(1 if names is None else len(names) for names in categories)
        super().__init__(features, dim)
        self.names, self.categories = labels, categories
        self.token_width = hidden
        self.network = mlp(features + len(self.names), hidden, 2 * dim, dropout)

    def read(self, x: Any, shown: Tensor, name: str) -> Tensor:
        """A tensor ``(B, F)`` with NaN in missing cells.

        Raises:
            ValueError: another width, infinity, or an index that is none of its column's categories.
        """
        value = numbers(x, shown, name, {"F": len(self.names)}, self.anchor)
        value = only_observed(value, shown, name, cells_may_lack=True)
        for column, (label, names) in enumerate(zip(self.names, self.categories, strict=True)):
            if names is None:
                continue
            cell = value[:, column]
            good = cell.isnan() | ((cell >= 0) & (cell < len(names)) & (cell == cell.round()))
            if not bool(good.all()):
                row = int((~good).nonzero()[0])
                raise ValueError(
                    f"modality {name!r}, row {row}, column {label!r}: {float(cell[row]):g} is the index of no "
                    f"category; it has 0 to {len(names) - 1}, and NaN where it is missing"
                )
        return value

    def describe(self, x: Tensor) -> Tensor:
        """Numbers as they are and a 0/1 column a category, NaN where a cell is missing."""
        parts = []
        for column, names in enumerate(self.categories):
            cell = x[:, column : column + 1]
            if names is None:
                parts.append(cell)
                continue
            known = ~cell.isnan()
            chosen = one_hot(torch.where(known, cell, 0.0)[:, 0].long(), len(names)).to(x)
            parts.append(torch.where(known, chosen, torch.nan))
        return torch.cat(parts, -1)

    @property
    def numbers(self) -> Tensor:
        """The columns of numbers."""
        return torch.tensor([names is None for names in self.categories])

    def prepare(self, x: Tensor) -> Tensor:
        """The features, zero where unknown, and an indicator a missing column."""
        values, _ = self.features(x)
        return torch.cat([values, x.isnan().to(values)], -1)

    def feature_names(self) -> list[str]:
        """The columns' names, ``"<column> = <category>"`` for categories."""
        return [
            name
            for label, names in zip(self.names, self.categories, strict=True)
            for name in ([label] if names is None else [f"{label} = {category}" for category in names])
        ]


def _categories(column: str | Mapping[str, Any]) -> list[str] | None:
    given = None if isinstance(column, str) else column.get("categories")
    if given is None:
        return None
    names = [str(i) for i in range(given)] if isinstance(given, int) else list(given)
    if not names:
        raise ValueError(f"column {column!r} has an empty list of categories; give them, or null for numbers")
    return names
