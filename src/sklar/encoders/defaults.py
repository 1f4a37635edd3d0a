"""Which encoder suits a modality of a dataset folder when nobody says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

LARGEST_IMAGE = 128  # pixels a side that the default network reads


def default_specification(kind: str, modality: Mapping[str, Any]) -> dict[str, Any]:
    """An encoder's specification, which JSON can hold.

    Small data are the rule where modalities are missing, so series and events start from summary statistics, texts from
    words, and nothing is downloaded.

    Args:
        kind: vector, table, series, image, text or events.
        modality: what ``dataset.json`` says of it: ``shape`` (of a row) or ``columns``, ``channels``, ``codes``,
            ``step``.

    Raises:
        KeyError: an unknown kind. ValueError: what the encoder needs is not said.
    """
    needs = {"vector": "shape", "table": "columns", "series": "channels", "image": "shape", "events": "codes"}
    if kind not in (*needs, "text"):
        raise KeyError(f"unknown kind of modality {kind!r}; choose one of {[*needs, 'text']}")
    if kind in needs and not modality.get(needs[kind]):
        raise ValueError(f"a modality of kind {kind!r} needs its {needs[kind]}")
    if kind == "vector":
        columns = modality.get("columns")
        names = None if not columns else [c if isinstance(c, str) else _entry(c)["name"] for c in columns]
        return {"kind": "vector", "inputs": int(modality["shape"][0])} | ({} if names is None else {"columns": names})
    if kind == "table":
        return {"kind": "table", "columns": _plain(modality["columns"])}
    if kind == "series":
        step = modality.get("step")
        return {"kind": "summary", "channels": _plain(modality["channels"]), "step": 1.0 if step is None else step}
    if kind == "events":
        return {"kind": "summary", "codes": _plain(modality["codes"])}
    if kind == "image":
        channels, height, width = (int(size) for size in modality["shape"])
        return {"kind": "convnet", "channels": channels, "size": min(max(height, width), LARGEST_IMAGE)}
    return {"kind": "bag_of_words"}


def _plain(columns: Any) -> list[Any]:
    """Entries as JSON holds them; objects with attributes (`sklar.data.Column`) are taken apart."""
    if isinstance(columns, int):
        return [f"{i}" for i in range(columns)]
    return [column if isinstance(column, str) else _entry(column) for column in columns]


def _entry(column: Any) -> dict[str, Any]:
    got = (
        dict(column)
        if isinstance(column, Mapping)
        else {key: getattr(column, key, None) for key in ("name", "unit", "categories")}
    )
    if (categories := got.get("categories")) is not None and not isinstance(categories, int):
        got["categories"] = list(categories)
    return {key: value for key, value in got.items() if value is not None}
