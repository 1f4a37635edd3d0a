"""The story that simulated MIMIC-III files tell: who is how ill, and what that moves. Formulas and their parameters.

Everything below is invented; no number is estimated from patients. ``sigma`` is the logistic function, ``N`` a standard
normal draw, fresh at each mention. One patient, with frailty ``f = N``, has one to four admissions of one to three
stays in intensive care.

A stay has four latents:

- ``g``, the diagnosis group, one an admission: shares `GROUP_SHARE`;
- ``s = FRAILTY f + sqrt(1 - FRAILTY^2) N``, the severity;
- ``c = N``, the course: positive gets worse, negative recovers;
- ``v``, ventilated or not: ``P(v) = sigma(VENTILATED + VENTILATED_GROUP[g] + VENTILATED_SEVERITY s)``.

Its **state** at t hours since INTIME is ``q(t) = s + c (1 - exp(-t / TREND_HOURS))``.

- **Series** (`VARIABLES`), t = 0, 1, ..., floor(hours of the stay):
  ``x(t) = mean + severity q(t) + group[g] + offset N_stay + noise e(t)``, ``e`` a stationary normal process of first
  order with ``corr(e(t), e(t+1)) = exp(-1 / MEMORY_HOURS)``, independent between variables; ``exp`` of that where
  `Variable.log`; then held within its limits and rounded. The Glasgow coma scale cuts the latent ``consciousness`` at
  `COMA_CUTS`; capillary refill is slow where ``perfusion`` exceeds 0; oxygen is room air without ventilation.
- **Length** in hours: ``log L = log LENGTH_MEDIAN + LENGTH_GROUP[g] + LENGTH_SEVERITY s + LENGTH_SPREAD N``, within
  `LENGTH_LIMITS`.
- **Death in hospital**, decided by the last stay of the last admission (earlier ones end alive):
  ``P = sigma(DEATH + DEATH_GROUP[g] + DEATH_SEVERITY s + DEATH_COURSE c + DEATH_AGE (age - 65))``.
- **Next admission**: days until it ``= exp(log RETURN_MEDIAN + RETURN_SEVERITY s + RETURN_SPREAD N)``, s of the last
  stay before.
- **Diagnoses**: one principal code of the group, and each further code k (`codes.py`) with
  ``P = sigma(a_k + b_k s + [g is its group] d_k)``, s of the admission's last stay.
- **Notes** (`notes.py`): in an hour, one is written with ``P = min(NOTE_RATE exp(NOTE_SEVERITY q(t)), 1)``. Each of its
  sentences is neutral, about the diagnosis, or about the state (shares `SENTENCES`). A sentence about the diagnosis
  speaks of ``g`` except, with `WRONG_GROUP`, of any group. One about the state is grave, not reassuring, with
  ``P = sigma(GRAVE q(t) + GRAVE_STYLE N_stay)``.
- **Recording** depends on the state, too: blood is drawn in an hour with
  ``P = min(DRAW_RATE exp(DRAW_SEVERITY q(t)), 1)``
  (0.95 in the first), an arterial line has ``P = sigma(LINE + LINE_SEVERITY s)``.

Children are charted like adults but for height, weight and the newborn's diagnosis; cohorts leave them out.

So series, words, codes and outcomes are independent given the latents and the age, and dependent through them.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

GROUPS = ("sepsis", "respiratory", "cardiac", "renal", "neurological", "gastrointestinal")
GROUP_SHARE = (0.20, 0.20, 0.25, 0.10, 0.13, 0.12)
FRAILTY = 0.6
TREND_HOURS = 24.0
MEMORY_HOURS = 12.0
VENTILATED, VENTILATED_SEVERITY = -0.7, 0.9
VENTILATED_GROUP = (0.2, 0.8, 0.0, -0.8, 0.3, -0.6)
LENGTH_MEDIAN, LENGTH_SEVERITY, LENGTH_SPREAD, LENGTH_LIMITS = 54.0, 0.2, 0.9, (4.0, 45 * 24.0)
LENGTH_GROUP = (0.2, 0.2, -0.1, -0.1, 0.1, -0.2)
DEATH, DEATH_SEVERITY, DEATH_COURSE, DEATH_AGE = -2.2, 1.1, 0.8, 0.03
DEATH_GROUP = (0.5, 0.2, -0.3, 0.0, 0.3, -0.2)
RETURN_MEDIAN, RETURN_SEVERITY, RETURN_SPREAD = 50.0, -0.4, 1.2
NOTE_RATE, NOTE_SEVERITY = 0.17, 0.1
SENTENCES = {"neutral": 0.4, "diagnosis": 0.25, "state": 0.35}
WRONG_GROUP = 0.25
GRAVE, GRAVE_STYLE = 1.0, 0.8
DRAW_RATE, DRAW_SEVERITY = 0.10, 0.2
LINE, LINE_SEVERITY = -0.8, 0.9


@dataclass(frozen=True)
class Variable:
    """One hourly variable.

    Attributes:
        unit: of the values kept as truth.
        mean: where severity and course are 0; of the logarithm where ``log``.
        severity: change with one unit of the state.
        offset: standard deviation between stays, beyond the latents.
        noise: standard deviation within a stay.
        decimals: of its rounding.
        low: least value.
        high: largest value.
        group: shift of a diagnosis group, 0 where none is given.
        log: whether all this is of the logarithm (limits are of the value itself).
    """

    unit: str
    mean: float
    severity: float
    offset: float
    noise: float
    decimals: int
    low: float
    high: float
    group: dict[str, float] = field(default_factory=dict)
    log: bool = False


VARIABLES = {
    "Heart Rate": Variable("bpm", 86, 6, 11, 6, 0, 30, 190, {"sepsis": 8, "cardiac": -3}),
    "Systolic blood pressure": Variable("mmHg", 122, -7, 14, 9, 0, 50, 230, {"sepsis": -9, "neurological": 12}),
    "Diastolic blood pressure": Variable("mmHg", 62, -4, 9, 6, 0, 20, 140, {"sepsis": -5, "neurological": 4}),
    "Respiratory rate": Variable("breaths/min", 19, 2.2, 3, 2.5, 0, 4, 50, {"respiratory": 3}),
    "Oxygen saturation": Variable("%", 97, -1, 1.2, 1, 0, 70, 100, {"respiratory": -1.5}),
    "Temperature": Variable("C", 36.9, 0.15, 0.4, 0.3, 1, 33, 41.5, {"sepsis": 0.6}),
    "Fraction inspired oxygen": Variable("%", 46, 8, 8, 5, 0, 30, 100, {"respiratory": 10}),
    "Glucose": Variable("mg/dL", 4.9, 0.07, 0.22, 0.12, 0, 30, 800, {"renal": 0.1}, log=True),
    "pH": Variable("1", 7.39, -0.03, 0.035, 0.02, 2, 6.8, 7.7, {"renal": -0.03, "respiratory": -0.02}),
    "Creatinine": Variable("mg/dL", 0.05, 0.2, 0.35, 0.06, 1, 0.2, 20, {"renal": 1.1, "sepsis": 0.2}, log=True),
    "Urea Nitrogen": Variable("mg/dL", 3.0, 0.2, 0.35, 0.06, 0, 3, 250, {"renal": 0.8}, log=True),
    "Lactate": Variable("mmol/L", 0.5, 0.3, 0.3, 0.12, 1, 0.3, 25, {"sepsis": 0.3}, log=True),
    "White Blood Cells": Variable("K/uL", 2.3, 0.12, 0.35, 0.08, 1, 0.1, 100, {"sepsis": 0.35}, log=True),
    "Platelet Count": Variable("K/uL", 5.3, -0.12, 0.4, 0.05, 0, 5, 1200, {}, log=True),
    "Hemoglobin": Variable("g/dL", 10.6, -0.4, 1.5, 0.3, 1, 4, 18, {"gastrointestinal": -1.8}),
    "Sodium": Variable("mEq/L", 138.5, 0, 4, 1.2, 0, 110, 170, {"neurological": 2}),
    "Potassium": Variable("mEq/L", 4.1, 0.12, 0.4, 0.25, 1, 2, 8.5, {"renal": 0.7}),
    "Bicarbonate": Variable("mEq/L", 24.5, -1.3, 3, 1, 0, 5, 50, {"renal": -3}),
    "Bilirubin, Total": Variable("mg/dL", -0.2, 0.2, 0.6, 0.05, 1, 0.1, 50, {"gastrointestinal": 0.8}, log=True),
    "Urine output": Variable("mL/h", 4.4, -0.25, 0.4, 0.45, 0, 0, 1500, {"renal": -0.9}, log=True),
    "consciousness": Variable("1", 2.0, -0.7, 0.8, 0.35, 3, -9, 9, {"neurological": -1.4}),
    "perfusion": Variable("1", -1.6, 0.6, 0.7, 0.3, 3, -9, 9, {"sepsis": 0.4, "cardiac": 0.3}),
}
COMA_CUTS = {
    "Glascow coma scale eye opening": (-0.6, 0.2, 1.0),
    "Glascow coma scale verbal response": (-1.0, -0.3, 0.4, 1.2),
    "Glascow coma scale motor response": (-2.0, -1.4, -0.8, -0.2, 0.5),
}
# Rows that are not as they should be, each as a share; `dirt` in simulation.json.
DIRT = {
    "patients who are children (half of them newborn), who stand in no official list": 0.05,
    "admissions without any diagnosis": 0.003,
    "admissions with a code that has no title": 0.005,
    "stays that change their care unit": 0.09,
    "patients without notes": 0.08,
    "admissions without discharge summary": 0.05,
    "notes marked as errors, about another patient": 0.01,
    "notes without HADM_ID": 0.03,
    "notes at the time of the note before": 0.03,
    "chart events without VALUE": 0.003,
    "chart events without HADM_ID": 0.004,
    "chart events without ICUSTAY_ID": 0.008,
    "chart events with another stay's ICUSTAY_ID": 0.004,
    "numeric vital signs with a digit too many (half of MetaVision's are marked ERROR)": 0.0005,
    "heart rates charted twice, the other value an hour old": 0.003,
    "stays with temperatures in Celsius": 0.2,
    "stays weighed in pounds": 0.2,
    "CareVue stays with oxygen as a fraction, unit torr": 0.1,
    "MetaVision oxygen charted as a fraction": 0.01,
    "blood draws before the admission, without HADM_ID": 0.15,
    "laboratory values that are words": 0.002,
    "stays with urine tested for glucose and pH": 0.3,
}


def sigma(value: np.ndarray) -> np.ndarray:
    """The logistic function."""
    return 1 / (1 + np.exp(-np.asarray(value, dtype=np.float64)))


def state(severity: np.ndarray, course: np.ndarray, hours: np.ndarray) -> np.ndarray:
    """``q(t)`` of the story, arrays of one shape; hours since INTIME."""
    return severity + course * (1 - np.exp(-hours / TREND_HOURS))


def group_shift(values: tuple[float, ...] | dict[str, float], group: np.ndarray) -> np.ndarray:
    """What each group's index shifts: a tuple in the order of `GROUPS`, or a mapping with 0 where none is given."""
    ordered = [values.get(name, 0.0) for name in GROUPS] if isinstance(values, dict) else list(values)
    return np.array(ordered)[group]


def death_probability(group: np.ndarray, severity: np.ndarray, course: np.ndarray, age: np.ndarray) -> np.ndarray:
    """Of death in hospital, as the last stay of the last admission decides it; age in years."""
    aged = DEATH_AGE * (age - 65)
    return sigma(DEATH + group_shift(DEATH_GROUP, group) + DEATH_SEVERITY * severity + DEATH_COURSE * course + aged)


def grave_probability(state_now: np.ndarray, style: np.ndarray) -> np.ndarray:
    """That a sentence about the state is grave; ``style`` is the stay's ``N_stay``."""
    return sigma(GRAVE * state_now + GRAVE_STYLE * style)
