"""The state of a training run on disk: one safetensors file, renamed into place, from which a killed run resumes."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sklar import __version__
from sklar.data import Rows
from sklar.models import FusionModel
from sklar.training.files import renamed
from sklar.training.schedule import Hardware, Schedule, resolve

STATE = "state.safetensors"
HEADER = "state"


@dataclass
class Progress:
    """Where a run is. Everything random is a function of the seed and the step, hence is not kept.

    Attributes:
        step: optimiser steps done.
        best: lowest validation loss so far.
        waited: validations since then.
        history: one record a validation.
        sums: training terms summed since the last validation.
        seconds: of training so far.
        finished: the run has ended; weights are in the model's own file.
    """

    step: int = 0
    best: float = float("inf")
    waited: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    sums: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    finished: bool = False


def fingerprint(
    model: FusionModel, rows: Rows, validation: Rows, schedule: Schedule, seed: int, hardware: Hardware
) -> str:
    """What a resumed run must have in common with the one that was killed."""
    digest = hashlib.sha256()
    fixed = {key: value for key, value in asdict(schedule).items() if key != "save_every"}
    run = [__version__, model.name, model.settings, fixed, seed, hardware.devices, *resolve(hardware)]
    digest.update(json.dumps(run, sort_keys=True, default=str).encode())
    for part in (rows, validation):
        digest.update(part.observed.cpu().numpy().tobytes())
        if part.target is not None:
            digest.update(part.target.cpu().numpy().tobytes())
    return digest.hexdigest()


def save_state(
    folder: Path,
    print_: str,
    progress: Progress,
    model: FusionModel | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    best: dict[str, Tensor] | None = None,
    average: dict[str, Tensor] | None = None,
) -> None:
    """Write progress, weights, the optimiser's moments, the best weights and the average as one file, atomically."""
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {}
    if model is not None:
        tensors |= {f"weights/{name}": value for name, value in model.state_dict().items()}
    if optimizer is not None:
        for number, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{number}/{name}": torch.as_tensor(value) for name, value in moments.items()}
    tensors |= {f"best/{name}": value for name, value in (best or {}).items()}
    tensors |= {f"average/{name}": value for name, value in (average or {}).items()}
    header = json.dumps({"fingerprint": print_, "progress": asdict(progress)})
    plain = {name: x.detach().cpu().contiguous() for name, x in tensors.items()}
    with renamed(folder / STATE) as part:
        save_file(plain, part, metadata={HEADER: header})


def read_progress(folder: Path, print_: str) -> Progress | None:
    """The progress of a run in this folder; None where none was saved.

    Raises:
        ValueError: the folder holds a damaged state, or that of another run.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / STATE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads(file.metadata()[HEADER])
        progress = Progress(**header["progress"])
    except (SafetensorError, OSError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is damaged ({error}); delete it to train from the start") from error
    if header["fingerprint"] != print_:
        raise ValueError(
            f"{folder} holds a run of another model, data, schedule, seed or version; give another folder, or delete "
            "this one to train anew"
        )
    return progress


def load_state(
    folder: Path, model: FusionModel, optimizer: torch.optim.Optimizer
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Weights and moments into model and optimiser; returns the best weights and the average."""
    groups = _groups(folder)
    model.load_state_dict(groups["weights"])
    moments: dict[int, dict[str, Any]] = {}
    for name, value in groups["optimizer"].items():
        number, _, moment = name.partition("/")
        moments.setdefault(int(number), {})[moment] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
    return groups["best"], groups["average"]


def load_result(folder: Path) -> tuple[Progress, dict[str, Tensor]]:
    """The progress and the best weights of a training that has ended."""
    from safetensors import safe_open

    with safe_open(folder / STATE, framework="pt") as file:
        header = json.loads(file.metadata()[HEADER])
    return Progress(**header["progress"]), _groups(folder)["best"]


def _groups(folder: Path) -> dict[str, dict[str, Tensor]]:
    from safetensors.torch import load_file

    groups: dict[str, dict[str, Tensor]] = {"weights": {}, "optimizer": {}, "best": {}, "average": {}}
    for name, value in load_file(folder / STATE).items():
        group, _, rest = name.partition("/")
        groups[group][rest] = value
    return groups
