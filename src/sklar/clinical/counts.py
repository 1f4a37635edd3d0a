"""Counts of a reader's output beside the published ones: a full release that differs is an error."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np


class CountNote(TypedDict):
    """What `dataset.json` keeps of the comparison."""

    judged: bool
    found: dict[str, float]
    published: dict[str, float]


def check_counts(what: str, found: Mapping[str, float], published: Mapping[str, float], judged: bool) -> CountNote:
    """Compare counts with published ones; a published percentage is compared at its one decimal.

    Args:
        what: the release, for the message.
        found: the counts of this run, percentages (names that begin with "%") unrounded.
        published: the counts that somebody else found; each must be among those found.
        judged: whether a difference is an error. A sample or a slice is only recorded.

    Raises:
        ValueError: the release is full and a count differs; every such count is named.
    """
    rounded = {name: _one_decimal(value) if name.startswith("%") else value for name, value in found.items()}
    apart = [f"{name}: {rounded[name]} here, {value} published" for name, value in published.items()
             if abs(rounded[name] - value) > 1e-9]  # fmt: skip
    if judged and apart:
        raise ValueError(
            f"{what} has as many records as the full release, but not its counts; "
            f"download it again or check the files ({'; '.join(apart)})"
        )
    return {"judged": judged, "found": rounded, "published": dict(published)}


def _one_decimal(value: float) -> float:
    """Rounded half up, as the published percentages are (62 of 4,000 are 1.6%)."""
    return math.floor(10 * value + 0.5 + 1e-9) / 10


def pattern_counts(names: Sequence[str], observed: np.ndarray) -> dict[str, float]:
    """Share of rows without each modality, number of patterns, and share of complete rows.

    Args:
        names: of the M modalities.
        observed: bool ``(n, M)``.
    """
    absent = {f"% without {name}": 100 * float(share) for name, share in zip(names, 1 - observed.mean(0), strict=True)}
    complete = 100 * float(observed.all(1).mean())
    return {**absent, "patterns": len(np.unique(observed, axis=0)), "% complete": complete}
