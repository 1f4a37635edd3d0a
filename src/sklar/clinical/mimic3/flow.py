"""How a cohort's numbers arise, as a flow chart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklar.clinical.mimic3.tasks import PARTS

_STEPS = {
    "START": "ICU stays",
    "REMOVE ICU TRANSFERS": "without a change of ward or unit, with an admission",
    "REMOVE MULTIPLE STAYS PER ADMIT": "the only such stay of their admission",
    "REMOVE PATIENTS AGE < 18": "kept: patients of 18 years or more",
}
_EVENTS = {
    "empty_hadm": "without an admission",
    "no_hadm_in_stay": "of an admission without a kept stay",
    "icustay_missing_in_stays": "of another stay",
}
_TASKS = {
    "ihm": "in-hospital mortality at 48 h",
    "readmission": "readmission",
    "phenotyping": "phenotyping",
    "length_of_stay": "length of stay",
    "decompensation": "decompensation",
}


def flow_chart(cohort: Mapping[str, Any]) -> str:
    """A Mermaid flow chart of a ``cohort.json``: stays, events, and the rows and stays of each task.

    Args:
        cohort: its content.
    """
    lines = ["flowchart TD"]
    before = None
    for number, step in enumerate(cohort["exclusions"]):
        counts = f"{step['ICUSTAY_IDs']:,} stays, {step['HADM_IDs']:,} admissions, {step['SUBJECT_IDs']:,} patients"
        lines.append(f'    s{number}["{_STEPS[step["step"]]}<br/>{counts}"]')
        if before is not None:
            gone = before["ICUSTAY_IDs"] - step["ICUSTAY_IDs"]
            lines.append(f'    s{number - 1} -->|"{gone:,} stays removed"| s{number}')
        before = step
    kept = f"s{len(cohort['exclusions']) - 1}"
    events = cohort["validate_events"]
    left = events["n_events"] - sum(events[name] for name in _EVENTS)
    lines.append(f'    e0["event rows of these patients<br/>{events["n_events"]:,}"]')
    lines.append(f'    e1["valid events<br/>{left:,}, {events["recovered"]:,} of them given the admission\'s stay"]')
    removed = "<br/>".join(f"{events[name]:,} {what}" for name, what in _EVENTS.items())
    lines += [f"    {kept} --> e0", f'    e0 -->|"removed: {removed}"| e1']
    for task, what in _TASKS.items():
        if task not in cohort["tasks"]:
            continue
        parts = cohort["tasks"][task]
        said = "<br/>".join(
            f"{part}: {counts['rows']:,} rows of {counts['stays']:,} stays"
            + (f", {counts['positives']:,} positive" if "positives" in counts else "")
            for part, counts in ((name, parts[name]) for name in PARTS if name in parts)
        )
        lines += [f'    {task}["{what}<br/>{said}"]', f"    e1 --> {task}"]
    return "\n".join(lines) + "\n"
