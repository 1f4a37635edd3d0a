"""One block's patients, admissions and stays: latents, times, outcomes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sklar.clinical.mimic3_simulation import story
from sklar.clinical.mimic3_simulation.plan import PATIENTS, Plan, stream

HOUR, DAY = 3600, 86_400
FIRST_YEAR, YEARS = 2100, 90  # shifted dates, as in MIMIC-III


@dataclass(frozen=True)
class Roster:
    """Arrays over the block's P patients, A admissions and N stays; times are seconds since 1970.

    Attributes:
        block: its number.
        seed: of the simulation.
        subject_id: ``(P,)``; of a patient: ``birth``, ``female``, ``newborn``, ``death_date`` (-1: alive),
            ``died_in_hospital``.
        subject: ``(A,)`` place of the patient; of an admission: ``hadm_id``, ``admitted``, ``discharged``, ``died``.
        admission: ``(N,)`` place of the admission; of a stay: ``icustay_id``, ``entered``, ``left``, the latents
            ``group`` (index of `story.GROUPS`), ``severity``, ``course``, ``ventilated``, ``style`` (of the notes),
            ``age`` in years, ``last`` of its admission, ``risk`` of death by the formula (NaN where the stay does not
            decide it), ``metavision`` (else CareVue), ``line`` (arterial).
    """

    block: int
    seed: int
    subject_id: np.ndarray
    birth: np.ndarray
    female: np.ndarray
    newborn: np.ndarray
    death_date: np.ndarray
    died_in_hospital: np.ndarray
    subject: np.ndarray
    hadm_id: np.ndarray
    admitted: np.ndarray
    discharged: np.ndarray
    died: np.ndarray
    admission: np.ndarray
    icustay_id: np.ndarray
    entered: np.ndarray
    left: np.ndarray
    group: np.ndarray
    severity: np.ndarray
    course: np.ndarray
    ventilated: np.ndarray
    style: np.ndarray
    age: np.ndarray
    last: np.ndarray
    risk: np.ndarray
    metavision: np.ndarray
    line: np.ndarray

    @property
    def stay_subject(self) -> np.ndarray:
        """Place of each stay's patient, ``(N,)``."""
        return self.subject[self.admission]

    @property
    def last_stay(self) -> np.ndarray:
        """Place of each admission's last stay, ``(A,)``."""
        return np.flatnonzero(self.last)


def make_roster(plan: Plan, block: int) -> Roster:
    """Draw the block's patients; nothing of other blocks is needed."""
    random = stream(plan.seed, "roster", block)
    first = block * PATIENTS
    number = min(PATIENTS, len(plan.subject_id) - first)
    low, high = np.searchsorted(plan.admission_subject, [first, first + number])
    start, stop = np.searchsorted(plan.stay_admission, [low, high])
    subject = plan.admission_subject[low:high] - first
    admission = plan.stay_admission[start:stop] - low
    last = np.append(admission[1:] != admission[:-1], True)
    final = np.append(subject[1:] != subject[:-1], True)

    child = plan.child[first : first + number]
    newborn = child & (random.random(number) < 0.5)
    years = np.clip(random.normal(64, 16, number), 18.1, 95)
    years = np.where(child, np.where(newborn, 0, random.uniform(14, 17.9, number)), years)
    frailty = random.standard_normal(number)
    group = random.choice(len(story.GROUPS), high - low, p=story.GROUP_SHARE)[admission]
    rest = np.sqrt(1 - story.FRAILTY**2)
    severity = story.FRAILTY * frailty[subject[admission]] + rest * random.standard_normal(stop - start)
    course = random.standard_normal(stop - start)
    breathing = story.VENTILATED + story.group_shift(story.VENTILATED_GROUP, group)
    ventilated = random.random(stop - start) < story.sigma(breathing + story.VENTILATED_SEVERITY * severity)
    line = random.random(stop - start) < story.sigma(story.LINE + story.LINE_SEVERITY * severity)
    length = np.log(story.LENGTH_MEDIAN) + story.group_shift(story.LENGTH_GROUP, group)
    length += story.LENGTH_SEVERITY * severity + story.LENGTH_SPREAD * random.standard_normal(stop - start)
    seconds = np.floor(np.clip(np.exp(length), *story.LENGTH_LIMITS) * HOUR).astype(np.int64)
    age = years[subject[admission]]
    risk = np.where(last & final[admission], story.death_probability(group, severity, course, age), np.nan)
    dies = random.random(stop - start) < np.nan_to_num(risk)
    in_unit = random.random(stop - start) < 0.8

    days = np.exp(np.log(story.RETURN_MEDIAN) + story.RETURN_SEVERITY * severity
                  + story.RETURN_SPREAD * random.standard_normal(stop - start))  # fmt: skip
    year = random.integers(FIRST_YEAR, FIRST_YEAR + YEARS, number)
    began = ((year - 1970) * 365.2425 * DAY).astype(np.int64) + random.integers(0, 365 * DAY, number)
    gaps = np.floor(np.exp(np.log([[1.5], [40.0]]) + 0.8 * random.standard_normal((2, stop - start))) * HOUR)
    admitted, discharged, entered = _times(
        subject, admission, began, seconds, gaps.astype(np.int64), (days * DAY).astype(np.int64), dies & in_unit
    )
    opens = np.flatnonzero(np.append(True, subject[1:] != subject[:-1]))  # each patient's first admission
    birth = admitted[opens] - np.floor(np.where(years >= 90, 300, years) * 365.2425 * DAY).astype(np.int64)
    died = dies[last]
    return Roster(
        block=block,
        seed=plan.seed,
        subject_id=plan.subject_id[first : first + number],
        birth=birth // DAY * DAY,
        female=random.random(number) < 0.44,
        newborn=newborn,
        death_date=_death_dates(random, died[final], severity[last][final], discharged[final]),
        died_in_hospital=died[final],
        subject=subject,
        hadm_id=plan.hadm_id[low:high],
        admitted=admitted,
        discharged=discharged,
        died=died,
        admission=admission,
        icustay_id=plan.icustay_id[start:stop],
        entered=entered,
        left=entered + seconds,
        group=group,
        severity=severity,
        course=course,
        ventilated=ventilated,
        style=random.standard_normal(stop - start),
        age=age,
        last=last,
        risk=risk,
        metavision=(random.random(number) < 0.45)[subject[admission]],
        line=line,
    )


def _times(
    subject: np.ndarray,
    admission: np.ndarray,
    began: np.ndarray,
    seconds: np.ndarray,
    gaps: np.ndarray,
    until_next: np.ndarray,
    dies_there: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """ADMITTIME and DISCHTIME of admissions (whole minutes) and INTIME of stays, each after the one before.

    Args:
        subject: of each admission.
        admission: of each stay.
        began: first admission of each patient.
        seconds: length of each stay.
        gaps: ``(2, N)``, seconds before a first stay and after each.
        until_next: seconds from discharge to the next admission, by the last stay before.
        dies_there: whether the admission ends with the stay.
    """
    admitted, discharged = np.zeros((2, len(subject)), dtype=np.int64)
    entered = np.zeros(len(admission), dtype=np.int64)
    for stay, here in enumerate(admission):
        if stay and admission[stay - 1] == here:
            entered[stay] = entered[stay - 1] + seconds[stay - 1] + gaps[1, stay - 1]
        else:
            again = here > 0 and subject[here - 1] == subject[here]
            begin = discharged[here - 1] + until_next[stay - 1] if again else began[subject[here]]
            admitted[here] = begin // 60 * 60
            entered[stay] = admitted[here] + gaps[0, stay]
        out = entered[stay] + seconds[stay] + (0 if dies_there[stay] else gaps[1, stay])
        discharged[here] = out // 60 * 60
    return admitted, discharged, entered


def _death_dates(
    random: np.random.Generator, died: np.ndarray, severity: np.ndarray, discharged: np.ndarray
) -> np.ndarray:
    """Midnight of the day of death, in hospital or after it, -1 of the living."""
    later = random.random(len(died)) < story.sigma(-1.0 + 0.6 * severity)
    days = np.floor(random.exponential(400, len(died))).astype(np.int64) + 1
    midnight = discharged // DAY * DAY
    return np.where(died, midnight, np.where(later, midnight + days * DAY, -1))
