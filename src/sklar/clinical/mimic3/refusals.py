"""Where the published scripts stop, compat stops too: with the table, the row and the value."""

from __future__ import annotations

from typing import Any, NoReturn

from sklar.clinical.mimic3.engine import rows_of
from sklar.clinical.mimic3.pipeline import Pipeline
from sklar.clinical.mimic3.tables import EVENTS

CLEAN = "or use --mode clean, which leaves it out and counts it"


def refuse_values(pipeline: Pipeline) -> None:
    """Refuse a pressure, oxygen fraction, temperature, weight or height that is no number.

    Raises:
        ValueError: the first such row.
    """
    for source, row, variable, value in _first(
        pipeline, "SELECT source, row, VARIABLE, VALUE FROM readings WHERE refused ORDER BY source, row"
    ):
        _refuse(pipeline, EVENTS[source], row, f"the VALUE {value!r} of {variable} is no number", "correct it", CLEAN)


def refuse_people(pipeline: Pipeline) -> None:
    """Refuse a kept stay whose admission has no ETHNICITY.

    Raises:
        ValueError: the first such row.
    """
    for row, value in _first(
        pipeline,
        "SELECT row, coalesce(admission.ETHNICITY, '') FROM ADMISSIONS AS admission SEMI JOIN "
        "(SELECT HADM_ID FROM stays WHERE ETHNICITY IS NULL) AS lacking USING (HADM_ID) ORDER BY row",
    ):
        remedy = "fill it in (UNKNOWN/NOT SPECIFIED)"
        _refuse(pipeline, "ADMISSIONS", row, f"the ETHNICITY {value!r} is missing", remedy, CLEAN)


def refuse_codes(pipeline: Pipeline) -> None:
    """Refuse a diagnosis with a title but without a CCS group, of a stay that phenotyping holds.

    Raises:
        ValueError: the first such row.
    """
    for row, value in _first(
        pipeline,
        "SELECT code.row, code.ICD9_CODE FROM DIAGNOSES_ICD AS code JOIN diagnoses AS known "
        "ON known.HADM_ID = code.HADM_ID::VARCHAR AND known.ICD9_CODE = code.ICD9_CODE "
        "WHERE known.HCUP_CCS_2015 IS NULL AND CAST(known.ICUSTAY_ID AS INTEGER) IN "
        "(SELECT ICUSTAY_ID FROM windows WHERE first_hour IS NOT NULL) ORDER BY code.row",
    ):
        remedy = "correct it, leave phenotyping out (--tasks)"
        what = f"the ICD9_CODE {value!r} has a title but no CCS group"
        _refuse(pipeline, "DIAGNOSES_ICD", row, what, remedy, "or use --mode clean, which counts it in no group")


def _first(pipeline: Pipeline, query: str) -> list[Any]:
    """The first row of a result, or none."""
    return rows_of(pipeline.connection, f"{query} LIMIT 1")


def _refuse(pipeline: Pipeline, table: str, row: int, what: str, *remedies: str) -> NoReturn:
    place = f"{pipeline.files[table]}, row {row + 1} below the header"
    raise ValueError(f"{place}: {what}, and the published scripts stop there; {', '.join(remedies)}")
