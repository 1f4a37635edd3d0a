"""Counts that others published, and how to know the data that they hold for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from sklar.clinical.mimic3.tasks import PARTS

# Rows of the raw tables. MIMIC-III v1.4: MIT-LCP/mimic-code, mimic-iii/buildmimic/postgres/postgres_checks.sql.
# The demo: its own files.
RAW_ROWS: dict[str, dict[str, int]] = {
    "MIMIC-III Clinical Database Demo v1.4": {
        "PATIENTS": 100, "ADMISSIONS": 129, "ICUSTAYS": 136, "CHARTEVENTS": 758_355, "LABEVENTS": 76_074,
    },
    "MIMIC-III v1.4": {
        "PATIENTS": 46_520, "ADMISSIONS": 58_976, "ICUSTAYS": 61_532, "CHARTEVENTS": 330_712_483,
        "LABEVENTS": 27_854_055,
    },
}  # fmt: skip
DEMO, FULL = RAW_ROWS

# YerevaNN/mimic3-benchmarks, mimic3benchmark/scripts/more_on_validating_events.md: what the scripts print.
EVENTS = {
    "n_events": 253_116_833, "empty_hadm": 5_162_703, "no_hadm_in_stay": 32_266_173, "no_icustay": 15_735_688,
    "recovered": 15_735_688, "could_not_recover": 0, "icustay_missing_in_stays": 7_115_720,
}  # fmt: skip
# Harutyunyan et al., Scientific Data 6:96, 2019.
KEPT = {"ICUSTAY_IDs": 42_276, "SUBJECT_IDs": 33_798}
ROWS = {  # training with validation, test
    "ihm": (17_903, 3_236),
    "phenotyping": (35_621, 6_281),
}
# Wu et al., ICML 2025 (CM2): rows of train, validation and test, positives in all; the same of the stays with notes.
CM2 = {"ihm": ((14_681, 3_222, 3_236), 2_795), "readmission": ((14_681, 3_222, 3_236), 3_987)}
CM2_NOTES = {"ihm": ((3_652, 815, 806), 736), "readmission": ((3_652, 815, 806), 998)}


def recognise(tables: Mapping[str, Mapping[str, Any]]) -> str | None:
    """The name of the data whose raw row counts these are; None for other data.

    Args:
        tables: of ``cohort.json``.
    """
    for name, rows in RAW_ROWS.items():
        if all(tables.get(table, {}).get("rows") == number for table, number in rows.items()):
            return name
    return None


def expected(name: str | None, cohort: Mapping[str, Any]) -> Iterator[tuple[str, int, int]]:
    """What was counted, how much here, and how much was published.

    Args:
        name: of the data, of `recognise`; None has no published counts.
        cohort: the content of ``cohort.json``.
    """
    settings, found = cohort["settings"], cohort["tasks"]
    official = settings["mode"] == "compat" and settings["splits"] is None
    if name == DEMO:
        golden = json.loads(files("sklar.clinical.mimic3").joinpath("facts", "demo_counts.json").read_text("utf-8"))
        for here, there in zip(cohort["exclusions"], golden["extract_subjects"], strict=True):
            yield from ((f"{here['step']}, {key}", here[key], there[key]) for key in there if key != "step")
        for key, value in golden["validate_events"].items():
            yield f"events, {key}", cohort["validate_events"][key], value
        for task, parts in (golden["tasks"] if official else {}).items():
            mine = "readmission" if task == "cm2_readmission" else task
            if task == "cm2_readmission" and settings["readmission"] != "cm2":
                continue
            for part, counts in parts.items() if mine in found else ():
                for key, value in counts.items():
                    if key in found[mine][part] and isinstance(value, int):
                        yield f"{mine}, {part}, {key}", found[mine][part][key], value
    elif name == FULL:
        yield from ((f"kept, {key}", cohort["exclusions"][-1][key], value) for key, value in KEPT.items())
        for key, value in EVENTS.items():
            yield f"events, {key}", cohort["validate_events"][key], value
        noted = cohort["with_notes"] if "NOTEEVENTS" in cohort["tables"] else {}
        yield from _full_tasks(found, settings, noted) if official else ()


def _full_tasks(
    found: Mapping[str, Any], settings: Mapping[str, Any], noted: Mapping[str, Any]
) -> Iterator[tuple[str, int, int]]:
    for task, (learning, test) in ROWS.items():
        if task in found:
            yield f"{task}, train and val", sum(found[task][part]["rows"] for part in ("train", "val")), learning
            yield f"{task}, test", found[task]["test"]["rows"], test
    for task, (rows, positives) in CM2.items():
        if task in found and (task == "ihm" or settings["readmission"] == "cm2"):
            for part, number in zip(PARTS, rows, strict=True):
                yield f"{task} of CM2, {part}", found[task][part]["rows"], number
            yield f"{task} of CM2, positives", sum(part["positives"] for part in found[task].values()), positives
    for task, (rows, positives) in (CM2_NOTES if noted else {}).items():
        if task in noted and (task == "ihm" or settings["readmission"] == "cm2"):
            for part, number in zip(PARTS, rows, strict=True):
                yield f"{task} of CM2 with notes, {part}", noted[task].get(part, {}).get("rows", 0), number
            yield f"{task} of CM2 with notes, positives", sum(p["positives"] for p in noted[task].values()), positives
