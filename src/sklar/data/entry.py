"""A JSON object read key by key, and what a value may have to be."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal

from sklar.data.problem import Problem, listed


class Entry:
    """A JSON object read key by key; what is wrong is noted in ``problems`` and read as None.

    Args:
        content: the object.
        place: where it stands: a file, or a file and keys, ``"dataset.json, modalities.ecg"``.
        problems: the notes, appended to.
    """

    def __init__(self, content: dict[str, Any], place: str, problems: list[Problem]) -> None:
        self.content, self.place, self.problems = content, place, problems
        self.known: list[str] = []

    def where(self, key: str) -> str:
        """The place of a key."""
        return f"{self.place}.{key}" if "," in self.place else f"{self.place}, {key}"

    def read(self, key: str, holds: Callable[[Any], bool], expected: str, optional: bool = False) -> Any:
        """The value of a key if it is as expected, else None.

        Args:
            key: to read.
            holds: whether a value is as expected.
            expected: the same in words.
            optional: null is all right, and a missing key only a warning.
        """
        self.known.append(key)
        if key not in self.content:
            remedy = f"add it: {expected}" + (" or null" if optional else "")
            severity: Literal["error", "warning"] = "warning" if optional else "error"
            self.problems.append(Problem(self.where(key), "the key is missing", remedy, severity))
            return None
        value = self.content[key]
        if optional and value is None:
            return None
        if not holds(value):
            shown = repr(value)
            shown = shown if len(shown) <= 60 else shown[:57] + "..."
            self.problems.append(Problem(self.where(key), f"is {shown}", f"it must be {expected}"))
            return None
        return value

    def finish(self) -> None:
        """Note the keys that nobody asked for."""
        for key in self.content:
            if key not in self.known:
                remedy = f"remove it or correct its name; known are {listed(self.known, 12)}"
                self.problems.append(Problem(self.where(key), "the key is unknown", remedy))


def is_text(value: Any) -> bool:
    """Any string."""
    return isinstance(value, str)


def is_name(value: Any) -> bool:
    """A string of one printable line."""
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def are_names(value: Any) -> bool:
    """A list of different names, at least one."""
    return isinstance(value, list) and all(map(is_name, value)) and 0 < len(value) == len(set(value))


def is_count(value: Any) -> bool:
    """An integer, 0 or more."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def is_positive(value: Any) -> bool:
    """A positive number."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def is_object(value: Any) -> bool:
    """A JSON object."""
    return isinstance(value, dict)
