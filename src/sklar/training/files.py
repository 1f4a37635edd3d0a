"""Files that are there whole or not at all: written under a temporary name, then renamed."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sklar.data.description import DESCRIPTION, SAMPLES


@contextmanager
def renamed(path: Path) -> Iterator[Path]:
    """A temporary name to write to, renamed to ``path`` when the block ends well and removed when it does not.

    Raises:
        IsADirectoryError: ``path`` is a folder; raised before the block begins.
    """
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        part.touch()  # a folder that nobody may write to is known before the work
        yield part
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def refuse_inside_dataset(path: Path) -> None:
    """A dataset folder holds nothing else, and none of its files is overwritten.

    Args:
        path: of a file or folder that is to be written; whether it exists does not matter.

    Raises:
        ValueError: it is a dataset folder or lies in one, also by a symbolic link.
    """
    place = path.resolve()
    for folder in (place, *place.parents):
        if (folder / DESCRIPTION).is_file() and (folder / SAMPLES).is_file():
            raise ValueError(
                f"{path} lies in the dataset folder {folder}, which holds nothing else; choose another place"
            )


def write_text(path: Path, text: str) -> None:
    """A text file in UTF-8."""
    with renamed(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """A JSON file; a number that is not finite, which JSON lacks, is null."""
    write_text(path, json.dumps(_finite(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _finite(content: Any) -> Any:
    if isinstance(content, Mapping):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
