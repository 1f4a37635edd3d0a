"""What one modality of a dataset folder holds, given to `sklar.data.write_dataset`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True)
class Column:
    """A column of a table, a channel of a series or a code of events.

    Attributes:
        name: unique within its modality.
        unit: of its values, None where it has none.
        categories: names of the categories (tables only); a cell then holds the index of its category. None for a
            number.
    """

    name: str
    unit: str | None = None
    categories: Sequence[str] | None = None


def named(columns: Sequence[Column | str]) -> tuple[Column, ...]:
    """Columns, of which some were given by their name alone."""
    return tuple(Column(column) if isinstance(column, str) else column for column in columns)


@dataclass(frozen=True, eq=False)
class Vector:
    """A vector a row, an embedding for example. A row of NaN alone is absent; no other NaN may stand in it.

    Attributes:
        values: numpy array or tensor ``(n, F)``.
        columns: names of the F columns, None where they have none.
    """

    kind: ClassVar[str] = "vector"
    values: Any
    columns: Sequence[str] | None = None


@dataclass(frozen=True, eq=False)
class Table:
    """Numbers and categories. NaN is a missing cell; a row of NaN alone is absent.

    Attributes:
        values: numpy array or tensor ``(n, F)``; a categorical cell holds the index of its category.
        columns: the F columns; a name alone is a number without a unit.
    """

    kind: ClassVar[str] = "table"
    values: Any
    columns: Sequence[Column | str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", named(self.columns))


@dataclass(frozen=True, eq=False)
class Series:
    """Channels on a regular grid of bins. NaN: nothing was measured; a shorter series ends in bins of NaN alone.

    Attributes:
        values: numpy array or tensor ``(n, T, C)``.
        channels: the C channels; a name alone has no unit.
        step: hours of a bin.
    """

    kind: ClassVar[str] = "series"
    values: Any
    channels: Sequence[Column | str]
    step: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", named(self.channels))


@dataclass(frozen=True, eq=False)
class Image:
    """An image a row.

    Attributes:
        values: uint8 or float in [0, 1], numpy array or tensor ``(n, C, H, W)`` with C = 1 or 3. A row of NaN alone is
            absent; in uint8 only a column ``has_<name>`` of the samples can say so.
    """

    kind: ClassVar[str] = "image"
    values: Any


@dataclass(frozen=True, eq=False)
class Text:
    """Texts of series, any number of each. The three columns are equally long sequences or pyarrow arrays.

    Attributes:
        series_id: which series (by default: which sample) a text belongs to.
        time: hours.
        text: strings.
    """

    kind: ClassVar[str] = "text"
    series_id: Any
    time: Any
    text: Any


@dataclass(frozen=True, eq=False)
class Events:
    """Irregularly timed events of series. The four columns are equally long sequences or pyarrow arrays.

    Attributes:
        series_id: which series (by default: which sample) an event belongs to.
        time: hours.
        code: names out of ``codes``.
        value: number, None or NaN where the event is all there is.
        codes: the vocabulary; its order is the order of the code's indices. A name alone has no unit.
    """

    kind: ClassVar[str] = "events"
    series_id: Any
    time: Any
    code: Any
    value: Any
    codes: Sequence[Column | str]

    def __post_init__(self) -> None:
        object.__setattr__(self, "codes", named(self.codes))


@dataclass(frozen=True, eq=False)
class RecordFile:
    """Texts or events that are in a Parquet file already and may be larger than memory.

    Attributes:
        kind: text or events.
        file: with the columns of a dataset folder's file, in its types (series_id that of the samples, time and value
            float64), best ordered by series and time. It is linked into the folder, or copied, and must not change.
        codes: of events, as in `Events`.
    """

    kind: str
    file: Path
    codes: Sequence[Column | str] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "codes", named(self.codes))


Value = Vector | Table | Series | Image | Text | Events | RecordFile
