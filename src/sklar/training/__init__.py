"""Training, and models on disk."""

from __future__ import annotations

from sklar.training.checkpoint import load_model, save_model
from sklar.training.fit import prediction_loss, train
from sklar.training.schedule import Hardware, Schedule

__all__ = ["Hardware", "Schedule", "load_model", "prediction_loss", "save_model", "train"]
