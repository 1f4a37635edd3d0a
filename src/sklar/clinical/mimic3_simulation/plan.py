"""Who is in a simulation: numbers and identifiers of patients, admissions and stays, before anything else is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from sklar.clinical.mimic3_simulation.story import DIRT

PATIENTS = 32  # of a block: part of what a seed means, not a setting
ADMISSIONS = (0.76, 0.14, 0.06, 0.04)  # shares of patients with 1, 2, 3, 4
STAYS = (0.93, 0.06, 0.01)  # shares of admissions with 1, 2, 3
MOST_PATIENTS = 60_000
MOST_STAYS = 80_000  # MIMIC-III has 61,532; identifiers have as many digits as there
STREAMS = ("plan", "roster", "course", "chart", "labs", "output", "notes", "codes", "registers")


def stream(seed: int, name: str, block: int = 0) -> np.random.Generator:
    """The random numbers of one purpose in one block, the same whatever was drawn elsewhere.

    Args:
        seed: of the simulation.
        name: one of `STREAMS`.
        block: number of the block of patients.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAMS.index(name), block)))


@dataclass(frozen=True)
class Plan:
    """All patients P, admissions A and stays N, in order.

    Attributes:
        subject_id: int ``(P,)``.
        child: bool ``(P,)``.
        admission_subject: int ``(A,)``, place of its patient.
        hadm_id: int ``(A,)``.
        stay_admission: int ``(N,)``, place of its admission.
        icustay_id: int ``(N,)``.
        seed: of everything.
    """

    subject_id: np.ndarray
    child: np.ndarray
    admission_subject: np.ndarray
    hadm_id: np.ndarray
    stay_admission: np.ndarray
    icustay_id: np.ndarray
    seed: int

    @property
    def blocks(self) -> int:
        """How many blocks of `PATIENTS` patients there are."""
        return -(-len(self.subject_id) // PATIENTS)


def official_subjects() -> np.ndarray:
    """The 33,798 SUBJECT_IDs of the MIMIC-III benchmark's lists, ascending.

    ``mimic3/facts/official_split.parquet`` has the test and validation patients of YerevaNN/mimic3-benchmarks
    (commit ea0314c7, MIT licence, which stands beside it; Harutyunyan et al., Scientific Data 6:96, 2019).

    Raises:
        ImportError: no pyarrow.
    """
    import pyarrow.parquet as pq

    with files("sklar.clinical").joinpath("mimic3/facts/official_split.parquet").open("rb") as file:
        return np.sort(pq.read_table(file, columns=["SUBJECT_ID"])["SUBJECT_ID"].to_numpy())


def make_plan(stays: int, seed: int) -> Plan:
    """Number patients until they have so many stays; the last one may lose some.

    Adults have SUBJECT_IDs of the official lists as long as there are any, children others.

    Raises:
        ValueError: ``stays`` is below 1 or above `MOST_STAYS`, or the seed is negative.
    """
    if not 1 <= stays <= MOST_STAYS:
        raise ValueError(f"stays={stays}: give a number from 1 to {MOST_STAYS}")
    if seed < 0:
        raise ValueError(f"seed={seed}: give a number of at least 0")
    random = stream(seed, "plan")
    official = official_subjects()
    others = random.permutation(np.setdiff1d(np.arange(2, 100_000), official))[:MOST_PATIENTS]
    official = random.permutation(official)
    chosen = random.random(MOST_PATIENTS)
    child = chosen < DIRT["patients who are children (half of them newborn), who stand in no official list"]
    admissions = np.where(child, 1, 1 + random.choice(len(ADMISSIONS), MOST_PATIENTS, p=ADMISSIONS))
    subject_of = np.repeat(np.arange(MOST_PATIENTS), admissions)
    stays_of = 1 + random.choice(len(STAYS), len(subject_of), p=STAYS)
    stay_admission = np.repeat(np.arange(len(subject_of)), stays_of)[:stays]
    subject_of = subject_of[: stay_admission[-1] + 1]
    number = subject_of[-1] + 1
    listed = np.cumsum(~child[:number]) - 1
    adult = ~child[:number] & (listed < len(official))
    return Plan(
        subject_id=np.where(adult, official[np.where(adult, listed, 0)], others[:number]),
        child=child[:number],
        admission_subject=subject_of,
        hadm_id=100_000 + random.permutation(100_000)[: len(subject_of)],
        stay_admission=stay_admission,
        icustay_id=200_000 + random.permutation(100_000)[:stays],
        seed=seed,
    )
