"""What a cached result depends on besides its settings: the code that made it."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import torch

import sklar


@cache
def code_version() -> str:
    """Hash of every source file of the package and of torch's version, 16 hexadecimal digits."""
    root = Path(sklar.__file__).parent
    digest = hashlib.sha256(torch.__version__.encode())
    for path in sorted(root.rglob("*.py")):
        digest.update(f"\n{path.relative_to(root).as_posix()}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
