"""CHARTEVENTS of a block: which of the hourly values are charted, as what item, in what words."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from sklar.clinical.mimic3_simulation.chart_table import chart_table
from sklar.clinical.mimic3_simulation.hours import COMA, ROOM_AIR, TOTAL, Hours
from sklar.clinical.mimic3_simulation.items import OTHERS
from sklar.clinical.mimic3_simulation.plan import stream
from sklar.clinical.mimic3_simulation.roster import Roster
from sklar.clinical.mimic3_simulation.rows import Piece, carevue, join, short, words
from sklar.clinical.mimic3_simulation.story import DIRT

# Share of hours with an entry, and the items: CareVue, MetaVision; pressures by cuff, then by arterial line.
VITALS = {
    "Heart Rate": (0.95, (211, 220045), (211, 220045)),
    "Respiratory rate": (0.93, (618, 220210), (618, 220210)),
    "Oxygen saturation": (0.93, (646, 220277), (646, 220277)),
    "Systolic blood pressure": (0.88, (455, 220179), (51, 220050)),
    "Diastolic blood pressure": (0.88, (8441, 220180), (8368, 220051)),
    "Mean blood pressure": (0.85, (456, 220181), (52, 220052)),
}
WHOLE = np.array(sorted({item for _, cuff, line in VITALS.values() for item in (*cuff, *line)}))
SPARSE = {"temperature": 0.27, "coma": 0.25, "oxygen": 0.3, "finger": 0.12, "gas": 0.06, "refill": 0.05, "weight": 0.6}
OTHER_RATE = 0.8  # of the items without a variable, in an hour
COMA_WORDS = {
    (184, 220739): (("1 No Response", "2 To pain", "3 To speech", "4 Spontaneously"),
                    ("None", "To Pain", "To Speech", "Spontaneously")),
    (723, 223900): (("1 No Response", "2 Incomp sounds", "3 Inapprop words", "4 Confused", "5 Oriented",
                     "1.0 ET/Trach"),
                    ("No Response", "Incomprehensible sounds", "Inappropriate Words", "Confused", "Oriented",
                     "No Response-ETT")),
    (454, 223901): (("1 No Response", "2 Abnorm extensn", "3 Abnorm flexion", "4 Flex-withdraws", "5 Localizes Pain",
                     "6 Obeys Commands"),
                    ("No response", "Abnormal extension", "Abnormal Flexion", "Flex-withdraws", "Localizes Pain",
                     "Obeys Commands")),
}  # fmt: skip
REFILL = ("Normal <3 secs", "Abnormal >3 secs")
POUND, INCH = 0.453592, 2.54  # kg, cm


def chart_events(roster: Roster, hours: Hours) -> pa.Table:
    """CHARTEVENTS in the order of stays and times."""
    random = stream(roster.seed, "chart", roster.block)
    stay, size = hours.stay, len(hours.stay)
    new = roster.metavision[stay]
    value = hours.values
    pieces = [_vital(random, name, roster, hours) for name in VITALS]
    often = {name: np.flatnonzero(random.random(size) < rate) for name, rate in SPARSE.items()}
    pieces += [_stale(random, hours, new), *_temperatures(random, often["temperature"], roster, hours)]
    pieces += _coma(often["coma"], roster, hours)
    pieces += _oxygen(random, often["oxygen"], roster, hours)
    finger, refill = often["finger"], often["refill"][~new[often["refill"]]]
    pieces.append(Piece.of(finger, np.where(new, 225664, 807)[finger], value["Glucose"][finger], short))
    slow = value["Capillary refill rate"][refill].astype(int)
    pieces.append(Piece(refill, np.full(len(refill), 115), words(REFILL, slow), np.full(len(refill), np.nan)))
    gas = often["gas"][roster.line[stay[often["gas"]]]]
    for rows, item, form in ((gas[~new[gas]], 780, carevue), (gas[new[gas]], 223830, short)):
        pieces.append(Piece.of(rows, item, value["pH"][rows], form))
    pieces += [*_body(random, often["weight"], roster, hours), *_others(random, new)]
    return chart_table(random, join(pieces), roster, hours, WHOLE)


def _vital(random: np.random.Generator, name: str, roster: Roster, hours: Hours) -> Piece:
    rate, cuff, line = VITALS[name]
    row = np.flatnonzero(random.random(len(hours.stay)) < rate)
    stay = hours.stay[row]
    item = np.array([cuff, line])[roster.line[stay].astype(int), roster.metavision[stay].astype(int)]
    return Piece.of(row, item, hours.values[name][row], short)


def _stale(random: np.random.Generator, hours: Hours, new: np.ndarray) -> Piece:
    """Heart rates of the hour before, at a time that has one of its own."""
    share = DIRT["heart rates charted twice, the other value an hour old"]
    row = np.flatnonzero((random.random(len(hours.stay)) < share) & (hours.hour > 0))
    return Piece.of(row, np.where(new[row], 220045, 211), hours.values["Heart Rate"][row - 1], short)


def _temperatures(random: np.random.Generator, row: np.ndarray, roster: Roster, hours: Hours) -> list[Piece]:
    """In one unit a stay; CareVue adds the other, calculated."""
    celsius = (random.random(len(roster.entered)) < DIRT["stays with temperatures in Celsius"])[hours.stay[row]]
    new = roster.metavision[hours.stay[row]]
    degrees = hours.values["Temperature"][row]
    fahrenheit = np.round(degrees * 9 / 5 + 32, 1)
    taken = np.where(celsius, degrees, fahrenheit)
    other = np.where(celsius, fahrenheit, (fahrenheit - 32) * 5 / 9)
    item, old = np.where(celsius, 223762, 223761), ~new
    return [
        Piece.of(row[new], item[new], taken[new], short),
        Piece.of(row[old], np.where(celsius, 676, 678)[old], taken[old], carevue),
        Piece.of(row[old], np.where(celsius, 679, 677)[old], other[old], carevue),
    ]


def _coma(row: np.ndarray, roster: Roster, hours: Hours) -> list[Piece]:
    """Three answers in each system's words, and CareVue's total."""
    new, tube = roster.metavision[hours.stay[row]], roster.ventilated[hours.stay[row]]
    pieces = []
    for name, (items, (old_words, new_words)) in zip(COMA, COMA_WORDS.items(), strict=True):
        points = hours.values[name][row]
        code = points.astype(int) - 1
        if "verbal" in name:
            code = np.where(tube, len(old_words) - 1, code)
        text = words(old_words + new_words, code + len(old_words) * new)
        pieces.append(Piece(row, np.where(new, items[1], items[0]), text, points))
    return [*pieces, Piece.of(row[~new], 198, hours.values[TOTAL][row[~new]], short)]


def _oxygen(random: np.random.Generator, row: np.ndarray, roster: Roster, hours: Hours) -> list[Piece]:
    """Of the ventilated: percent, or a fraction where that is the dirt."""
    by_torr = random.random(len(roster.entered)) < DIRT["CareVue stays with oxygen as a fraction, unit torr"]
    slip = random.random(len(row)) < DIRT["MetaVision oxygen charted as a fraction"]
    stay, percent = hours.stay[row], hours.values["Fraction inspired oxygen"][row]
    charted, new, torr = percent > ROOM_AIR, roster.metavision[stay], by_torr[stay]
    parts = {
        (3420, False): charted & ~new & ~torr,
        (189, True): charted & ~new & torr,
        (223835, False): charted & new & ~slip,
        (223835, True): charted & new & slip,
    }
    return [
        Piece.of(row[part], item, percent[part] / (100 if fraction else 1), carevue if item == 189 else short)
        for (item, fraction), part in parts.items()
    ]


def _body(random: np.random.Generator, row: np.ndarray, roster: Roster, hours: Hours) -> list[Piece]:
    """Height once for some; weight on entering and every day."""
    first = np.flatnonzero(hours.hour == 0)
    measured = first[random.random(len(first)) < 0.4]
    pounds = (random.random(len(roster.entered)) < DIRT["stays weighed in pounds"])[hours.stay]
    new = roster.metavision[hours.stay]
    height, weight = hours.values["Height"], hours.values["Weight"]
    inches = np.round(height / INCH)
    entering = first[random.random(len(first)) < 0.8]
    daily = row[(hours.hour[row] % 24 == 12)]
    at = {name: (entering[new[entering] == system], daily[new[daily] == system])
          for name, system in (("old", False), ("new", True))}  # fmt: skip
    old, heavy = np.concatenate(at["old"]), pounds[np.concatenate(at["old"])]
    begin, later = at["new"]
    lean = pounds[begin]
    return [
        Piece.of(measured[~new[measured]], 1394, inches[measured[~new[measured]]], short),
        Piece.of(measured[new[measured]], 226707, inches[measured[new[measured]]], short),
        Piece.of(measured[new[measured]], 226730, height[measured[new[measured]]], short),
        Piece.of(old[~heavy], 763, weight[old[~heavy]], carevue),
        Piece.of(old[heavy], 3581, np.round(weight[old[heavy]] / POUND, 1), carevue),
        Piece.of(begin[~lean], 226512, weight[begin[~lean]], short),
        Piece.of(begin[lean], 226531, np.round(weight[begin[lean]] / POUND, 1), short),
        Piece.of(later, 224639, weight[later], short),
    ]


def _others(random: np.random.Generator, new: np.ndarray) -> list[Piece]:
    """Items that no variable reads, at random; the first word of each is the likeliest."""
    pieces = []
    for system in (False, True):
        known = {item.number: choices for item, choices in OTHERS.items() if item.metavision == system}
        row, column = np.nonzero(random.random((len(new), len(known))) < OTHER_RATE * (new == system)[:, None])
        flat = [word for choices in known.values() for word in choices]
        counts = np.array([len(choices) for choices in known.values()])
        code = (np.cumsum(counts) - counts)[column]
        code += np.floor(random.random(len(row)) ** 2 * counts[column]).astype(int)
        number = np.array([float(word) if word.isdigit() else np.nan for word in flat])
        pieces.append(Piece(row, np.array(list(known))[column], words(flat, code), number[code]))
    return pieces
