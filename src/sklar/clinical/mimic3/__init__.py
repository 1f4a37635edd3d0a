"""MIMIC-III: cohorts, lists, series, tensors and notes, as the MIMIC-III benchmark makes them or mended."""

from __future__ import annotations

from sklar.clinical.mimic3.prepare import prepare_mimic3
from sklar.clinical.mimic3.verify import verify_mimic3

__all__ = ["prepare_mimic3", "verify_mimic3"]
