"""Whose data a folder of raw tables holds: MIMIC-III's patients', or nobody's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sklar.clinical.mimic3.work import read_json

SIMULATION = "simulation.json"  # beside the tables that `sklar simulate mimic3` writes
TASKS = "Tasks: Harutyunyan H, et al. Scientific Data 6:96, 2019. doi:10.1038/s41597-019-0103-9."
MIMIC = (
    "MIMIC-III Clinical Database. Johnson AEW, Pollard TJ, Shen L, et al. MIMIC-III, a freely accessible critical care "
    "database. Scientific Data 3:160035, 2016. doi:10.1038/sdata.2016.35. Goldberger AL, et al. PhysioBank, "
    "PhysioToolkit, and PhysioNet. Circulation 101(23):e215-e220, 2000."
)


@dataclass(frozen=True)
class Provenance:
    """Where data come from, for their description.

    Attributes:
        source: whom to cite.
        licence: under which terms.
    """

    source: str
    licence: str


def provenance_of(raw: Path) -> Provenance:
    """MIMIC-III's, unless the tables lie beside a simulation's manifest.

    Args:
        raw: the folder with the tables.
    """
    try:
        settings = read_json(raw / SIMULATION)
        made = f"--stays {int(settings['stays'])} --seed {int(settings['seed'])}"
    except (OSError, ValueError, KeyError, TypeError):
        licence = "that of the raw files: PhysioNet Credentialed Health Data License 1.5.0 (the demo: ODbL 1.0)"
        return Provenance(f"{MIMIC} {TASKS}", licence)
    source = f"Simulated in MIMIC-III's tables by sklar simulate mimic3 {made}: invented patients. {TASKS}"
    return Provenance(source, "none needed: nobody's data")
