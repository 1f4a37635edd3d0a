"""What a cached result depends on besides its settings: the code that made it."""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

import torch

import sklar

TRIAL = "sklar.benchmark.trial"


@cache
def code_version(module: str = TRIAL) -> str:
    """Hash of what a module is made of, and of torch's version, 16 hexadecimal digits.

    That is its own source and that of every module of the package which it imports, directly or not, at the top of a
    file or within a function: how tables are drawn does not change what a trial found.

    Args:
        module: which makes the result.
    """
    digest = hashlib.sha256(torch.__version__.encode())
    for name, path in sorted(imported(module).items()):
        digest.update(f"\n{name}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def imported(module: str) -> dict[str, Path]:
    """Source files by the modules' names: a module, those that it imports, and the packages that hold them.

    Modules that are imported by a name made at run time, as the encoders' kinds are, count as imported by the package
    that does so: all of it is taken.
    """
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = _source(name)
        if name in found or path is None:
            continue
        found[name] = path
        waiting += [".".join(name.split(".")[:k]) for k in range(1, name.count(".") + 1)]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                waiting += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "import_module":
                waiting += [f"{_name(path.parent)}.{each.stem}" for each in path.parent.glob("*.py")]
    return found


def _source(name: str) -> Path | None:
    """The file of one of the package's modules; None for anything else."""
    if name.split(".")[0] != "sklar":
        return None
    place = Path(sklar.__file__).parent.joinpath(*name.split(".")[1:])
    return next((path for path in (place / "__init__.py", place.with_suffix(".py")) if path.is_file()), None)


def _name(folder: Path) -> str:
    return ".".join(["sklar", *folder.relative_to(Path(sklar.__file__).parent).parts])
