"""The rows around charted values: identifiers, times, and the dirt of CHARTEVENTS; the hourly urine of OUTPUTEVENTS."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sklar.clinical.mimic3_simulation.hours import Hours
from sklar.clinical.mimic3_simulation.items import UNITS
from sklar.clinical.mimic3_simulation.plan import stream
from sklar.clinical.mimic3_simulation.roster import HOUR, Roster
from sklar.clinical.mimic3_simulation.rows import Piece, integers, table, times, words
from sklar.clinical.mimic3_simulation.story import DIRT

CAREGIVERS = np.arange(14_010, 14_310)


def clock(random: np.random.Generator, roster: Roster, hours: Hours) -> tuple[np.ndarray, np.ndarray]:
    """A whole minute of each hour, and whether it may be charted: nothing is after a death."""
    begin = roster.entered[hours.stay] + HOUR * hours.hour
    time = -(-begin // 60) * 60 + 60 * random.integers(0, 59, len(begin))
    ended = (roster.died[roster.admission] & roster.last)[hours.stay]
    return time, ~ended | (time <= roster.left[hours.stay])


def keys_of(roster: Roster, stay: np.ndarray) -> dict[str, Any]:
    """SUBJECT_ID, HADM_ID and ICUSTAY_ID of stays, by their places."""
    return {
        "SUBJECT_ID": roster.subject_id[roster.stay_subject[stay]],
        "HADM_ID": roster.hadm_id[roster.admission[stay]],
        "ICUSTAY_ID": roster.icustay_id[stay],
    }


def chart_table(
    random: np.random.Generator, events: Piece, roster: Roster, hours: Hours, whole: np.ndarray
) -> pa.Table:
    """Keys, times and dirt around the values of events; ``whole`` are the items that may get a digit too many."""
    time, keep = clock(random, roster, hours)
    stored = time + 60 * random.integers(1, 60, len(time))
    giver = random.choice(CAREGIVERS, len(time))
    kept = keep[events.row]
    row, item, number = events.row[kept], events.item[kept], events.number[kept]
    text = events.text.filter(pa.array(kept))
    keys = keys_of(roster, hours.stay[row])
    new = item >= 220_000
    shares = [DIRT[f"chart events {what}"] for what in (
        "without VALUE", "without HADM_ID", "without ICUSTAY_ID", "with another stay's ICUSTAY_ID")]  # fmt: skip
    kind = np.searchsorted(np.cumsum(shares), random.random(len(row)), side="right")  # 4: nothing is amiss
    vital = np.isin(item, whole)
    slip = vital & (kind == 4) & (random.random(len(row)) < DIRT[
        "numeric vital signs with a digit too many (half of MetaVision's are marked ERROR)"])  # fmt: skip
    marked = slip & new & (random.random(len(row)) < 0.5)
    text = pc.if_else(pa.array(slip), pc.binary_join_element_wise(text, pa.scalar("0"), ""), text)
    other = np.roll(roster.icustay_id, -1)[hours.stay[row]]
    units = list(UNITS.values())
    place = np.searchsorted(np.sort(list(UNITS)), item)
    cells = {
        "SUBJECT_ID": keys["SUBJECT_ID"],
        "HADM_ID": integers(keys["HADM_ID"], kind == 1),
        "ICUSTAY_ID": integers(np.where(kind == 3, other, keys["ICUSTAY_ID"]), kind == 2),
        "ITEMID": item,
        "CHARTTIME": times(time[row]),
        "STORETIME": times(stored[row]),
        "CGID": giver[row],
        "VALUE": pc.if_else(pa.array(kind == 0), pa.scalar(None, pa.string()), text),
        "VALUENUM": pa.array(np.where(slip, 10 * number, number), mask=np.isnan(number) | (kind == 0)),
        "VALUEUOM": words([units[index] for index in np.argsort(list(UNITS))], place),
        "WARNING": integers(np.zeros(len(row)), ~new),
        "ERROR": integers(marked, ~new),
        "STOPPED": words(("NotStopd", None), new.astype(int)),
    }
    return table("CHARTEVENTS", cells, len(row))


def output_events(roster: Roster, hours: Hours) -> pa.Table:
    """OUTPUTEVENTS: the hourly urine of catheters."""
    random = stream(roster.seed, "output", roster.block)
    time, keep = clock(random, roster, hours)
    row = np.flatnonzero((random.random(len(hours.stay)) < 0.6) & keep)
    stay = hours.stay[row]
    new = roster.metavision[stay]
    cells = keys_of(roster, stay) | {
        "CHARTTIME": times(time[row]),
        "ITEMID": np.where(new, 226559, 40055),
        "VALUE": hours.values["Urine output"][row],
        "VALUEUOM": words(("ml", "mL"), new.astype(int)),
        "STORETIME": times(time[row] + 60 * random.integers(1, 60, len(row))),
        "CGID": random.choice(CAREGIVERS, len(row)),
    }
    return table("OUTPUTEVENTS", cells, len(row))
