"""SHA-256 sums of the files of a dataset folder, and which of them are not those that ``dataset.json`` declares."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from sklar.data.description import SAMPLES, Description
from sklar.data.problem import Problem

CHANGED = "restore the file; if the change is meant, take its entry out of dataset.json's files"


def sha256_of(file: Path) -> str:
    """Hexadecimal; the file is read in chunks."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def folder_sums(folder: Path, description: Description) -> dict[str, str]:
    """The sums of ``samples.parquet`` and of each modality's file, declared or not, by the files' names.

    What else lies in the folder does not count.
    """
    files = [SAMPLES, *(modality.file for modality in description.modalities.values())]
    return {file: sha256_of(folder / file) for file in files}


def altered(description: Description, sums: Mapping[str, str]) -> list[Problem]:
    """Errors, one for each file whose sum is not the declared one."""
    return [
        Problem(file, "has changed since it was written (sha256)", CHANGED)
        for file, stored in description.files.items()
        if file in sums and sums[file] != stored.sha256
    ]
