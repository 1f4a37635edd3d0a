"""Cells of a table whose columns are numbers or categories, from a DataFrame or an array of objects."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from numbers import Number
from typing import Any

import numpy as np

Categories = tuple[tuple[str, ...] | None, ...]  # of each column, None for numbers


@dataclass(frozen=True)
class Column:
    """One column as it was given.

    Attributes:
        values: float64 with NaN where a cell is missing, or objects.
        categories: that its type declares; None where it declares none.
    """

    values: np.ndarray
    categories: tuple[str, ...] | None = None

    def missing(self) -> np.ndarray:
        """Which cells are missing, bool ``(n,)``."""
        if self.values.dtype.kind == "f":
            return np.isnan(self.values)
        return np.array([is_missing(cell) for cell in self.values], bool)


@dataclass(frozen=True)
class Frame:
    """Columns of one length.

    Attributes:
        names: of the columns, None where they have none.
        columns: their cells.
    """

    names: tuple[str, ...] | None
    columns: tuple[Column, ...]

    def categories(self, modality: str) -> Categories | None:
        """What `to_numbers` needs to know of the columns; None where all are numbers.

        Raises:
            TypeError: cells that are neither numbers nor texts.
        """
        found = tuple(self._categories(j, modality) for j in range(len(self.columns)))
        return found if any(names is not None for names in found) else None

    def _categories(self, j: int, modality: str) -> tuple[str, ...] | None:
        column = self.columns[j]
        if column.categories is not None or column.values.dtype.kind == "f":
            return column.categories
        cells = column.values[~column.missing()]
        if all(isinstance(cell, Number | np.bool_) for cell in cells):
            return None
        for cell in cells:
            if not isinstance(cell, str | Number | np.bool_):
                raise TypeError(
                    f"modality {modality!r}, column {self.name(j)!r}: {type(cell).__name__} is neither a number nor a "
                    "text; convert it, for instance a date to days since the first"
                )
        return tuple(sorted({str(cell) for cell in cells}))

    def name(self, j: int) -> str:
        """A column's name, or its number."""
        return str(j) if self.names is None else self.names[j]

    def to_numbers(self, categories: Categories | None, modality: str) -> np.ndarray:
        """Numbers as they are, categories as their indices, NaN where a cell is missing: ``(n, F)``.

        A category that is not among those given is a missing cell, with a warning.

        Raises:
            TypeError: no number where a number is expected.
        """
        result = np.full((len(self.columns[0].values), len(self.columns)), np.nan)
        for j, column in enumerate(self.columns):
            there = ~column.missing()
            cells = column.values[there]
            names = None if categories is None else categories[j]
            if names is None:
                try:
                    result[there, j] = cells.astype(np.float64)
                except (TypeError, ValueError) as error:
                    raise TypeError(f"modality {modality!r}, column {self.name(j)!r}: expected numbers") from error
                continue
            place = {category: index for index, category in enumerate(names)}
            result[there, j] = [place.get(str(cell), np.nan) for cell in cells]
            unknown = int(np.isnan(result[there, j]).sum())
            if unknown:
                warnings.warn(
                    f"modality {modality!r}, column {self.name(j)!r}: {unknown} cells hold categories that fitting "
                    "never saw; they count as missing",
                    stacklevel=2,
                )
        return result


def from_dataframe(table: Any) -> Frame:
    """A pandas DataFrame."""
    names = tuple(str(name) for name in table.columns)
    return Frame(names, tuple(_from_series(table.iloc[:, j]) for j in range(len(names))))


def _from_series(series: Any) -> Column:
    declared = getattr(series.dtype, "categories", None)
    if declared is not None:
        return Column(series.to_numpy(dtype=object), tuple(str(category) for category in declared))
    if isinstance(series.dtype, np.dtype) and series.dtype.kind in "fiub":
        return Column(series.to_numpy(dtype=np.float64))
    return Column(series.to_numpy(dtype=object))


def from_objects(cells: np.ndarray) -> Frame:
    """An array of objects ``(n, F)``."""
    return Frame(None, tuple(Column(cells[:, j]) for j in range(cells.shape[1])))


def is_missing(cell: Any) -> bool:
    """None, NaN, and pandas' NA and NaT."""
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(cell, float | np.floating) and bool(cell != cell)
