"""LABEVENTS of a block: blood draws, more of them for the sicker, and urine tests that are easily taken for blood."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sklar.clinical.mimic3_simulation import story
from sklar.clinical.mimic3_simulation.hours import Hours
from sklar.clinical.mimic3_simulation.plan import stream
from sklar.clinical.mimic3_simulation.roster import DAY, HOUR, Roster
from sklar.clinical.mimic3_simulation.rows import as_text, integers, table, times, words
from sklar.clinical.mimic3_simulation.story import DIRT


class Lab(NamedTuple):
    """A row of D_LABITEMS, the unit and digits of its values, and outside what range they are flagged."""

    item: int
    label: str
    fluid: str
    category: str
    code: str | None
    unit: str | None
    decimals: int
    low: float
    high: float
    variable: str | None
    panel: str


CHEMISTRY, BLOOD, GAS, URINE = "Chemistry", "Hematology", "Blood Gas", "Hematology"
# Numbers, labels and codes as the MIMIC-III demo v1.4 has them.
LABS = (
    Lab(50931, "Glucose", "Blood", CHEMISTRY, "2345-7", "mg/dL", 0, 70, 105, "Glucose", "chemistry"),
    Lab(50912, "Creatinine", "Blood", CHEMISTRY, "2160-0", "mg/dL", 1, 0.4, 1.2, "Creatinine", "chemistry"),
    Lab(51006, "Urea Nitrogen", "Blood", CHEMISTRY, "3094-0", "mg/dL", 0, 6, 20, "Urea Nitrogen", "chemistry"),
    Lab(50983, "Sodium", "Blood", CHEMISTRY, "2951-2", "mEq/L", 0, 133, 145, "Sodium", "chemistry"),
    Lab(50971, "Potassium", "Blood", CHEMISTRY, "2823-3", "mEq/L", 1, 3.3, 5.1, "Potassium", "chemistry"),
    Lab(50882, "Bicarbonate", "Blood", CHEMISTRY, "1963-8", "mEq/L", 0, 22, 32, "Bicarbonate", "chemistry"),
    Lab(51301, "White Blood Cells", "Blood", BLOOD, "804-5", "K/uL", 1, 4, 11, "White Blood Cells", "count"),
    Lab(51265, "Platelet Count", "Blood", BLOOD, "777-3", "K/uL", 0, 150, 440, "Platelet Count", "count"),
    Lab(51222, "Hemoglobin", "Blood", BLOOD, "718-7", "g/dL", 1, 12, 18, "Hemoglobin", "count"),
    Lab(50885, "Bilirubin, Total", "Blood", CHEMISTRY, "1975-2", "mg/dL", 1, 0, 1.5, "Bilirubin, Total", "liver"),
    Lab(50820, "pH", "Blood", GAS, "11558-4", "units", 2, 7.35, 7.45, "pH", "gas"),
    Lab(50813, "Lactate", "Blood", GAS, "32693-4", "mmol/L", 1, 0.5, 2, "Lactate", "gas"),
    Lab(51491, "pH", "Urine", URINE, "5803-2", "units", 1, 5, 8, None, "urine"),
    Lab(51478, "Glucose", "Urine", URINE, "5792-7", "mg/dL", 0, 0, 0, None, "urine"),
)
PANELS = {"chemistry": 0.9, "count": 0.75, "liver": 0.15, "gas": 0.1}  # shares of blood draws
GAS_WITH_LINE = 0.6
WORDS = ("HEMOLYZED", "ERROR", ".")  # instead of a value; benchmarks drop them


def lab_events(roster: Roster, hours: Hours) -> pa.Table:
    """LABEVENTS in the order of stays and times; it has no ICUSTAY_ID."""
    random = stream(roster.seed, "labs", roster.block)
    size = len(hours.stay)
    rate = np.minimum(story.DRAW_RATE * np.exp(story.DRAW_SEVERITY * hours.state), 1)
    drawn = np.where(hours.hour == 0, 0.95, rate) > random.random(size)
    minute = random.integers(0, 59, size)
    share = DIRT["blood draws before the admission, without HADM_ID"]
    early = drawn & (random.random(size) < share / (1 - share))
    # One row a tube: place among the hours, seconds, whether it was before the admission.
    begin = roster.entered[hours.stay] + HOUR * hours.hour
    now = np.flatnonzero(drawn)
    before = np.flatnonzero(early)
    row = np.concatenate([now, before])
    admitted = roster.admitted[roster.admission[hours.stay]]
    ahead = admitted - random.integers(1, 60 * DAY // 60, size) * 60
    time = np.concatenate([(-(-begin // 60) * 60 + 60 * minute)[now], ahead[before]])
    outside = np.arange(len(row)) >= len(now)
    dead = (roster.died[roster.admission] & roster.last)[hours.stay[row]]
    kept = ~dead | (time <= roster.left[hours.stay[row]])
    row, time, outside = row[kept], time[kept], outside[kept]
    order = np.lexsort((time, hours.stay[row]))
    row, time, outside = row[order], time[order], outside[order]
    return _table(random, *_measure(random, row, roster, hours), row, time, outside, roster, hours)


def _measure(
    random: np.random.Generator, row: np.ndarray, roster: Roster, hours: Hours
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which tube (its place) has which lab (its place) and value, by tube and lab."""
    shares = np.array([PANELS.get(lab.panel, 0.0) for lab in LABS])
    panels = [lab.panel for lab in LABS]
    luck = random.random((len(row), len(PANELS)))[:, [list(PANELS).index(p) if p in PANELS else 0 for p in panels]]
    line = roster.line[hours.stay[row]]
    wanted = np.where(np.array(panels) == "gas", np.where(line, GAS_WITH_LINE, PANELS["gas"])[:, None], shares)
    measured = luck < wanted
    first = np.flatnonzero(hours.hour[row] == 0)
    tested = first[random.random(len(first)) < DIRT["stays with urine tested for glucose and pH"]]
    measured[np.ix_(tested, np.flatnonzero(np.array(panels) == "urine"))] = True
    values = np.zeros(measured.shape)
    for place, lab in enumerate(LABS):
        if lab.variable is not None:
            values[:, place] = hours.values[lab.variable][row]
    acid, sugar = (next(k for k, lab in enumerate(LABS) if lab.item == item) for item in (51491, 51478))
    values[:, acid] = random.integers(10, 17, len(row)) / 2
    values[:, sugar] = np.where(random.random(len(row)) < 0.7, np.nan, random.choice([100.0, 250, 1000], len(row)))
    tube, lab_place = np.nonzero(measured)
    return tube, lab_place, values[tube, lab_place]


def _table(
    random: np.random.Generator,
    tube: np.ndarray,
    lab: np.ndarray,
    value: np.ndarray,
    row: np.ndarray,
    time: np.ndarray,
    outside: np.ndarray,
    roster: Roster,
    hours: Hours,
) -> pa.Table:
    """Keys and texts; a missing value is a word."""
    stay = hours.stay[row[tube]]
    low, high = (np.array([getattr(each, name) for each in LABS])[lab] for name in ("low", "high"))
    word = random.random(len(tube)) < DIRT["laboratory values that are words"]
    negative = np.isnan(value)  # no sugar in urine
    texts = []
    digits = np.array([each.decimals for each in LABS])[lab]
    order = np.empty(len(tube), dtype=np.int64)
    done = 0
    for decimals in range(3):
        these = np.flatnonzero(digits == decimals)
        texts.append(as_text(np.nan_to_num(value[these]), f"{{:.{decimals}f}}".format))
        order[these] = done + np.arange(len(these))
        done += len(these)
    plain = pa.concat_arrays(texts).take(pa.array(order))
    instead = words(WORDS, random.integers(0, len(WORDS), len(tube)))
    text = pc.if_else(pa.array(word), instead, pc.if_else(pa.array(negative), pa.scalar("NEG"), plain))
    cells = {
        "SUBJECT_ID": roster.subject_id[roster.stay_subject[stay]],
        "HADM_ID": integers(roster.hadm_id[roster.admission[stay]], outside[tube]),
        "ITEMID": np.array([each.item for each in LABS])[lab],
        "CHARTTIME": times(time[tube]),
        "VALUE": text,
        "VALUENUM": pa.array(np.nan_to_num(value), mask=word | negative),
        "VALUEUOM": words([each.unit for each in LABS], lab),
        "FLAG": words((None, "abnormal"), (~word & ~negative & ((value < low) | (value > high))).astype(int)),
    }
    return table("LABEVENTS", cells, len(tube))
