"""Batches with masks, data sets, and mechanisms that remove modalities."""

from __future__ import annotations

from sklar.data.batch import Batch, Rows, Texts
from sklar.data.missingness import completely_at_random
from sklar.data.scaling import Scaling

__all__ = ["Batch", "Rows", "Scaling", "Texts", "completely_at_random"]
