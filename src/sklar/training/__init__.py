"""Training, and models on disk."""

from __future__ import annotations

from sklar.training.checkpoint import load_model, save_model
from sklar.training.fit import Schedule, train

__all__ = ["Schedule", "load_model", "save_model", "train"]
