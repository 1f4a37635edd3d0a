"""Training, models on disk, and runs: a configuration trained into a folder."""

from __future__ import annotations

from sklar.training.apply import evaluate_run, impute_run, predict_run
from sklar.training.checkpoint import load_model, save_model
from sklar.training.config import RunConfig
from sklar.training.feed import Feed
from sklar.training.fit import train
from sklar.training.run import Run, read_run, train_run
from sklar.training.schedule import Hardware, Schedule

__all__ = [
    "Feed", "Hardware", "Run", "RunConfig", "Schedule", "evaluate_run", "impute_run", "load_model", "predict_run",
    "read_run", "save_model", "train", "train_run",
]  # fmt: skip
