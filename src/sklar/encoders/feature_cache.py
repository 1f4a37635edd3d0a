"""Features of a frozen network, computed once for everything it has seen."""

from __future__ import annotations

import os
from collections import OrderedDict
from pathlib import Path

import numpy as np

MIB = 2**20


class FeatureCache:
    """Vectors by key, the latest used in memory and, with a folder, all of them in files.

    Args:
        memory: MiB to hold; the least recently used are dropped.
        folder: of ``.npy`` files, one a vector; None for none. Several processes may share it.
        width: of the vectors; a file of another is not used.
    """

    def __init__(self, memory: int, folder: str | None, width: int) -> None:
        self.memory, self.width = memory, width
        self.folder = None if folder is None else Path(folder)
        self.held: OrderedDict[str, np.ndarray] = OrderedDict()
        self.bytes = 0

    def get(self, key: str) -> np.ndarray | None:
        """The vector of a hexadecimal key, None where it is not known or its file is damaged."""
        if key in self.held:
            self.held.move_to_end(key)
            return self.held[key]
        if self.folder is None:
            return None
        try:
            found = np.load(self._file(key), allow_pickle=False)
        except (OSError, ValueError, EOFError):
            return None
        if found.shape != (self.width,) or found.dtype != np.float32 or not np.isfinite(found).all():
            return None
        self._hold(key, found)
        return found

    def put(self, key: str, vector: np.ndarray) -> None:
        """Keep a float32 vector."""
        self._hold(key, vector)
        if self.folder is None:
            return
        file = self._file(key)
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f"{file.name}.{os.getpid()}.part")
        with part.open("wb") as stream:
            np.save(stream, vector, allow_pickle=False)
        os.replace(part, file)

    def _hold(self, key: str, vector: np.ndarray) -> None:
        if key not in self.held:
            self.bytes += vector.nbytes
        self.held[key] = vector
        while self.bytes > self.memory * MIB:
            self.bytes -= self.held.popitem(last=False)[1].nbytes

    def _file(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / key[:2] / f"{key}.npy"
