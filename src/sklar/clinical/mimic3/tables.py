"""Which columns of which tables are read, and what must hold of them.

What is not listed is never read: HOSPITAL_EXPIRE_FLAG, DISCHARGE_LOCATION and the like are outcomes.
"""

from __future__ import annotations

_EVENT = {
    "SUBJECT_ID": "INTEGER", "HADM_ID": "INTEGER", "ICUSTAY_ID": "INTEGER", "ITEMID": "INTEGER",
    "CHARTTIME": "TIMESTAMP", "VALUE": "VARCHAR", "VALUEUOM": "VARCHAR",
}  # fmt: skip

COLUMNS: dict[str, dict[str, str]] = {
    "PATIENTS": {"SUBJECT_ID": "INTEGER", "GENDER": "VARCHAR", "DOB": "TIMESTAMP", "DOD": "TIMESTAMP"},
    "ADMISSIONS": {
        "SUBJECT_ID": "INTEGER", "HADM_ID": "INTEGER", "ADMITTIME": "TIMESTAMP", "DISCHTIME": "TIMESTAMP",
        "DEATHTIME": "TIMESTAMP", "ETHNICITY": "VARCHAR", "DIAGNOSIS": "VARCHAR",
    },
    "ICUSTAYS": {
        "SUBJECT_ID": "INTEGER", "HADM_ID": "INTEGER", "ICUSTAY_ID": "INTEGER", "DBSOURCE": "VARCHAR",
        "FIRST_CAREUNIT": "VARCHAR", "LAST_CAREUNIT": "VARCHAR", "FIRST_WARDID": "INTEGER", "LAST_WARDID": "INTEGER",
        "INTIME": "TIMESTAMP", "OUTTIME": "TIMESTAMP", "LOS": "DOUBLE",
    },
    "DIAGNOSES_ICD": {"SUBJECT_ID": "INTEGER", "HADM_ID": "INTEGER", "SEQ_NUM": "INTEGER", "ICD9_CODE": "VARCHAR"},
    "D_ICD_DIAGNOSES": {"ICD9_CODE": "VARCHAR", "SHORT_TITLE": "VARCHAR", "LONG_TITLE": "VARCHAR"},
    "CHARTEVENTS": _EVENT | {"ERROR": "INTEGER"},
    "LABEVENTS": {name: kind for name, kind in _EVENT.items() if name != "ICUSTAY_ID"},
    "OUTPUTEVENTS": _EVENT,
    "NOTEEVENTS": {
        "SUBJECT_ID": "INTEGER", "HADM_ID": "INTEGER", "CHARTTIME": "TIMESTAMP", "STORETIME": "TIMESTAMP",
        "CATEGORY": "VARCHAR", "ISERROR": "VARCHAR", "TEXT": "VARCHAR",
    },
}  # fmt: skip

OPTIONAL = ("NOTEEVENTS",)  # the demo of MIMIC-III and many copies come without
EVENTS = ("CHARTEVENTS", "LABEVENTS", "OUTPUTEVENTS")

# table, condition of a faulty row, what is wrong, remedy. The first faulty row is named.
FAULTS: tuple[tuple[str, str, str, str], ...] = (
    ("PATIENTS", "SUBJECT_ID IS NULL", "SUBJECT_ID is empty", "download the table again"),
    ("PATIENTS", "count(*) OVER (PARTITION BY SUBJECT_ID) > 1", "SUBJECT_ID occurs twice",
     "keep one row of each patient"),
    ("ADMISSIONS", "HADM_ID IS NULL OR SUBJECT_ID IS NULL", "HADM_ID or SUBJECT_ID is empty",
     "download the table again"),
    ("ADMISSIONS", "count(*) OVER (PARTITION BY HADM_ID) > 1", "HADM_ID occurs twice",
     "keep one row of each admission"),
    ("ICUSTAYS", "ICUSTAY_ID IS NULL OR SUBJECT_ID IS NULL OR HADM_ID IS NULL",
     "ICUSTAY_ID, SUBJECT_ID or HADM_ID is empty", "download the table again"),
    ("ICUSTAYS", "count(*) OVER (PARTITION BY ICUSTAY_ID) > 1", "ICUSTAY_ID occurs twice", "keep one row of each stay"),
    ("ICUSTAYS", "INTIME IS NULL", "INTIME is empty", "leave the stay out, or give its start"),
    ("ICUSTAYS", "OUTTIME < INTIME", "the stay ends before it starts",
     "correct INTIME or OUTTIME, or leave the stay out"),
    ("ICUSTAYS", "LOS < 0 OR NOT isfinite(LOS)", "LOS is negative or no number", "correct LOS (days)"),
    ("D_ICD_DIAGNOSES", "count(*) OVER (PARTITION BY ICD9_CODE) > 1", "ICD9_CODE occurs twice",
     "keep one title a code"),
)  # fmt: skip
