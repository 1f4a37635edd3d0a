"""A fitted estimator on disk: JSON and safetensors, in a folder that is renamed into place."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from sklar.estimators.spread import Spread
from sklar.training import Hardware, load_model, save_model
from sklar.training.checkpoint import SETTINGS, WEIGHTS

DESCRIPTION = "estimator.json"
FILES = {DESCRIPTION, SETTINGS, WEIGHTS}
FITTED = (
    "validation_loss_",
    "y_mean_",
    "y_scale_",
    "spread_",
    "n_features_in_",
)  # numbers, or several, where there are any


def write_estimator(estimator: Any, folder: str | Path) -> Path:
    """See `CopulaFusion.save`."""
    folder = Path(os.path.abspath(folder))
    if folder.exists() and (not folder.is_dir() or {path.name for path in folder.iterdir()} - FILES):
        raise FileExistsError(f"{folder} exists and holds something else than an estimator; choose another place")
    settings = estimator.get_params(deep=False)
    if not isinstance(settings["random_state"], int | np.integer | None):
        raise TypeError("an estimator is saved with an integer random_state or None; set_params(random_state=0)")
    if isinstance(settings["hardware"], Hardware):
        settings["hardware"] = asdict(settings["hardware"])
    classes, names = getattr(estimator, "classes_", None), getattr(estimator, "feature_names_in_", None)
    description = {
        "format": 1, "estimator": type(estimator).__name__, "settings": settings,
        "classes": None if classes is None else {"dtype": classes.dtype.str, "names": classes.tolist()},
        "names": None if names is None else list(names),
        "fitted": {key: getattr(estimator, key) for key in FITTED if hasattr(estimator, key)},
        "views": [asdict(view) for view in estimator.views_],
    }  # fmt: skip
    text = json.dumps(description, indent=1, default=_plain)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".part", dir=folder.parent))
    try:
        save_model(estimator.model_, part / "new")
        (part / "new" / DESCRIPTION).write_text(text, encoding="utf-8")
        if folder.exists():
            os.replace(folder, part / "old")
        try:
            os.replace(part / "new", folder)
        except OSError:
            if (part / "old").exists():
                os.replace(part / "old", folder)
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def read_estimator(cls: Any, folder: str | Path) -> Any:
    """See `CopulaFusion.load`."""
    from sklar.estimators.views import View

    path = Path(folder) / DESCRIPTION
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing: this is no complete estimator; save it again")
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        if description["estimator"] != cls.__name__:
            raise ValueError(f"it is a {description['estimator']}, not a {cls.__name__}")
        settings = description["settings"]
        if settings["hardware"] is not None:
            settings["hardware"] = Hardware(**settings["hardware"])
        estimator = cls(**settings)
        for key, value in description["fitted"].items():
            if key not in FITTED:
                raise ValueError(f"unknown {key!r}")
            setattr(estimator, key, _spread(value, len(description["views"])) if key == "spread_" else value)
        if description["classes"] is not None:
            estimator.classes_ = np.array(description["classes"]["names"], description["classes"]["dtype"])
        if description["names"] is not None:
            estimator.feature_names_in_ = np.array(description["names"], dtype=object)
        estimator.views_ = [View.from_json(view) for view in description["views"]]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path} cannot be read ({error}); save the estimator again") from error
    estimator.model_ = load_model(folder)
    if estimator.model_.names != [view.name for view in estimator.views_]:
        raise ValueError(f"{path} and {SETTINGS} beside it speak of different modalities; save the estimator again")
    return estimator


def _spread(content: Any, modalities: int) -> Spread:
    scale, noise, growth = content
    if len(growth) != modalities + 1:
        raise ValueError("spread_ is of another number of modalities")
    return Spread(float(scale), float(noise), tuple(float(value) for value in growth))


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{value!r} cannot be saved")
