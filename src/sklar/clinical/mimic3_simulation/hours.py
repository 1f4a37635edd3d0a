"""Complete hourly values of a block's stays: the truth of which the raw files show a part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklar.clinical.mimic3_simulation import story
from sklar.clinical.mimic3_simulation.plan import stream
from sklar.clinical.mimic3_simulation.roster import HOUR, Roster

COMA = tuple(story.COMA_CUTS)
TOTAL = "Glascow coma scale total"
ROOM_AIR = 21
LATENT = ("consciousness", "perfusion")  # seen through the coma scale and capillary refill only
MEASURED = tuple(name for name in story.VARIABLES if name not in LATENT)
# Columns of truth/hours.parquet with their units; the first 17 are the benchmark's variables.
UNITS = {
    "Capillary refill rate": "1 = slow",
    "Diastolic blood pressure": "mmHg",
    "Fraction inspired oxygen": "%",
    **dict.fromkeys((*COMA, TOTAL), "points"),
    "Glucose": "mg/dL",
    "Heart Rate": "bpm",
    "Height": "cm",
    "Mean blood pressure": "mmHg",
    "Oxygen saturation": "%",
    "Respiratory rate": "breaths/min",
    "Systolic blood pressure": "mmHg",
    "Temperature": "C",
    "Weight": "kg",
    "pH": "1",
}
UNITS |= {name: story.VARIABLES[name].unit for name in MEASURED if name not in UNITS}


@dataclass(frozen=True)
class Hours:
    """One row an hour of a stay, R in all; the values of hour t hold for INTIME + t hours to INTIME + t + 1 hours.

    Attributes:
        stay: ``(R,)`` place of the stay.
        hour: ``(R,)`` whole hours since INTIME, 0 to floor(length).
        state: ``(R,)`` ``q(t)`` of the story.
        values: ``(R,)`` each, the names of `UNITS`.
    """

    stay: np.ndarray
    hour: np.ndarray
    state: np.ndarray
    values: dict[str, np.ndarray]


def make_hours(roster: Roster) -> Hours:
    """Draw the values of every variable in every hour."""
    random = stream(roster.seed, "course", roster.block)
    count = (roster.left - roster.entered) // HOUR + 1
    number = len(count)
    stay = np.repeat(np.arange(number), count)
    hour = np.arange(len(stay)) - np.repeat(np.cumsum(count) - count, count)
    state = story.state(roster.severity[stay], roster.course[stay], hour.astype(np.float64))
    noise = random.standard_normal((int(count.max()), number, len(story.VARIABLES)))
    keep = np.exp(-1 / story.MEMORY_HOURS)
    for time in range(1, len(noise)):
        noise[time] = keep * noise[time - 1] + np.sqrt(1 - keep**2) * noise[time]
    offset = random.standard_normal((number, len(story.VARIABLES)))
    raw: dict[str, np.ndarray] = {}
    for place, (name, variable) in enumerate(story.VARIABLES.items()):
        level = variable.mean + variable.severity * state + story.group_shift(variable.group, roster.group[stay])
        level += variable.offset * offset[stay, place] + variable.noise * noise[hour, stay, place]
        value = np.exp(level) if variable.log else level
        raw[name] = np.round(np.clip(value, variable.low, variable.high), variable.decimals)
    values = {name: raw[name] for name in MEASURED}
    values |= _derived(raw, roster.ventilated[stay])
    female = roster.female[roster.stay_subject]
    height = np.round(np.where(female, 162, 176) + 7 * random.standard_normal(number))
    weight = np.clip(np.where(female, 72, 85) + 17 * random.standard_normal(number), 35, 220)
    grown = roster.age >= 14
    values["Height"] = np.where(grown, height, 50)[stay]
    gained = 0.5 * (state - roster.severity[stay])  # who gets worse is given fluid
    values["Weight"] = np.round(np.where(grown, weight, 3.0)[stay] + np.where(grown[stay], gained, 0), 1)
    return Hours(stay, hour, state, {name: values[name] for name in UNITS})


def _derived(raw: dict[str, np.ndarray], ventilated: np.ndarray) -> dict[str, np.ndarray]:
    """What follows from other variables: mean pressure, coma scale, capillary refill; room air without ventilation."""
    low = raw["Diastolic blood pressure"]
    high = np.maximum(raw["Systolic blood pressure"], low + 10)
    coma = {name: 1.0 + sum(raw["consciousness"] > cut for cut in cuts) for name, cuts in story.COMA_CUTS.items()}
    verbal = "Glascow coma scale verbal response"
    coma[verbal] = np.where(ventilated, 1.0, coma[verbal])  # a tube
    oxygen = np.round(raw["Fraction inspired oxygen"] / 5) * 5
    return {
        **coma,
        TOTAL: sum(coma.values(), np.zeros(len(low))),
        "Capillary refill rate": (raw["perfusion"] > 0).astype(np.float64),
        "Fraction inspired oxygen": np.where(ventilated, oxygen, ROOM_AIR),
        "Mean blood pressure": np.round((high + 2 * low) / 3),
        "Systolic blood pressure": high,
    }
