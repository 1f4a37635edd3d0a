"""Raw files like MIMIC-III's from a known story: `story` has its formulas, `simulate` writes them."""

from __future__ import annotations

from sklar.clinical.mimic3_simulation.simulate import simulate_mimic3

__all__ = ["simulate_mimic3"]
