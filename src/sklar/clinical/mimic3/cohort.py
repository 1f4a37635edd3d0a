"""``cohort.json``: where a cohort comes from, and what each exclusion removed."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sklar.clinical.mimic3.content import content_hash
from sklar.clinical.mimic3.engine import counts_of, rows_of
from sklar.clinical.mimic3.pipeline import Pipeline
from sklar.clinical.mimic3.raw import fingerprint
from sklar.clinical.mimic3.work import FORMAT, code_print

if TYPE_CHECKING:
    import duckdb

# What is left after each exclusion, in order.
EXCLUSIONS = (
    ("START", ()),
    ("REMOVE ICU TRANSFERS", ("transfer", "no_admission")),
    ("REMOVE MULTIPLE STAYS PER ADMIT", ("multiple_stays",)),
    ("REMOVE PATIENTS AGE < 18", ("age_below_18",)),
)


def settings_of(
    tasks: Sequence[str],
    mode: str,
    readmission: str | None = None,
    step: int = 1,
    splits: Path | None = None,
    note_sample: bool = False,
) -> dict[str, Any]:
    """The settings of a preparation as ``cohort.json`` holds them."""
    return {
        "tasks": list(tasks),
        "mode": mode,
        "readmission": readmission or ("clean" if mode == "clean" else "cm2"),
        "step": step,
        "note_sample": note_sample,
        "splits": None if splits is None else str(Path(splits).absolute()),
    }


def made_from(cohort: Mapping[str, Any], settings: Mapping[str, Any], files: Mapping[str, Path]) -> bool:
    """Whether a ``cohort.json`` is of these settings, this code and these very files.

    Args:
        cohort: its content.
        settings: of `settings_of`.
        files: the raw tables.
    """
    tables = cohort.get("tables", {})
    return (
        cohort.get("settings") == dict(settings)
        and cohort.get("versions", {}).get("code") == code_print()
        and tables.keys() == files.keys()
        and all(tables[name]["bytes"] == file.stat().st_size for name, file in files.items())
        and all(tables[name]["sha256"] == fingerprint(file) for name, file in files.items())
    )


def describe(
    pipeline: Pipeline, settings: Mapping[str, Any], tables: Mapping[str, Any], told: Mapping[str, Any]
) -> dict[str, Any]:
    """The content of ``cohort.json``.

    Args:
        pipeline: all steps done.
        settings: of the preparation.
        tables: of each raw table its file, bytes, SHA-256 and rows.
        told: what the dataset folders gave to say.
    """
    import duckdb

    stages = {file.stem: file for file in sorted(pipeline.work.stages.glob("*.parquet"))}
    hashes = {name: content_hash(pipeline.connection, file) for name, file in stages.items()}
    return {
        "format": FORMAT,
        # without importing the package's front, which pulls in the joint
        "versions": {"sklar": sys.modules["sklar"].__version__, "code": code_print(), "duckdb": duckdb.__version__},
        "settings": dict(settings),
        "tables": dict(tables),
        "exclusions": exclusions(pipeline),
        "stays_without_admission": pipeline.count("SELECT count(*) FROM decisions WHERE decision = 'no_admission'"),
        "readings_without_time": pipeline.count("SELECT count(*) FROM readings WHERE CHARTTIME IS NULL"),
        "validate_events": counts_of(
            pipeline.connection, "SELECT sum(COLUMNS(* EXCLUDE (subject_id))) FROM validate_events_by_subject"
        ),
        "tasks": {name: task_counts(pipeline, name) for name in (*settings["tasks"], "multitask") if name in stages},
        "notes": note_counts(pipeline),
        "stages": {name: {"rows": rows, "hash": text} for name, (rows, text) in hashes.items()},
        **({"clean": clean_counts(pipeline)} if pipeline.clean else {}),
        **told,
    }


def exclusions(pipeline: Pipeline) -> list[dict[str, Any]]:
    """ICU stays, admissions and patients that are left after each exclusion."""
    gone: list[str] = []
    found = []
    for step, decisions in EXCLUSIONS:
        gone += decisions
        left = ", ".join(f"'{name}'" for name in ("", *gone))
        counts = counts_of(
            pipeline.connection,
            "SELECT count(DISTINCT ICUSTAY_ID) AS ICUSTAY_IDs, count(DISTINCT HADM_ID) AS HADM_IDs, "
            f"count(DISTINCT SUBJECT_ID) AS SUBJECT_IDs FROM stay_decisions WHERE decision NOT IN ({left})",
        )
        found.append({"step": step, **counts})
    return found


def task_counts(pipeline: Pipeline, name: str) -> dict[str, dict[str, int]]:
    """Rows, stays and positives of a list, by part."""
    positives = "" if name in ("length_of_stay", "phenotyping", "multitask") else ", sum(CAST(y_true AS INTEGER))"
    rows = rows_of(
        pipeline.connection,
        f"SELECT split, count(*), count(DISTINCT ICUSTAY_ID){positives} FROM {name} GROUP BY split ORDER BY split",
    )
    names = ("rows", "stays", "positives")
    return {split: dict(zip(names, map(int, counts), strict=False)) for split, *counts in rows}


def note_counts(pipeline: Pipeline) -> dict[str, int]:
    """How many notes there are, are linked to a kept stay, and are left out by each rule."""
    linked = counts_of(
        pipeline.connection,
        "SELECT count(*) AS linked, count(*) FILTER (NOT has_text) AS without_text, "
        "count(*) FILTER (in_error) AS in_error, count(*) FILTER (discharge_summary) AS discharge_summaries, "
        "count(*) FILTER (charted IS NULL) AS without_chart_time, count(*) FILTER (cm2) AS cm2 FROM notes_linked",
    )
    used = {name: pipeline.count(f"SELECT count(*) FROM {name}") for name in ("notes_first", "notes_48", "notes_stay")}
    return {"rows": pipeline.count("SELECT count(*) FROM NOTEEVENTS"), **linked, **used}


def with_notes(connection: duckdb.DuckDBPyConnection, folder: Path, label: str) -> dict[str, dict[str, int]]:
    """Rows of the third that CM2 drew which have notes, and the positives among them, by part.

    Args:
        connection: DuckDB.
        folder: a dataset folder with one row a stay.
        label: its label column.
    """
    file = str(folder / "samples.parquet").replace("'", "''")
    rows = rows_of(
        connection,
        f"SELECT CASE split WHEN 'validation' THEN 'val' ELSE split END AS part, count(*), sum({label}) "
        f"FROM read_parquet('{file}') WHERE has_notes AND in_note_sample GROUP BY part ORDER BY part",
    )
    return {part: {"rows": int(number), "positives": int(positives)} for part, number, positives in rows}


def clean_counts(pipeline: Pipeline) -> dict[str, Any]:
    """What clean changed: readings dropped by reason and variable, several values at one time, and the rest."""
    dropped: dict[str, dict[str, int]] = {}
    for reason, variable, number in rows_of(
        pipeline.connection,
        "SELECT dropped, VARIABLE, count(*) FROM readings WHERE dropped IS NOT NULL GROUP BY ALL ORDER BY ALL",
    ):
        dropped.setdefault(reason, {})[variable] = int(number)
    repeated = pipeline.count(
        "SELECT count(*) FROM (SELECT 1 FROM readings WHERE dropped IS NULL "
        "GROUP BY ICUSTAY_ID, CHARTTIME, VARIABLE HAVING count(DISTINCT coalesce(text, number::VARCHAR)) > 1)"
    )
    return {
        "dropped": dropped,
        "times_with_several_values": repeated,
        "coma_scale_totals": pipeline.count('SELECT count("Glascow coma scale total") FROM timeseries'),
        "coma_scale_totals_charted": pipeline.count(
            "SELECT count(DISTINCT (ICUSTAY_ID, CHARTTIME)) FROM readings "
            "WHERE VARIABLE = 'Glascow coma scale total' AND number IS NOT NULL"
        ),
        "patients_with_codes_of_digits_alone": pipeline.count(
            "SELECT count(*) FROM (SELECT 1 FROM diagnoses GROUP BY SUBJECT_ID "
            "HAVING bool_and(regexp_full_match(ICD9_CODE, '[0-9]+')))"
        ),
        "ages_over_89": pipeline.count("SELECT count(*) FROM stays WHERE AGE = 91.4"),
        "deaths_by_date_alone_not_counted": pipeline.count(
            "SELECT count(*) FROM stays WHERE DEATHTIME IS NULL AND DOD BETWEEN ADMITTIME AND DISCHTIME"
        ),
        "codes_without_group": pipeline.count("SELECT count(*) FROM diagnoses WHERE HCUP_CCS_2015 IS NULL"),
        "stays_without_ethnicity": pipeline.count("SELECT count(*) FROM stays WHERE ETHNICITY IS NULL"),
    }
