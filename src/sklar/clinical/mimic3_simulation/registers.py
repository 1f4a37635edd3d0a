"""PATIENTS, ADMISSIONS, ICUSTAYS, SERVICES, CALLOUT of a block."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sklar.clinical.mimic3_simulation.plan import stream
from sklar.clinical.mimic3_simulation.roster import DAY, HOUR, Roster
from sklar.clinical.mimic3_simulation.rows import table, times, words
from sklar.clinical.mimic3_simulation.story import DIRT

SOURCES = ("carevue", "metavision")
UNITS = ("MICU", "CCU", "CSRU", "SICU", "TSICU", "NICU")
ICU_WARDS = ((50, 52), (7, 7), (12, 15), (33, 57), (14, 14), (56, 56))
GROUP_UNITS = ((0, 3), (0, 0), (1, 2), (0, 0), (3, 4), (0, 3))  # of each diagnosis group
FLOORS = (3, 31, 45, 55)
SERVICES = ("MED", "MED", "CMED", "MED", "NMED", "MED")
REASONS = ("SEPSIS", "PNEUMONIA", "CONGESTIVE HEART FAILURE", "ACUTE RENAL FAILURE", "STROKE/TIA", "UPPER GI BLEED")
CHOICES: dict[str, tuple[str | None, ...]] = {  # the first is the likeliest
    "ADMISSION_LOCATION": ("EMERGENCY ROOM ADMIT", "TRANSFER FROM HOSP/EXTRAM", "PHYS REFERRAL/NORMAL DELI"),
    "DISCHARGE_LOCATION": ("HOME", "SNF", "HOME HEALTH CARE", "REHAB/DISTINCT PART HOSP"),
    "INSURANCE": ("Medicare", "Private", "Medicaid", "Government"),
    "LANGUAGE": ("ENGL", None, "SPAN", "RUSS"),
    "RELIGION": ("CATHOLIC", "NOT SPECIFIED", "PROTESTANT QUAKER", "JEWISH", "OTHER"),
    "MARITAL_STATUS": ("MARRIED", "SINGLE", "WIDOWED", "DIVORCED", None),
    "ETHNICITY": ("WHITE", "BLACK/AFRICAN AMERICAN", "UNKNOWN/NOT SPECIFIED", "HISPANIC OR LATINO", "ASIAN",
                  "HISPANIC/LATINO - PUERTO RICAN", "OTHER"),
}  # fmt: skip


@dataclass(frozen=True)
class Places:
    """Where stays are, ``(N,)`` each: first and last care unit (index of `UNITS`), wards, the floor afterwards."""

    first: np.ndarray
    last: np.ndarray
    first_ward: np.ndarray
    last_ward: np.ndarray
    floor: np.ndarray


def make_places(roster: Roster) -> Places:
    """Draw the care units of each stay, by its diagnosis; some change."""
    random = stream(roster.seed, "registers", roster.block)
    size = len(roster.entered)
    first = np.array(GROUP_UNITS)[roster.group, random.integers(0, 2, size)]
    first = np.where(roster.newborn[roster.stay_subject], UNITS.index("NICU"), first)
    moved = random.random(size) < DIRT["stays that change their care unit"]
    last = np.where(moved, (first + random.integers(1, 5, size)) % 5, first)
    last = np.where(moved & (first == UNITS.index("NICU")), 0, last)
    ward = random.integers(0, 2, size)
    wards = np.array(ICU_WARDS)
    return Places(first, last, wards[first, ward], wards[last, ward], random.choice(FLOORS, size))


def patients(roster: Roster) -> pa.Table:
    """PATIENTS: dates of death at midnight, DOD_HOSP where it was in hospital."""
    random = stream(roster.seed, "registers", roster.block)
    dead = roster.death_date >= 0
    known = random.random(len(dead)) < 0.7
    cells = {
        "SUBJECT_ID": roster.subject_id,
        "GENDER": words(("M", "F"), roster.female.astype(int)),
        "DOB": times(roster.birth),
        "DOD": times(roster.death_date, ~dead),
        "DOD_HOSP": times(roster.death_date, ~roster.died_in_hospital),
        "DOD_SSN": times(roster.death_date, ~dead | (roster.died_in_hospital & ~known)),
        "EXPIRE_FLAG": dead.astype(np.int64),
    }
    return table("PATIENTS", cells, len(dead))


def admissions(roster: Roster) -> pa.Table:
    """ADMISSIONS; what is not told by the story is chosen at random, once a patient."""
    random = stream(roster.seed, "registers", roster.block)
    size, subjects = len(roster.hadm_id), len(roster.subject_id)
    newborn = roster.newborn[roster.subject]
    elective = (random.random(size) < 0.12) & ~newborn
    luck = random.random((len(CHOICES), subjects)) ** 2
    chosen = {
        name: words(options, np.floor(luck[place, roster.subject] * len(options)).astype(int))
        for place, (name, options) in enumerate(CHOICES.items())
    }
    died = roster.died
    home = chosen["DISCHARGE_LOCATION"].to_numpy(zero_copy_only=False)
    emergency = ~elective & ~newborn
    cells = chosen | {
        "SUBJECT_ID": roster.subject_id[roster.subject],
        "HADM_ID": roster.hadm_id,
        "ADMITTIME": times(roster.admitted),
        "DISCHTIME": times(roster.discharged),
        "DEATHTIME": times(roster.discharged, ~died),
        "ADMISSION_TYPE": words(("EMERGENCY", "ELECTIVE", "NEWBORN"), np.where(newborn, 2, elective.astype(int))),
        "DISCHARGE_LOCATION": pa.array(np.where(died, "DEAD/EXPIRED", home), pa.string()),
        "EDREGTIME": times(roster.admitted - 60 * random.integers(60, 480, size), ~emergency),
        "EDOUTTIME": times(roster.admitted + 60 * random.integers(5, 60, size), ~emergency),
        "DIAGNOSIS": words((*REASONS, "NEWBORN"), np.where(newborn, len(REASONS), roster.group[roster.last_stay])),
        "HOSPITAL_EXPIRE_FLAG": died.astype(np.int64),
        "HAS_CHARTEVENTS_DATA": np.ones(size, dtype=np.int64),
    }
    return table("ADMISSIONS", cells, size)


def icu_stays(roster: Roster) -> pa.Table:
    """ICUSTAYS; LOS in days, four decimals."""
    places = make_places(roster)
    cells = {
        "SUBJECT_ID": roster.subject_id[roster.stay_subject],
        "HADM_ID": roster.hadm_id[roster.admission],
        "ICUSTAY_ID": roster.icustay_id,
        "DBSOURCE": words(SOURCES, roster.metavision.astype(int)),
        "FIRST_CAREUNIT": words(UNITS, places.first),
        "LAST_CAREUNIT": words(UNITS, places.last),
        "FIRST_WARDID": places.first_ward,
        "LAST_WARDID": places.last_ward,
        "INTIME": times(roster.entered),
        "OUTTIME": times(roster.left),
        "LOS": np.round((roster.left - roster.entered) / DAY, 4),
    }
    return table("ICUSTAYS", cells, len(roster.entered))


def services(roster: Roster) -> pa.Table:
    """SERVICES: one an admission."""
    newborn = roster.newborn[roster.subject]
    cells = {
        "SUBJECT_ID": roster.subject_id[roster.subject],
        "HADM_ID": roster.hadm_id,
        "TRANSFERTIME": times(roster.admitted),
        "CURR_SERVICE": words((*SERVICES, "NB"), np.where(newborn, len(SERVICES), roster.group[roster.last_stay])),
    }
    return table("SERVICES", cells, len(roster.hadm_id))


def callouts(roster: Roster) -> pa.Table:
    """CALLOUT: a bed on the floor is asked for before MetaVision's stays end alive."""
    places = make_places(roster)
    stay = np.flatnonzero(roster.metavision & ~(roster.died[roster.admission] & roster.last))
    size = len(stay)
    asked = np.maximum(roster.left[stay] - 6 * HOUR, roster.entered[stay])
    unit = words(UNITS, places.last[stay])
    ones, zeros = np.ones(size, dtype=np.int64), np.zeros(size, dtype=np.int64)
    cells = {
        "SUBJECT_ID": roster.subject_id[roster.stay_subject[stay]],
        "HADM_ID": roster.hadm_id[roster.admission[stay]],
        "SUBMIT_WARDID": places.last_ward[stay],
        "CURR_WARDID": places.floor[stay],
        "CURR_CAREUNIT": unit,
        "CALLOUT_WARDID": ones,
        "CALLOUT_SERVICE": words(SERVICES, roster.group[stay]),
        **dict.fromkeys(("REQUEST_RESP", "REQUEST_CDIFF", "REQUEST_MRSA", "REQUEST_VRE"), zeros),
        "REQUEST_TELE": (roster.group[stay] == 2).astype(np.int64),
        "CALLOUT_STATUS": words(("Inactive",), zeros),
        "CALLOUT_OUTCOME": words(("Discharged",), zeros),
        "DISCHARGE_WARDID": places.floor[stay],
        "ACKNOWLEDGE_STATUS": words(("Acknowledged",), zeros),
        "CREATETIME": times(asked),
        "UPDATETIME": times(asked),
        "ACKNOWLEDGETIME": times(asked + 600),
        "OUTCOMETIME": times(roster.left[stay]),
    }
    return table("CALLOUT", cells, size)
