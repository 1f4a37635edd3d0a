"""Where the published scripts stop, compat stops too: with the table, the row and the value."""

from __future__ import annotations

from sklar.clinical.mimic3.engine import rows_of
from sklar.clinical.mimic3.pipeline import Pipeline
from sklar.clinical.mimic3.tables import EVENTS

CLEAN = "or use --mode clean, which leaves it out and counts it"


def refuse_values(pipeline: Pipeline) -> None:
    """Refuse a pressure, oxygen fraction, temperature, weight or height that is no number.

    Raises:
        ValueError: the first such row.
    """
    rows = rows_of(
        pipeline.connection,
        "SELECT source, row, VARIABLE, VALUE, count(*) OVER () FROM readings WHERE refused "
        "ORDER BY source, row LIMIT 1",
    )
    if rows:
        [(source, row, variable, value, number)] = rows
        more = f" ({number} such rows)" if number > 1 else ""
        raise ValueError(
            f"{pipeline.files[EVENTS[source]]}, row {row + 1} below the header: the VALUE {value!r} of {variable} is "
            f"no number, and the published scripts stop there{more}; correct it, {CLEAN}"
        )


def refuse_people(pipeline: Pipeline) -> None:
    """Refuse a kept stay whose admission has no ETHNICITY.

    Raises:
        ValueError: the first such row.
    """
    rows = rows_of(
        pipeline.connection,
        "SELECT row, coalesce(admission.ETHNICITY, '') FROM ADMISSIONS AS admission SEMI JOIN "
        "(SELECT HADM_ID FROM stays WHERE ETHNICITY IS NULL) AS lacking USING (HADM_ID) ORDER BY row LIMIT 1",
    )
    if rows:
        [(row, value)] = rows
        raise ValueError(
            f"{pipeline.files['ADMISSIONS']}, row {row + 1} below the header: the ETHNICITY {value!r} is missing, and "
            f"the published scripts stop there; fill it in (UNKNOWN/NOT SPECIFIED), {CLEAN}"
        )


def refuse_codes(pipeline: Pipeline) -> None:
    """Refuse a diagnosis with a title but without a CCS group, of a stay that phenotyping holds.

    Raises:
        ValueError: the first such row.
    """
    rows = rows_of(
        pipeline.connection,
        "SELECT code.row, code.ICD9_CODE FROM DIAGNOSES_ICD AS code JOIN diagnoses AS known "
        "ON known.HADM_ID = code.HADM_ID::VARCHAR AND known.ICD9_CODE = code.ICD9_CODE "
        "WHERE known.HCUP_CCS_2015 IS NULL AND CAST(known.ICUSTAY_ID AS INTEGER) IN "
        "(SELECT ICUSTAY_ID FROM windows WHERE first_hour IS NOT NULL) ORDER BY code.row LIMIT 1",
    )
    if rows:
        [(row, value)] = rows
        raise ValueError(
            f"{pipeline.files['DIAGNOSES_ICD']}, row {row + 1} below the header: the ICD9_CODE {value!r} has a title "
            "but no CCS group, and the published scripts stop there; correct it, leave phenotyping out (--tasks), "
            "or use --mode clean, which counts it in no group"
        )
