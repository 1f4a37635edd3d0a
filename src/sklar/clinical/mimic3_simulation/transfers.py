"""TRANSFERS of a block: an admission's way through floors and units, one row a place."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from sklar.clinical.mimic3_simulation.registers import SOURCES, UNITS, make_places
from sklar.clinical.mimic3_simulation.roster import HOUR, Roster
from sklar.clinical.mimic3_simulation.rows import integers, table, times, words


def transfers(roster: Roster) -> pa.Table:
    """TRANSFERS; LOS in hours, two decimals, and the last row of an admission is its discharge."""
    places = make_places(roster)
    rows: list[tuple[Any, ...]] = []  # admission, stay or -1, event, unit before and now (-1: floor), wards, times
    at: tuple[int, int] = (-1, -1)

    def move(admission: int, stay: int, event: str, unit: int, ward: int, begin: int, end: int) -> None:
        nonlocal at
        if begin < end or event == "discharge":
            rows.append((admission, stay, event, at[0], unit, at[1], ward, begin, end))
            at = (unit, ward)

    for stay, admission in enumerate(roster.admission):
        begin, end = int(roster.entered[stay]), int(roster.left[stay])
        floor = int(places.floor[stay])
        first = stay == 0 or roster.admission[stay - 1] != admission
        if first:
            at = (-1, -1)
            move(admission, -1, "admit", -1, floor, int(roster.admitted[admission]), begin)
        moved = places.first[stay] != places.last[stay]
        middle = (begin + end) // 2 if moved else end
        move(admission, stay, "transfer", int(places.first[stay]), int(places.first_ward[stay]), begin, middle)
        move(admission, stay, "transfer", int(places.last[stay]), int(places.last_ward[stay]), middle, end)
        out = int(roster.discharged[admission]) if roster.last[stay] else int(roster.entered[stay + 1])
        move(admission, -1, "transfer", -1, floor, end, out)
        if roster.last[stay]:
            move(admission, -1, "discharge", -1, -1, int(roster.discharged[admission]), -1)
    columns = list(zip(*rows, strict=True))
    of, at_stay, before, now, ward_before, ward, since, until = (
        np.array(column) for place, column in enumerate(columns) if place != 2
    )
    gone = until < 0
    source = roster.metavision[roster.last_stay][of]
    named = (*UNITS, None)
    cells = {
        "SUBJECT_ID": roster.subject_id[roster.subject[of]],
        "HADM_ID": roster.hadm_id[of],
        "ICUSTAY_ID": integers(roster.icustay_id[np.maximum(at_stay, 0)], at_stay < 0),
        "DBSOURCE": words(SOURCES, source.astype(int)),
        "EVENTTYPE": list(columns[2]),
        "PREV_CAREUNIT": words(named, np.where(before < 0, len(UNITS), before)),
        "CURR_CAREUNIT": words(named, np.where(now < 0, len(UNITS), now)),
        "PREV_WARDID": integers(ward_before, ward_before < 0),
        "CURR_WARDID": integers(ward, ward < 0),
        "INTIME": times(since),
        "OUTTIME": times(until, gone),
        "LOS": pa.array(np.round((until - since) / HOUR, 2), mask=gone),
    }
    return table("TRANSFERS", cells, len(rows))
