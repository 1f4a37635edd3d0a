"""The folder where a preparation is built: resumed after a crash, renamed to its place when it is whole."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

COHORT = "cohort.json"
FORMAT = "sklar mimic3 cohort 1"


class Work:
    """A preparation that is being built.

    Attributes:
        folder: beside the output.
        inner: intermediate files, gone at the end.
        result: what becomes the output.
        stages: its Parquet files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.inner, self.result = folder, folder / "inner", folder / "result"
        self.stages = self.result / "stages"

    def make(self) -> None:
        """Make the folders and drop what an interrupted write left behind."""
        for place in (self.inner, self.stages, self.folder / "spill"):
            place.mkdir(parents=True, exist_ok=True)
        for pattern in ("inner/*.part", "result/*.part", "result/stages/*.part", "result/.*.part", "result/.*.old"):
            for left in self.folder.glob(pattern):
                shutil.rmtree(left) if left.is_dir() else left.unlink()


def write_whole(file: Path, write: Callable[[Path], Any]) -> Any:
    """Let ``write`` fill a file beside ``file``, then rename it: there is a whole file or none."""
    part = file.with_name(file.name + ".part")
    result = write(part)
    os.replace(part, file)
    return result


def read_json(file: Path) -> Any:
    """A JSON file's content."""
    return json.loads(file.read_text(encoding="utf-8"))


def write_json(file: Path, content: Any) -> None:
    """Write a JSON file, whole or not at all."""
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(file, lambda part: part.write_text(text, encoding="utf-8"))


def code_print() -> str:
    """SHA-256 of this package's code, queries and facts, hexadecimal."""
    code = hashlib.sha256()
    package = files("sklar.clinical.mimic3")
    for folder in (package, package.joinpath("sql"), package.joinpath("facts")):
        for entry in sorted(folder.iterdir(), key=lambda item: item.name):
            if entry.is_file():
                code.update(entry.name.encode() + entry.read_bytes())
    return code.hexdigest()


def print_of(settings: Mapping[str, Any], inputs: Mapping[str, Path]) -> dict[str, Any]:
    """What an interrupted preparation must share with this one to be continued."""
    status = {name: (file.name, file.stat().st_size, file.stat().st_mtime_ns) for name, file in inputs.items()}
    return {"settings": dict(settings), "code": code_print(), "inputs": {k: list(v) for k, v in status.items()}}


def refuse_to_replace(out: Path) -> None:
    """Only a prepared folder, or an empty one, may be overwritten.

    Raises:
        FileExistsError: the folder is there and is something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    try:
        known = read_json(out / COHORT)["format"] == FORMAT
    except (OSError, ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise FileExistsError(f"{out} exists and was not made by sklar prepare mimic3; choose another place")


@contextmanager
def open_work(out: Path, wanted: Mapping[str, Any]) -> Iterator[Work]:
    """The folder of a preparation of ``out``: continued where ``wanted`` is the same as before, else begun anew.

    Args:
        out: what it will become.
        wanted: of `print_of`.

    Raises:
        FileExistsError: `refuse_to_replace`. BlockingIOError: another process prepares the same output.
    """
    refuse_to_replace(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    _recover(out)
    work = Work(out.with_name(f".{out.name}.work"))
    work.folder.mkdir(exist_ok=True)
    with (work.folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BlockingIOError(f"another process is preparing {out}; wait for it, or choose another place") from None
        known = work.folder / "print.json"
        try:
            same = read_json(known) == json.loads(json.dumps(wanted))
        except (OSError, ValueError):
            same = False
        if not same:
            known.unlink(missing_ok=True)
            for place in (work.inner, work.result, work.folder / "spill"):
                shutil.rmtree(place, ignore_errors=True)
            write_json(known, wanted)
        work.make()
        yield work


def _old(out: Path) -> Path:
    return out.with_name(f".{out.name}.old")


def _recover(out: Path) -> None:
    """After a crash between the two renames of `publish` the old output gets its name back."""
    if _old(out).exists():
        if out.exists():
            shutil.rmtree(_old(out))
        else:
            os.replace(_old(out), out)


def publish(work: Work, out: Path) -> None:
    """Give the result its name; at any moment there is the old output, the new one, or none."""
    if out.exists():
        os.replace(out, _old(out))
    os.replace(work.result, out)
    shutil.rmtree(_old(out), ignore_errors=True)
    shutil.rmtree(work.folder, ignore_errors=True)
