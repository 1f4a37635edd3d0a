"""NOTEEVENTS of a block: notes whose sentences speak of the diagnosis and the state, and discharge summaries."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sklar.clinical.mimic3_simulation import phrases, story
from sklar.clinical.mimic3_simulation.chart_table import CAREGIVERS
from sklar.clinical.mimic3_simulation.hours import Hours
from sklar.clinical.mimic3_simulation.plan import stream
from sklar.clinical.mimic3_simulation.roster import HOUR, Roster
from sklar.clinical.mimic3_simulation.rows import integers, table, times, words
from sklar.clinical.mimic3_simulation.story import DIRT

LENGTHS = (5, 11)  # sentences of a note: 5 to 10
SUMMARY_LENGTH = 8
KINDS = (  # category, description, share, whether it has a time
    ("Nursing", "Generic Note", 0.56, True),
    ("Physician ", "Physician Resident Progress Note", 0.2, True),
    ("Radiology", "CHEST (PORTABLE AP)", 0.15, True),
    ("Respiratory ", "Generic Note", 0.05, True),
    ("ECG", "Report", 0.04, False),
    ("Discharge summary", "Report", 0.0, False),
)
NURSING_OLD = "Nursing/other"  # CareVue's one category for the first two and the fourth
SUMMARY = len(KINDS) - 1


def note_events(roster: Roster, hours: Hours) -> pa.Table:
    """NOTEEVENTS in the order of stays and times; the summaries come last."""
    random = stream(roster.seed, "notes", roster.block)
    size, patients = len(hours.stay), len(roster.subject_id)
    without = random.random(patients) < DIRT["patients without notes"]
    rate = np.minimum(story.NOTE_RATE * np.exp(story.NOTE_SEVERITY * hours.state), 1)
    written = (random.random(size) < rate) & ~without[roster.stay_subject[hours.stay]]
    begin = roster.entered[hours.stay] + HOUR * hours.hour
    time = -(-begin // 60) * 60 + 60 * random.integers(0, 59, size)
    ended = (roster.died[roster.admission] & roster.last)[hours.stay] & (time > roster.left[hours.stay])
    row = np.flatnonzero(written & ~ended)
    time = time[row]
    again = np.flatnonzero(
        (random.random(len(row)) < DIRT["notes at the time of the note before"])
        & np.append(False, hours.stay[row][1:] == hours.stay[row][:-1])
    )
    time[again] = time[again - 1]
    kind = random.choice(len(KINDS), len(row), p=[share for _, _, share, _ in KINDS])
    error = (random.random(len(row)) < DIRT["notes marked as errors, about another patient"]) & (kind < 2)
    about = np.where(error, np.roll(np.arange(len(roster.entered)), 1)[hours.stay[row]], hours.stay[row])
    state = np.where(error, roster.severity[about], hours.state[row])
    texts = _texts(random, roster.group[about], story.grave_probability(state, roster.style[about]), *LENGTHS)
    summarised = np.flatnonzero(~without[roster.subject] & (
        random.random(len(roster.hadm_id)) >= DIRT["admissions without discharge summary"]))  # fmt: skip
    last = roster.last_stay[summarised]
    final = story.grave_probability(roster.severity[last] + roster.course[last], roster.style[last])
    length = (SUMMARY_LENGTH, SUMMARY_LENGTH + 1)
    ends = [phrases.EXPIRED if died else phrases.DISCHARGED for died in roster.died[summarised]]
    histories = _texts(random, roster.group[last], final, *length)
    summaries = [
        f"Admission Date: [**2-1**]\n\nHistory: {text}\n\n{end}.\n" for text, end in zip(histories, ends, strict=True)
    ]
    stay = np.concatenate([hours.stay[row], last])
    kinds = np.concatenate([kind, np.full(len(last), SUMMARY)])
    when = np.concatenate([time, roster.discharged[summarised]])
    wrong = np.concatenate([error, np.zeros(len(last), bool)])
    return _table(random, roster, stay, kinds, when, wrong, [*texts, *summaries])


def _texts(random: np.random.Generator, group: np.ndarray, grave: np.ndarray, least: int, most: int) -> list[str]:
    """A text a note: sentences neutral, about a diagnosis (mostly ``group``), grave or reassuring."""
    size = len(group)
    length = random.integers(least, most, size)
    width = most - 1
    about = random.choice(3, (size, width), p=list(story.SENTENCES.values()))
    wrong = random.random((size, width)) < story.WRONG_GROUP
    topic = np.where(wrong, random.integers(0, len(story.GROUPS), (size, width)), group[:, None])
    bad = random.random((size, width)) < grave[:, None]
    pick = random.random((size, width))
    neutral, each = len(phrases.NEUTRAL), len(phrases.DIAGNOSIS["sepsis"])
    told = neutral + each * len(story.GROUPS)
    bleak, kind = len(phrases.GRAVE), len(phrases.REASSURING)
    place = np.select(
        [about == 0, about == 1, bad],
        [np.floor(pick * neutral), neutral + each * topic + np.floor(pick * each), told + np.floor(pick * bleak)],
        told + bleak + np.floor(pick * kind),
    ).astype(int)
    return [
        ". ".join([phrases.SENTENCES[k] for k in line[:n]]) + ".\n"
        for line, n in zip(place.tolist(), length.tolist(), strict=True)
    ]


def _table(
    random: np.random.Generator,
    roster: Roster,
    stay: np.ndarray,
    kind: np.ndarray,
    when: np.ndarray,
    error: np.ndarray,
    texts: list[str],
) -> pa.Table:
    size = len(stay)
    untimed = ~np.array([timed for _, _, _, timed in KINDS])[kind]
    by_nurse = np.array([not name.startswith(("Radiology", "ECG", "Discharge")) for name, _, _, _ in KINDS])[kind]
    old = ~roster.metavision[stay] & by_nurse
    names = [name for name, _, _, _ in KINDS]
    descriptions = [text for _, text, _, _ in KINDS]
    lost = (random.random(size) < DIRT["notes without HADM_ID"]) & (kind != SUMMARY)
    cells = {
        "SUBJECT_ID": roster.subject_id[roster.stay_subject[stay]],
        "HADM_ID": integers(roster.hadm_id[roster.admission[stay]], lost),
        "CHARTDATE": pa.array(when.astype("datetime64[s]").astype("datetime64[D]")),
        "CHARTTIME": times(when, untimed),
        "STORETIME": times(when + 60 * random.integers(5, 120, size), ~by_nurse),
        "CATEGORY": words([*names, NURSING_OLD], np.where(old, len(names), kind)),
        "DESCRIPTION": words([*descriptions, "Report"], np.where(old, len(names), kind)),
        "CGID": integers(random.choice(CAREGIVERS, size), ~by_nurse),
        "ISERROR": words((None, "1"), error.astype(int)),
        "TEXT": texts,
    }
    return table("NOTEEVENTS", cells, size)
