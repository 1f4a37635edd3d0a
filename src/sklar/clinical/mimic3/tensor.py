"""Series of the 17 variables on a grid of bins: 76 columns, as the MIMIC-III benchmark discretises them.

Harutyunyan H, et al. Multitask learning and benchmarking with clinical time series data. Scientific Data 6:96, 2019.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sklar.clinical.mimic3.facts import channels

EPS = 1e-6  # hours
FILLS = ("previous", "next", "normal_value", "zero")


def bin_count(step: float, end: float) -> int:
    """Number of bins of ``step`` hours up to ``end`` hours."""
    return int(end / step + 1.0 - EPS)


def bins_of(hours: np.ndarray, step: float, end: float) -> np.ndarray:
    """Bin of each time: bin k holds (k step, (k + 1) step], 0 is in bin 0, -1 marks what comes after the end.

    Args:
        hours: ``(n,)``, at least 0 up to rounding.
        step: hours of a bin.
        end: hours.

    Returns:
        Int ``(n,)``.
    """
    return np.where(hours > end + EPS, -1, np.trunc(hours / step - EPS).astype(np.int64))


def codes_of(name: str, texts: Sequence[str | None]) -> np.ndarray:
    """Numbers for a variable's texts: the category's index, or the number; NaN for None, infinity where unreadable.

    Args:
        name: of the variable.
        texts: ``(n,)``.

    Returns:
        Float64 ``(n,)``.
    """
    categories = channels().categories.get(name)
    place = None if categories is None else {text: float(number) for number, text in enumerate(categories)}
    known: dict[str | None, float] = {None: np.nan}
    for text in {*texts} - {None}:
        if place is not None:
            known[text] = place.get(text, np.inf)  # type: ignore[arg-type]
            continue
        try:
            number = float(text)  # type: ignore[arg-type]
        except ValueError:
            number = np.inf
        known[text] = number if np.isfinite(number) else np.inf
    return np.array([known[text] for text in texts], dtype=np.float64)


def fill(values: np.ndarray, how: str = "previous") -> np.ndarray:
    """Fill the bins without a reading.

    Args:
        values: ``(n, N, 17)``, NaN where nothing was read.
        how: previous (the last earlier value, else the normal one), next (the following value, else the normal one),
            normal_value, or zero (NaN stays: zeros in every column).

    Returns:
        ``(n, N, 17)``.

    Raises:
        ValueError: no such way.
    """
    if how not in FILLS:
        raise ValueError(f"unknown imputation {how!r}; choose one of {FILLS}")
    if how == "zero":
        return values
    layout = channels()
    normal = np.array([codes_of(name, [layout.normal[name]])[0] for name in layout.names])
    if how == "normal_value":
        return np.where(np.isnan(values), normal, values)
    if how == "next":
        return fill(values[:, ::-1])[:, ::-1]
    place = np.where(np.isnan(values), -1, np.arange(values.shape[1])[:, None])
    last = np.maximum.accumulate(place, axis=1)
    carried = np.take_along_axis(values, np.maximum(last, 0), axis=1)
    return np.where(last < 0, normal, carried)


def expand(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The 76 columns: values with categories one-hot, then the 17 masks.

    Args:
        values: ``(n, N, 17)``; NaN gives zeros.
        mask: which bins have a reading, bool ``(n, N, 17)``.

    Returns:
        Float64 ``(n, N, 76)``.
    """
    layout = channels()
    out = np.zeros((*values.shape[:2], len(layout.columns)))
    column = 0
    for number, name in enumerate(layout.names):
        cells = values[..., number]
        categories = layout.categories.get(name)
        if categories is None:
            out[..., column] = np.nan_to_num(cells)
            column += 1
        else:
            for index in range(len(categories)):
                out[..., column + index] = cells == index
            column += len(categories)
    out[..., column:] = mask
    return out


def discretise(
    hours: Sequence[float],
    cells: Mapping[str, Sequence[str | None]],
    *,
    step: float = 1.0,
    end: float | None = 48.0,
    relative: bool = False,
    how: str = "previous",
) -> np.ndarray:
    """One series on the grid; later rows of a bin overwrite earlier ones.

    Args:
        hours: of the rows, ascending, ``(n,)``.
        cells: texts of each variable, None where empty, ``(n,)`` each.
        step: hours of a bin.
        end: hours; None is the last row's time.
        relative: whether hours, and the end, count from the first row.
        how: see `fill`.

    Returns:
        Float64 ``(N, 76)``.

    Raises:
        ValueError: rows out of order, no bin, a category that is not listed, or a text that is no number.
    """
    times = np.asarray(hours, dtype=np.float64)
    if not len(times) or (np.diff(times) < 0).any():
        raise ValueError("rows must be in ascending order of their hours, at least one")
    first = times[0] if relative else 0.0
    finish = (times[-1] if end is None else end) - first
    number = bin_count(step, finish)
    if number < 1 or (end is None and finish < EPS):
        raise ValueError("the series has no extent, hence no bins")
    bins = bins_of(times - first, step, finish)
    values = np.full((1, number, len(channels().names)), np.nan)
    for place, name in enumerate(channels().names):
        codes = codes_of(name, cells[name])
        use = (bins >= 0) & ~np.isnan(codes)
        if np.isinf(codes[use]).any():
            row = int(np.flatnonzero(use & np.isinf(codes))[0])
            raise ValueError(f"row {row}, {name}: {cells[name][row]!r} is neither a number nor a listed category")
        values[0, bins[use], place] = codes[use]
    return expand(fill(values, how), ~np.isnan(values))[0]


@dataclass
class Normaliser:
    """Means and standard deviations of the 76 columns over all bins of all stays it has seen.

    Attributes:
        count: of bins.
        total: sum, ``(76,)``.
        squares: sum of squares, ``(76,)``.
    """

    count: int
    total: np.ndarray
    squares: np.ndarray

    @classmethod
    def empty(cls) -> Normaliser:
        """One that has seen nothing."""
        width = len(channels().columns)
        return cls(0, np.zeros(width), np.zeros(width))

    def see(self, tensor: np.ndarray) -> None:
        """Add stays ``(n, N, 76)``."""
        flat = tensor.reshape(-1, tensor.shape[-1])
        self.count += len(flat)
        self.total += flat.sum(0)
        self.squares += (flat**2).sum(0)

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Means and standard deviations, ``(76,)`` each; a column that never varies has 1e-7."""
        mean = self.total / max(self.count, 1)
        spread = self.squares - 2.0 * self.total * mean + self.count * mean**2
        std = np.sqrt(np.maximum(spread, 0.0) / max(self.count - 1, 1))
        return mean, np.maximum(std, 1e-7)
