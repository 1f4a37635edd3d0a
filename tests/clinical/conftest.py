"""A tiny eICU release with every table, made up, what a dataset folder holds, file by file, and five of MIMIC-III."""

import csv
from datetime import timedelta
from importlib.resources import as_file, files
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sklar.clinical.eicu_tables import COLUMNS, HOURLY

STAYS = range(1, 7)


def _patient(stay: int, **other: object) -> dict[str, object]:
    return {
        "patientunitstayid": stay, "uniquepid": f"00{stay // 2}", "hospitalid": 10 + stay % 2, "age": 50 + stay,
        "gender": "Male", "ethnicity": "Asian", "admissionheight": 170, "admissionweight": 80, "unittype": "MICU",
        "unitadmitsource": "Floor", "hospitaldischargestatus": "Expired" if stay % 3 == 0 else "Alive",
        "unitdischargeoffset": 2000, "hospitaldischargelocation": "Home", "dischargeweight": 79,
        "unitdischargestatus": "Alive",
    } | other  # fmt: skip


def small_release() -> dict[str, list[dict[str, object]]]:
    """Rows of each table: six stays that qualify, each with an entry at minute 60 in every table."""
    tables: dict[str, list[dict[str, object]]] = {"patient": [_patient(stay) for stay in STAYS]}
    tables["hospital"] = [{"hospitalid": 10, "numbedscategory": "<100", "teachingstatus": "f", "region": "West"},
                          {"hospitalid": 11, "numbedscategory": "", "teachingstatus": "t", "region": ""}]  # fmt: skip
    entries = {
        "admissiondx": {"admitdxenteredoffset": 60, "admitdxpath": "admission diagnosis|All Diagnosis|Sepsis"},
        "diagnosis": {"diagnosisoffset": 60, "diagnosisstring": "renal|oliguria", "activeupondischarge": "True"},
        "pasthistory": {"pasthistoryoffset": 60, "pasthistoryenteredoffset": 61,
                        "pasthistorypath": "notes/Progress Notes/Past History/Organ Systems/Renal/stones",
                        "pasthistoryvalue": "stones", "pasthistoryvaluetext": "stones"},
        "note": {"noteoffset": 60, "noteenteredoffset": 62,
                 "notepath": "notes/Progress Notes/Social History / Family History/Smoking/and/or pipe",
                 "notevalue": "and/or pipe", "notetext": "and/or pipe"},
        "respiratorycharting": {"respchartoffset": 60, "respchartentryoffset": 63, "respchartvaluelabel": "FiO2",
                                "respchartvalue": "40"},
        "infusiondrug": {"infusionoffset": 60, "drugname": "Norepinephrine (mcg/min)", "drugrate": "5"},
        "medication": {"drugorderoffset": 30, "drugstartoffset": 60, "drugordercancelled": "No",
                       "drugname": "ASPIRIN 81 MG PO CHEW", "drughiclseqno": 1820, "drugstopoffset": 5000},
        "treatment": {"treatmentoffset": 60, "treatmentstring": "cardiovascular|shock|vasopressors",
                      "activeupondischarge": "True"},
        "apachepatientresult": {"apacheversion": "IVa", "predictedhospitalmortality": 0.25,
                                "actualhospitalmortality": "ALIVE"},
    }  # fmt: skip
    for table, entry in entries.items():
        key = next((name for name in COLUMNS[table] if name.endswith("id") and name != "patientunitstayid"), "id")
        tables[table] = [{key: 100 * stay, "patientunitstayid": stay, **entry} for stay in STAYS]
    tables["hourly"] = [{"stay_id": stay, "hour": hour, "hr": 80.0 + stay} for stay in STAYS for hour in (0, 3)]
    return tables


def write_release(folder: Path, tables: dict[str, list[dict[str, object]]]) -> Path:
    """Write the tables as plain CSV and the hourly ones as YAIB's Parquet."""
    folder.mkdir(parents=True, exist_ok=True)
    for table, rows in tables.items():
        if table == "hourly":
            continue
        with (folder / f"{table}.csv").open("w", newline="") as stream:
            writer = csv.DictWriter(stream, fieldnames=list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    hourly = tables["hourly"]
    columns = {"stay_id": pa.array([row["stay_id"] for row in hourly], pa.int32()),
               "time": pa.array([3600 * row["hour"] for row in hourly], pa.duration("s"))}  # fmt: skip
    columns |= {name: pa.array([row.get(name) for row in hourly], pa.float64()) for name in HOURLY}
    (folder / "yaib" / "los").mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), folder / "yaib" / "los" / "dyn.parquet")
    return folder


@pytest.fixture
def release() -> dict[str, list[dict[str, object]]]:
    return small_release()


@pytest.fixture(scope="session")
def small():
    return small_release


@pytest.fixture(scope="session")
def write():
    return write_release


@pytest.fixture(scope="session")
def content():
    """The files of a dataset folder by name."""
    return lambda folder: {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


SLICE = (10006, 10032, 10046, 10074, 10102)  # training, validation and test patients of the demo
EVERY = ("PATIENTS", "ADMISSIONS", "ICUSTAYS", "DIAGNOSES_ICD", "CHARTEVENTS", "LABEVENTS", "OUTPUTEVENTS")
NOTE = ("ROW_ID", "SUBJECT_ID", "HADM_ID", "CHARTDATE", "CHARTTIME", "STORETIME", "CATEGORY", "DESCRIPTION", "CGID",
        "ISERROR", "TEXT")  # fmt: skip


def _made_up_notes(stays):
    """Notes of every stay: twelve up to its 72nd hour, one of them in error, and a discharge summary without a time."""
    rows = []
    for subject, admission, start in stays:
        for number, hour in enumerate((-5, 2, 2, 8, 14, 20, 30, 40, 47, 48.5, 60, 72)):
            time = (start + timedelta(hours=hour)).isoformat(sep=" ")
            error = "1" if number == 3 else ""
            text = f'Patient seen, "stable".\nEntry {number} of {admission}, plan unchanged.'
            rows.append((0, subject, admission, time[:10], time, time, "Nursing", "Report", 1, error, text))
        day = start.date().isoformat()
        text = f"Admission Date: {day} Discharge Date: {day}\nDied."
        rows.append((0, subject, admission, day, "", "", "Discharge summary", "Report", "", "", text))
    return [(number, *row[1:]) for number, row in enumerate(rows, 1)]


@pytest.fixture(scope="session")
def mimic3_slice(shared, tmp_path_factory):
    """Raw files of five patients of the MIMIC-III demo, the mapped items and some others, with made-up notes."""
    demo, raw = shared / "data" / "mimic3-demo", tmp_path_factory.mktemp("slice") / "raw"
    raw.mkdir()
    connection = duckdb.connect(config={"threads": 1})
    with as_file(files("sklar.clinical.mimic3").joinpath("facts", "itemid_map.csv")) as items:
        connection.execute("CREATE TABLE items AS SELECT ITEMID::VARCHAR AS ITEMID FROM read_csv(?)", [str(items)])
    for table in (*EVERY, "D_ICD_DIAGNOSES"):
        where = "true"
        if table != "D_ICD_DIAGNOSES":
            where = f"SUBJECT_ID IN ({', '.join(repr(str(number)) for number in SLICE)})"
        if table == "CHARTEVENTS":
            where += " AND (ITEMID IN (FROM items) OR ROW_ID::BIGINT % 40 = 0)"
        connection.execute(
            f"COPY (FROM read_csv('{demo / table}.csv.gz', all_varchar = true) WHERE {where}) "
            f"TO '{raw / table}.csv' (HEADER, DELIMITER ',')"
        )
    _write_notes(raw, raw / "ICUSTAYS.csv")
    return raw


def _write_notes(raw, table):
    """Made-up notes of every stay of ICUSTAYS."""
    stays = duckdb.sql(f"SELECT SUBJECT_ID, HADM_ID, INTIME FROM read_csv('{table}') ORDER BY ICUSTAY_ID").fetchall()
    with (raw / "NOTEEVENTS.csv").open("w", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([NOTE, *_made_up_notes(stays)])


@pytest.fixture(scope="session")
def mimic3_noted(shared, tmp_path_factory):
    """Raw files of the whole MIMIC-III demo with made-up notes."""
    demo, raw = shared / "data" / "mimic3-demo", tmp_path_factory.mktemp("noted") / "raw"
    raw.mkdir()
    for table in (*EVERY, "D_ICD_DIAGNOSES"):
        (raw / f"{table}.csv.gz").symlink_to(demo / f"{table}.csv.gz")
    _write_notes(raw, raw / "ICUSTAYS.csv.gz")
    return raw
