"""Simulated MIMIC-III files beside the demo's files, their formulas and their truth, read by DuckDB."""

import csv
import gzip
import itertools
import json
import os
import re
import signal
import subprocess
import sys
import weakref

import duckdb
import numpy as np
import pyarrow.parquet as pq
import pytest

from sklar.cli import main
from sklar.clinical import simulate_mimic3
from sklar.clinical.mimic3_simulation import phrases, simulate, story
from sklar.clinical.mimic3_simulation.hours import make_hours
from sklar.clinical.mimic3_simulation.layout import COLUMNS
from sklar.clinical.mimic3_simulation.plan import PATIENTS, make_plan
from sklar.clinical.mimic3_simulation.roster import make_roster

STAYS = 150
# The variables' items: number of the item, how a value reads in the truth's unit, largest difference by rounding.
PLAIN = {
    "Heart Rate": (211, 220045), "Respiratory rate": (618, 220210), "Oxygen saturation": (646, 220277),
    "Systolic blood pressure": (455, 51, 220179, 220050), "Diastolic blood pressure": (8441, 8368, 220180, 220051),
    "Mean blood pressure": (456, 52, 220181, 220052), "Glucose": (807, 225664), "pH": (780, 223830),
    "Glascow coma scale total": (198,), "Glascow coma scale eye opening": (184, 220739),
    "Glascow coma scale verbal response": (723, 223900), "Glascow coma scale motor response": (454, 223901),
}  # fmt: skip
READINGS = {item: (name, "VALUENUM", 1e-3) for name, items in PLAIN.items() for item in items}
READINGS |= dict.fromkeys((676, 223762), ("Temperature", "VALUENUM", 0.001))
READINGS |= dict.fromkeys((678, 679, 223761), ("Temperature", "(VALUENUM - 32) / 1.8", 0.03))
READINGS |= {677: ("Temperature", "VALUENUM", 0.03), 226730: ("Height", "VALUENUM", 0)}
READINGS |= dict.fromkeys((1394, 226707), ("Height", "VALUENUM * 2.54", 1.28))
READINGS |= dict.fromkeys((763, 226512, 224639), ("Weight", "VALUENUM", 0.001))
READINGS |= dict.fromkeys((3581, 226531), ("Weight", "VALUENUM * 0.453592", 0.03))
READINGS |= {
    3420: ("Fraction inspired oxygen", "VALUENUM", 0),
    189: ("Fraction inspired oxygen", "100 * VALUENUM", 1e-3),
}
READINGS |= {223835: ("Fraction inspired oxygen", "if(VALUENUM <= 1, 100, 1) * VALUENUM", 1e-9)}
LABS = {50931: "Glucose", 50912: "Creatinine", 51006: "Urea Nitrogen", 50983: "Sodium", 50971: "Potassium",
        50882: "Bicarbonate", 51301: "White Blood Cells", 51265: "Platelet Count", 51222: "Hemoglobin",
        50885: "Bilirubin, Total", 50820: "pH", 50813: "Lactate"}  # fmt: skip


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    return simulate_mimic3(tmp_path_factory.mktemp("simulated") / "raw", STAYS, 3)


@pytest.fixture(scope="module")
def tables(raw):
    """Every table and the truth as views."""
    with duckdb.connect(config={"threads": 1}) as connection:
        for name in COLUMNS:
            connection.execute(f"CREATE VIEW {name} AS FROM read_csv('{raw / name}.csv', all_varchar = true)")
        for name in ("stays", "hours"):
            connection.execute(f"CREATE VIEW {name} AS FROM '{raw / 'truth' / name}.parquet'")
        for name in ("CHARTEVENTS", "LABEVENTS"):
            columns = "* REPLACE (VALUENUM::DOUBLE AS VALUENUM, CHARTTIME::TIMESTAMP AS CHARTTIME)"
            connection.execute(f"CREATE TABLE {name}_read AS SELECT {columns} FROM {name}")
        yield connection


def content(folder):
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def logistic(value):
    return 1 / (1 + np.exp(-value))


def close(hits, chances):
    """Whether the number of hits is what the chances make it, within four standard deviations."""
    hits, chances = np.asarray(hits, dtype=float), np.broadcast_to(chances, np.shape(hits))
    return abs(hits.sum() - chances.sum()) < 4 * np.sqrt((chances * (1 - chances)).sum()) + 1e-9


def test_one_seed_gives_the_same_bytes_and_another_others(tmp_path):
    first, again, other = (simulate_mimic3(tmp_path / name, 12, seed) for name, seed in (("a", 5), ("b", 5), ("c", 6)))
    assert content(first) == content(again)
    same = {name for name, data in content(first).items() if data == content(other)[name]}
    assert same == {"CAREGIVERS.csv", "D_ITEMS.csv", "D_LABITEMS.csv", "D_ICD_DIAGNOSES.csv"}


def test_packed_files_hold_the_same(tmp_path):
    plain, packed, again = (
        simulate_mimic3(tmp_path / name, 3, 5, packed) for name, packed in (("a", False), ("b", True), ("c", True))
    )
    assert content(packed) == content(again)
    for name in COLUMNS:
        assert gzip.decompress((packed / f"{name}.csv.gz").read_bytes()) == (plain / f"{name}.csv").read_bytes()


def test_headers_and_quotes_are_those_of_the_demo(raw, shared):
    for name in COLUMNS:
        with gzip.open(shared / "data" / "mimic3-demo" / f"{name}.csv.gz", "rt") as demo, (
            raw / f"{name}.csv").open() as ours:  # fmt: skip
            assert next(ours) == next(demo), name
            quoted = [_quoted(file) for file in (demo, ours)]
        for column, (theirs, mine) in enumerate(zip(*quoted, strict=False)):
            assert None in (theirs, mine) or theirs == mine, (name, column)


def _quoted(file):
    """Whether the cells of each column are in quotes, None where all of the first 2,000 are empty."""
    found = {}
    for row in itertools.islice(file, 2000):
        cells = re.findall(r'("(?:[^"]|"")*"|[^,\n]*)(?:,|$)', row.rstrip("\n"))
        found |= {place: cell[0] == '"' for place, cell in enumerate(cells) if cell}
    return [found.get(place) for place in range(max(found, default=-1) + 1)]


def test_items_and_codes_are_those_of_the_release(tables, shared):
    demo, golden = shared / "data" / "mimic3-demo", shared / "golden" / "mimic3-benchmarks" / "reference"
    for name, ours in (("D_ITEMS", "ITEMID"), ("D_LABITEMS", "ITEMID"), ("D_ICD_DIAGNOSES", "ICD9_CODE")):
        release = f"read_csv('{demo / name}.csv.gz', all_varchar = true)"
        chosen = "* EXCLUDE (ROW_ID" + (", UNITNAME)" if name == "D_ITEMS" else ")")
        apart = tables.sql(f"SELECT {chosen} FROM {name} EXCEPT SELECT {chosen} FROM {release}").fetchall()
        assert apart == [], name
        assert tables.sql(f"SELECT count(DISTINCT {ours}) = count(*) FROM {name}").fetchall() == [(True,)]
    without = f"SELECT ICD9_CODE FROM DIAGNOSES_ICD EXCEPT SELECT ICD9_CODE FROM '{golden / 'phenotype_codes.parquet'}'"
    assert tables.sql(without).fetchall() == []
    mapped = {int(row["ITEMID"]): row["VARIABLE"] for row in csv.DictReader((golden / "itemid_map.csv").open())}
    assert {item: name for item, (name, *_) in READINGS.items()}.items() <= mapped.items()


def test_the_official_list_is_the_benchmarks(tables, shared):
    golden = shared / "golden" / "mimic3-benchmarks" / "reference" / "official_split.parquet"
    subjects = "SELECT SUBJECT_ID, age_years < 18 AS child FROM stays"
    rows = tables.sql(f"SELECT DISTINCT child, SUBJECT_ID IN (SELECT SUBJECT_ID FROM '{golden}') FROM ({subjects})")
    assert sorted(rows.fetchall()) == [(False, True), (True, False)]


def test_keys_join(tables):
    """Patients, admissions, stays and caregivers exist; the shares that do not are the stated ones."""
    for table in ("ADMISSIONS", "ICUSTAYS", "CHARTEVENTS", "LABEVENTS", "OUTPUTEVENTS", "NOTEEVENTS", "TRANSFERS"):
        assert tables.sql(f"FROM {table} ANTI JOIN PATIENTS USING (SUBJECT_ID)").fetchall() == [], table
        named = f"(FROM {table} WHERE HADM_ID IS NOT NULL)"
        assert tables.sql(f"FROM {named} ANTI JOIN ADMISSIONS USING (SUBJECT_ID, HADM_ID)").fetchall() == [], table
    for table, key in (("ADMISSIONS", "HADM_ID"), ("ICUSTAYS", "ICUSTAY_ID"), ("PATIENTS", "SUBJECT_ID")):
        assert tables.sql(f"SELECT count(*) - count(DISTINCT {key}) FROM {table}").fetchall() == [(0,)]
    for table in ("CHARTEVENTS", "OUTPUTEVENTS"):
        assert tables.sql(f"FROM {table} ANTI JOIN D_ITEMS USING (ITEMID)").fetchall() == []
        assert tables.sql(f"FROM {table} ANTI JOIN CAREGIVERS USING (CGID)").fetchall() == []
        assert tables.sql(f"FROM (FROM {table} WHERE ICUSTAY_ID IS NOT NULL) ANTI JOIN ICUSTAYS USING (ICUSTAY_ID)"
                          ).fetchall() == []  # fmt: skip
    assert tables.sql("FROM LABEVENTS ANTI JOIN D_LABITEMS USING (ITEMID)").fetchall() == []
    size, hadm, icu, value, other = tables.sql("""
        SELECT count(*), sum((c.HADM_ID IS NULL)::INT), sum((c.ICUSTAY_ID IS NULL)::INT), sum((VALUE IS NULL)::INT),
            count(c.ICUSTAY_ID) - count(i.ICUSTAY_ID)
        FROM CHARTEVENTS c LEFT JOIN ICUSTAYS i
            ON c.ICUSTAY_ID = i.ICUSTAY_ID AND coalesce(c.HADM_ID, i.HADM_ID) = i.HADM_ID
            AND c.SUBJECT_ID = i.SUBJECT_ID
    """).fetchall()[0]
    for found, share in ((hadm, 0.004), (icu, 0.008), (value, 0.003), (other, 0.004)):
        assert abs(found - share * size) < 5 * np.sqrt(share * size) + 0.05 * share * size
    [(labs, outside)] = tables.sql("SELECT count(*), sum((HADM_ID IS NULL)::INT) FROM LABEVENTS").fetchall()
    assert 0.12 < outside / labs < 0.18


def test_times_are_in_order(tables):
    [(wrong,)] = tables.sql("""
        SELECT count(*) FROM ICUSTAYS i JOIN ADMISSIONS a USING (HADM_ID) JOIN PATIENTS p ON p.SUBJECT_ID = a.SUBJECT_ID
        WHERE NOT (DOB <= ADMITTIME AND ADMITTIME <= INTIME AND INTIME < OUTTIME)
            OR DISCHTIME::TIMESTAMP < OUTTIME::TIMESTAMP - INTERVAL 1 MINUTE
            OR abs(LOS::DOUBLE - date_diff('second', INTIME::TIMESTAMP, OUTTIME::TIMESTAMP) / 86400) > 1e-4
            OR (HOSPITAL_EXPIRE_FLAG = '1') <> (DEATHTIME IS NOT NULL)
            OR (DEATHTIME IS NOT NULL AND left(DEATHTIME, 10) <> left(DOD_HOSP, 10))
            OR (DEATHTIME IS NOT NULL AND DOD IS NULL)
    """).fetchall()
    assert wrong == 0
    overlap = "lead(ADMITTIME) OVER (PARTITION BY SUBJECT_ID ORDER BY ADMITTIME) < DISCHTIME"
    assert tables.sql(f"FROM ADMISSIONS QUALIFY {overlap}").fetchall() == []
    [(chart, late)] = tables.sql("""
        SELECT count(*), count(*) FILTER (CHARTTIME > DEATHTIME::TIMESTAMP + INTERVAL 1 MINUTE)
        FROM CHARTEVENTS_read JOIN ADMISSIONS USING (HADM_ID)
    """).fetchall()
    assert chart > 1000 * STAYS
    assert late == 0


def test_what_is_recorded_is_the_truth(tables):
    """Every reading is its hour's value in another unit, except slips and old heart rates at their stated rates."""
    cases = " ".join(f"WHEN {item} THEN {form}" for item, (_, form, _) in READINGS.items())
    truth = " ".join(f"""WHEN {item} THEN "{name}" """ for item, (name, _, _) in READINGS.items())
    allowed = " ".join(f"WHEN {item} THEN {much}" for item, (_, _, much) in READINGS.items())
    rows = tables.sql(f"""
        SELECT ITEMID, count(*) AS n, count(*) FILTER (abs(CASE ITEMID::INT {cases} END - CASE ITEMID::INT {truth} END)
            > CASE ITEMID::INT {allowed} END + 1e-5) AS wrong
        FROM CHARTEVENTS_read JOIN ICUSTAYS i USING (SUBJECT_ID, HADM_ID, ICUSTAY_ID)
        JOIN hours h ON h.ICUSTAY_ID = i.ICUSTAY_ID::INT
            AND h.hour = floor(date_diff('second', INTIME::TIMESTAMP, CHARTTIME) / 3600)
        WHERE VALUENUM IS NOT NULL AND ITEMID::INT IN {tuple(READINGS)}
        GROUP BY ITEMID
    """).fetchall()
    assert {int(item) for item, *_ in rows} == set(READINGS)
    for item, n, wrong in rows:
        vital = READINGS[int(item)][0] in tuple(PLAIN)[:6]
        assert wrong <= (0.008 * n + 5 if vital else 0), item
    truth = " ".join(f"""WHEN {item} THEN "{name}" """ for item, name in LABS.items())
    [(n, wrong)] = tables.sql(f"""
        SELECT count(*), count(*) FILTER (abs(VALUENUM - CASE ITEMID::INT {truth} END) > 1e-4)
        FROM LABEVENTS_read JOIN ICUSTAYS i USING (SUBJECT_ID, HADM_ID)
        JOIN hours h ON h.ICUSTAY_ID = i.ICUSTAY_ID::INT
            AND h.hour = floor(date_diff('second', INTIME::TIMESTAMP, CHARTTIME) / 3600)
        WHERE VALUENUM IS NOT NULL AND ITEMID::INT IN {tuple(LABS)}
    """).fetchall()
    assert n > 20 * STAYS
    assert wrong == 0


@pytest.fixture(scope="module")
def many():
    """The latents of 6,000 stays."""
    plan = make_plan(6000, 1)
    return [make_roster(plan, block) for block in range(plan.blocks)]


@pytest.fixture(scope="module")
def some_hours(many):
    return [make_hours(roster) for roster in many[:40]]


def _of(rosters, name):
    return np.concatenate([getattr(roster, name) for roster in rosters])


def test_deaths_follow_their_formula(many):
    group, severity, course, age = (_of(many, name) for name in ("group", "severity", "course", "age"))
    risk = _of(many, "risk")
    decides = ~np.isnan(risk)
    shift = np.array([0.5, 0.2, -0.3, 0.0, 0.3, -0.2])[group]
    expected = logistic(-2.2 + shift + 1.1 * severity + 0.8 * course + 0.03 * (age - 65))[decides]
    np.testing.assert_allclose(risk[decides], expected, atol=1e-12)
    died = np.concatenate([(r.died[r.admission] & r.last)[~np.isnan(r.risk)] for r in many])
    for part in np.array_split(np.argsort(expected), 5):
        assert close(died[part], expected[part])
    assert np.corrcoef(died, severity[decides])[0, 1] > 0.2
    assert np.corrcoef(died, course[decides])[0, 1] > 0.15
    for roster in many:  # nobody comes back
        assert not roster.died[:-1][roster.subject[1:] == roster.subject[:-1]].any()


def test_lengths_and_returns_follow_their_formulas(many):
    severity, group = _of(many, "severity"), _of(many, "group")
    length = np.log((_of(many, "left") - _of(many, "entered")) / 3600)
    expected = np.log(54) + np.array([0.2, 0.2, -0.1, -0.1, 0.1, -0.2])[group] + 0.2 * severity
    inside = (length > np.log(4.1)) & (length < np.log(45 * 24 - 1))
    assert abs((length - expected)[inside].mean()) < 0.06  # the limits cut both ends
    assert np.polyfit(severity, length, 1)[0] == pytest.approx(0.2, abs=0.06)
    days, before = [], []
    for roster in many:
        again = np.flatnonzero(roster.subject[1:] == roster.subject[:-1])
        days.append((roster.admitted[again + 1] - roster.discharged[again]) / 86400)
        before.append(roster.severity[roster.last_stay][again])
    slope, level = np.polyfit(np.concatenate(before), np.log(np.concatenate(days)), 1)
    assert slope == pytest.approx(-0.4, abs=0.15)
    assert level == pytest.approx(np.log(50), abs=0.15)


def test_patients_are_tied_by_their_frailty(many):
    pairs = []
    for roster in many:
        of = roster.stay_subject
        first = np.flatnonzero(of[1:] == of[:-1])
        pairs.append(np.stack([roster.severity[first], roster.severity[first + 1]]))
    both = np.concatenate(pairs, axis=1)
    assert both.shape[1] > 1000
    assert np.corrcoef(both)[0, 1] == pytest.approx(0.36, abs=0.1)
    assert _of(many, "severity").std() == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize(
    ("name", "mean", "slope", "shifts", "offset", "noise"),
    [
        ("Heart Rate", 86, 6, {0: 8, 2: -3}, 11, 6),
        ("Respiratory rate", 19, 2.2, {1: 3}, 3, 2.5),
        ("Systolic blood pressure", 122, -7, {0: -9, 4: 12}, 14, 9),
        ("Temperature", 36.9, 0.15, {0: 0.6}, 0.4, 0.3),
        ("pH", 7.39, -0.03, {1: -0.02, 3: -0.03}, 0.035, 0.02),
        ("Sodium", 138.5, 0, {4: 2}, 4, 1.2),
    ],
)
def test_series_follow_their_formulas(many, some_hours, name, mean, slope, shifts, offset, noise):
    """Regression on the state and the groups, twelve hours after INTIME; changes from hour to hour."""
    rows = [np.flatnonzero(hours.hour == 12) for hours in some_hours]
    state = np.concatenate([hours.state[row] for hours, row in zip(some_hours, rows, strict=True)])
    value = np.concatenate([hours.values[name][row] for hours, row in zip(some_hours, rows, strict=True)])
    group = [roster.group[hours.stay[row]] for roster, hours, row in zip(many, some_hours, rows, strict=False)]
    design = np.column_stack([state, *(np.concatenate(group) == k for k in range(6))])
    fitted, *_ = np.linalg.lstsq(design, value, rcond=None)
    expected = np.array([slope, *(mean + shifts.get(k, 0) for k in range(6))])
    error = np.sqrt((offset**2 + noise**2) * np.diag(np.linalg.inv(design.T @ design)))
    rounding = 0.01 * abs(slope) + 0.02 * noise  # and limits
    assert (abs(fitted - expected) < 4 * error + rounding).all()
    steps = np.concatenate([np.diff(h.values[name])[np.diff(h.stay) == 0] for h in some_hours])
    digits = {"Temperature": 0.1, "pH": 0.01}.get(name, 1)
    of_process = 2 * noise**2 * (1 - np.exp(-1 / 12))
    assert steps.std() == pytest.approx(np.sqrt(of_process + digits**2 / 6), rel=0.04)


def test_words_follow_the_state_and_the_diagnosis(tables):
    rows = tables.sql("""
        SELECT n.TEXT, h.state, s.style, s."group", n.CATEGORY
        FROM NOTEEVENTS n JOIN ICUSTAYS i USING (SUBJECT_ID, HADM_ID)
        JOIN hours h ON h.ICUSTAY_ID = i.ICUSTAY_ID::INT
            AND h.hour = floor(date_diff('second', INTIME::TIMESTAMP, n.CHARTTIME::TIMESTAMP) / 3600)
        JOIN stays s ON s.ICUSTAY_ID = h.ICUSTAY_ID
        WHERE n.ISERROR IS NULL AND n.CHARTTIME IS NOT NULL
    """).fetchall()
    grave, chance, own, told = [], [], 0, 0
    severe, states = [], []
    for text, state, style, group, _ in rows:
        counts = [sum(text.count(phrase) for phrase in choices) for choices in (phrases.GRAVE, phrases.REASSURING)]
        grave += [1] * counts[0] + [0] * counts[1]
        chance += [logistic(1.0 * state + 0.8 * style)] * sum(counts)
        severe.append(counts[0])
        states.append(state)
        by_group = {name: sum(text.count(phrase) for phrase in found) for name, found in phrases.DIAGNOSIS.items()}
        own, told = own + by_group[group], told + sum(by_group.values())
    grave, chance = np.array(grave), np.array(chance)
    assert len(grave) > 10 * STAYS
    for part in np.array_split(np.argsort(chance), 3):
        assert abs(grave[part].sum() - chance[part].sum()) < 5 * np.sqrt((chance * (1 - chance))[part].sum()) + 10
    assert np.corrcoef(severe, states)[0, 1] > 0.3
    assert own / told == pytest.approx(0.75 + 0.25 / 6, abs=0.03)
    [(together,)] = tables.sql("""
        WITH rates AS (SELECT ICUSTAY_ID, avg("Heart Rate") AS rate FROM hours GROUP BY ALL)
        SELECT corr(rate, (TEXT LIKE '%prognosis guarded%')::INT - (TEXT LIKE '%Alert and oriented%')::INT)
        FROM NOTEEVENTS JOIN ICUSTAYS i USING (HADM_ID) JOIN rates r ON r.ICUSTAY_ID = i.ICUSTAY_ID::INT
    """).fetchall()
    assert together > 0.1  # one modality tells of another
    summaries = tables.sql("""
        SELECT TEXT, HOSPITAL_EXPIRE_FLAG, n.CHARTTIME FROM NOTEEVENTS n JOIN ADMISSIONS USING (HADM_ID)
        WHERE CATEGORY = 'Discharge summary'
    """).fetchall()
    assert {(phrases.EXPIRED in text) == (died == "1") and time is None for text, died, time in summaries} == {True}


def test_notes_have_the_stated_dirt(tables):
    [(size, error, lost, untimed, again)] = tables.sql("""
        SELECT count(*), count(ISERROR), count(*) - count(HADM_ID), count(*) FILTER (CHARTTIME IS NULL),
            count(CHARTTIME) - count(DISTINCT SUBJECT_ID || CHARTTIME)
        FROM NOTEEVENTS WHERE CATEGORY <> 'Discharge summary'
    """).fetchall()
    for found, share in ((error, 0.01 * 0.76), (lost, 0.03), (untimed, 0.04), (again, 0.03 * 0.96**2)):
        assert abs(found - share * size) < 5 * np.sqrt(share * size), share
    [(silent, patients)] = tables.sql("""
        SELECT count(*) FILTER (SUBJECT_ID NOT IN (SELECT SUBJECT_ID FROM NOTEEVENTS)), count(*) FROM PATIENTS
    """).fetchall()
    assert abs(silent - 0.08 * patients) < 5 * np.sqrt(0.08 * patients)


def test_codes_follow_the_severity(many):
    from sklar.clinical.mimic3_simulation.codes import diagnoses

    given, chance = [], []
    for roster in many:
        coded = diagnoses(roster).to_pydict()
        failing = {hadm for hadm, code in zip(coded["HADM_ID"], coded["ICD9_CODE"], strict=True) if code == "5849"}
        last = roster.last_stay
        given += [hadm in failing for hadm in roster.hadm_id.tolist()]
        chance.append(logistic(-1.4 + 0.9 * roster.severity[last] + 1.0 * (roster.group[last] == 3)))
    given, chance = np.array(given), np.concatenate(chance) * (1 - 0.003)
    for part in np.array_split(np.argsort(chance), 5):
        assert close(given[part], chance[part])


def test_some_admissions_and_patients_are_special(many):
    stays = np.concatenate([np.bincount(roster.admission) for roster in many])
    admissions = np.concatenate([np.bincount(roster.subject) for roster in many])
    assert close(stays > 1, 0.07)
    assert close(admissions > 1, 0.24 * 0.95)
    ages = np.concatenate([roster.age[np.append(True, np.diff(roster.stay_subject) > 0)] for roster in many])
    assert close(ages < 18, 0.05)
    assert (ages == 0).any()
    assert (ages > 90).any()


def test_a_killed_run_leaves_whole_tables_and_goes_on(tmp_path, capsys):
    whole = simulate_mimic3(tmp_path / "whole", 60, 9)
    broken = tmp_path / "broken"
    command = [sys.executable, "-m", "sklar.cli", "simulate", "mimic3", str(broken), "--stays", "60", "--seed", "9"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as run:
        assert any(line.startswith("DIAGNOSES_ICD:") for line in run.stdout)
        os.killpg(run.pid, signal.SIGKILL)
    there = {name: data for name, data in content(broken).items() if not name.endswith(".part")}
    assert "DIAGNOSES_ICD.csv" in there
    assert "NOTEEVENTS.csv" not in there
    assert there == {name: content(whole)[name] for name in there}
    capsys.readouterr()
    simulate_mimic3(broken, 60, 9)
    assert "PATIENTS: there already" in capsys.readouterr().out
    assert content(broken) == content(whole)


def test_an_error_within_a_table_leaves_no_part_of_it(tmp_path, monkeypatch):
    whole = simulate_mimic3(tmp_path / "whole", 70, 9)
    original = simulate.blocks

    def failing(plan, name):
        parts = original(plan, name)
        yield next(parts)
        if name == "LABEVENTS":
            raise OSError("no space left")
        yield from parts

    monkeypatch.setattr(simulate, "blocks", failing)
    with pytest.raises(OSError, match="no space"):
        simulate_mimic3(tmp_path / "broken", 70, 9)
    assert not (tmp_path / "broken" / "LABEVENTS.csv").exists()
    monkeypatch.undo()
    assert content(simulate_mimic3(tmp_path / "broken", 70, 9)) == content(whole)


def test_blocks_are_made_one_at_a_time_and_let_go():
    """Memory is that of a block: nothing is made ahead, nothing is kept, and no block has more than its patients."""
    plan = make_plan(200, 0)
    assert plan.blocks > 3
    for name in ("CHARTEVENTS", "NOTEEVENTS", "truth/hours"):
        parts = simulate.blocks(plan, name)
        kept = []
        for _ in range(3):
            part = next(parts)
            kept.append(weakref.ref(part))
            assert 0 < len(set(part[0 if "truth" in name else "SUBJECT_ID"].to_pylist())) <= 3 * PATIENTS
            del part
            assert [reference() for reference in kept] == [None] * len(kept)


def test_a_block_needs_no_other():
    plan = make_plan(200, 0)
    parts = list(simulate.blocks(plan, "ICUSTAYS"))
    alone = make_roster(plan, 2)
    assert parts[2]["ICUSTAY_ID"].to_pylist() == alone.icustay_id.tolist()
    assert sum(part.num_rows for part in parts) == 200


def test_settings_are_kept_beside_the_tables(raw):
    settings = json.loads((raw / "simulation.json").read_text())
    assert (settings["stays"], settings["seed"], settings["packed"]) == (STAYS, 3, False)
    assert settings["dirt"] == story.DIRT
    assert all((raw / name).is_file() for name in settings["files"])
    assert pq.read_metadata(raw / "truth" / "stays.parquet").num_rows == STAYS
    field = pq.read_schema(raw / "truth" / "hours.parquet").field("Temperature")
    assert field.metadata[b"unit"] == b"C"


@pytest.mark.parametrize(
    ("options", "message"),
    [(["--stays", "0"], "stays=0: give a number from 1"), (["--stays", "90000"], "stays=90000: give a number from 1"),
     (["--seed", "-1"], "seed=-1: give a number of at least 0")],
)  # fmt: skip
def test_a_wrong_number_is_explained(options, message, tmp_path):
    with pytest.raises(SystemExit, match=message):
        main(["simulate", "mimic3", str(tmp_path / "raw"), *options])
    assert not (tmp_path / "raw").exists()


def test_other_folders_are_left_alone(tmp_path, capsys):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("years of work")
    with pytest.raises(SystemExit, match=r"holds 'thesis.txt', which is no part of a simulation"):
        main(["simulate", "mimic3", str(tmp_path / "full")])
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError, match="is a file"):
        simulate_mimic3(tmp_path / "file", 1)
    with pytest.raises(SystemExit) as status:
        main(["simulate", "mimic3", str(tmp_path / "raw"), "--stays", "1"])
    assert status.value.code in (None, 0)
    assert str(tmp_path / "raw") in capsys.readouterr().out
    with pytest.raises(ValueError, match=r"other settings \(stays\)"):
        simulate_mimic3(tmp_path / "raw", 2)
    (tmp_path / "raw" / "more.csv").write_text("")
    with pytest.raises(FileExistsError, match=r"holds 'more.csv'"):
        simulate_mimic3(tmp_path / "raw", 1)
