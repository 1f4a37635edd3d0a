"""Models on disk: weights in safetensors, settings in JSON; nothing is unpickled."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from sklar.models import MODELS, FusionModel, make_model
from sklar.training.files import renamed

SETTINGS, WEIGHTS = "model.json", "model.safetensors"


def save_model(model: FusionModel, folder: str | Path) -> Path:
    """Write a model into a folder; each file under a temporary name, then renamed.

    Raises:
        KeyError: a model that is not in the registry, which could not be read back.
    """
    from safetensors.torch import save_file

    if model.name not in MODELS:
        raise KeyError(f"{type(model).__name__} has name {model.name!r}, which is not among the models {list(MODELS)}")
    folder = Path(folder)
    with renamed(folder / SETTINGS) as settings, renamed(folder / WEIGHTS) as weights:  # renamed last to first
        save_file({key: value.contiguous() for key, value in model.state_dict().items()}, weights)
        settings.write_text(json.dumps({"model": model.name, "settings": model.settings}, indent=1))
    return folder


def load_model(folder: str | Path) -> FusionModel:
    """Read a model back, ready to predict.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a damaged file, or weights that do not belong to the settings; the file is named.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    folder = Path(folder)
    for name in (SETTINGS, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{folder / name} is missing: this is not a complete checkpoint; save it again")
    try:
        description = json.loads((folder / SETTINGS).read_text())
        name, settings = description["model"], description["settings"]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / SETTINGS} is damaged ({error}); save the model again") from error
    if not isinstance(name, str) or name not in MODELS:
        raise ValueError(f"{folder / SETTINGS} names an unknown model {name!r}; known are {list(MODELS)}")
    try:
        state = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{folder / WEIGHTS} is damaged ({error}); save the model again") from error
    bad = [key for key, value in state.items() if not bool(torch.isfinite(value).all())]
    if bad:
        raise ValueError(f"{folder / WEIGHTS} holds NaN or infinity in {bad[0]!r}; save the model again")
    try:
        model = make_model(name, **settings)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise ValueError(f"{folder / SETTINGS} holds settings that make no model ({error}); save it again") from error
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"{folder / WEIGHTS} does not belong to {folder / SETTINGS}: {error}") from error
    return model.eval()
