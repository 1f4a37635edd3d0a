"""``sklar verify mimic3``: counts beside published ones, content hashes, and the leakage audit."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sklar.clinical.mimic3.audit import RULES, Finding, audit
from sklar.clinical.mimic3.content import content_hash
from sklar.clinical.mimic3.engine import open_engine, query
from sklar.clinical.mimic3.facts import load_facts
from sklar.clinical.mimic3.flow import flow_chart
from sklar.clinical.mimic3.published import expected, recognise
from sklar.clinical.mimic3.tasks import PARTS, TASKS
from sklar.clinical.mimic3.work import COHORT, FORMAT, read_json, write_whole
from sklar.data import check_dataset


@dataclass(frozen=True)
class Verdict:
    """What verifying found.

    Attributes:
        data: name of the data whose published counts were judged; None where they are unknown.
        failures: counts that differ, files that have changed, errors of dataset folders, and leaks.
        let_through: leaks that the published rules make, and that compat therefore has.
        leaks: all others; in clean, all.
    """

    data: str | None
    failures: int
    let_through: tuple[Finding, ...]
    leaks: tuple[Finding, ...]


def verify_mimic3(out: Path, *, flow: Path | None = None, memory: str = "2GB", threads: int | None = None) -> int:
    """Verify a folder that ``sklar prepare mimic3`` wrote; every finding is printed.

    Args:
        out: the folder.
        flow: file for a Mermaid flow chart of how the cohort's numbers arise.
        memory: of DuckDB; what does not fit goes to disk.
        threads: of DuckDB; by default one a core.

    Returns:
        Exit status: 1 where a count differs from a published one, a file has changed, a dataset folder has errors, or
        the audit finds a leak that the published rules do not let through (in clean: any).

    Raises:
        FileNotFoundError: there is no such folder, or it is none of ``sklar prepare mimic3``. ValueError: its
            ``cohort.json`` cannot be read. ImportError: duckdb is not installed.
    """
    return int(judge(out, flow=flow, memory=memory, threads=threads).failures > 0)


def judge(out: Path, *, flow: Path | None = None, memory: str = "2GB", threads: int | None = None) -> Verdict:
    """As `verify_mimic3`, with what was found."""
    out = Path(out)
    if not (out / COHORT).is_file():
        raise FileNotFoundError(f"{out} has no {COHORT}; sklar prepare mimic3 RAW {out} makes it")
    try:
        cohort = read_json(out / COHORT)
        if cohort["format"] != FORMAT:
            raise ValueError(cohort["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{out / COHORT} cannot be read ({error}); prepare the folder again") from None
    if flow is not None:
        write_whole(Path(flow), lambda part: part.write_text(flow_chart(cohort), encoding="utf-8"))
    with tempfile.TemporaryDirectory(prefix="sklar-verify-") as spill:
        connection = open_engine(Path(spill), memory, threads)
        try:
            load_facts(connection)
            for statement in query("macros"):
                connection.execute(statement)
            name = recognise(cohort["tables"])
            print(f"data: {name or 'not known; counts are listed, not judged'}")
            failures = _counts(name, cohort)
            failures += _contents(out, cohort, connection)
            clean = cohort["settings"]["mode"] == "clean"
            found = audit(out, cohort, connection)
        finally:
            connection.close()
    let_through = tuple(finding for finding in found if finding.published and not clean)
    leaks = tuple(finding for finding in found if finding not in let_through)
    for note, findings in (("leak", leaks), ("let through by the published rules", let_through)):
        for finding in findings:
            print(f"audit: {note}: {finding.rule}: {finding.place}: {finding.what}")
    failures += len(leaks)
    print(f"audit: {len(RULES) + 1} rules, {len(found)} findings")
    print(f"{out}: {'verified' if not failures else f'{failures} failures'}")
    return Verdict(name, failures, let_through, leaks)


def _counts(name: str | None, cohort: dict[str, Any]) -> int:
    """Print counts; how many differ from published ones."""
    wrong = 0
    judged = list(expected(name, cohort))
    for what, here, there in judged:
        wrong += here != there
        print(f"count: {what}: {here:,}" + (" as published" if here == there else f", PUBLISHED {there:,}"))
    if not judged:
        for step in cohort["exclusions"]:
            print(f"count: {step['step']}: {_listed({key: step[key] for key in step if key != 'step'})}")
        print(f"count: events: {_listed(cohort['validate_events'])}")
        for task, parts in cohort["tasks"].items():
            for part in PARTS:
                print(f"count: {task}, {part}: {_listed(parts.get(part, {'rows': 0}))}")
        print(f"count: notes: {_listed(cohort['notes'])}")
    changed = dict(cohort.get("clean", {}))
    for reason, counts in changed.pop("dropped", {}).items():
        print(f"clean: dropped, {reason}: {sum(counts.values()):,} ({_listed(counts)})")
    for what, number in changed.items():
        print(f"clean: {what.replace('_', ' ')}: {number:,}")
    return wrong


def _listed(counts: Mapping[str, int]) -> str:
    """Counts in a line."""
    return ", ".join(f"{key} {value:,}" for key, value in counts.items())


def _contents(out: Path, cohort: dict[str, object], connection: object) -> int:
    """Compare every stage's rows and hash, and look through the dataset folders; how many are wrong."""
    wrong = 0
    stages: dict[str, dict[str, object]] = cohort["stages"]  # type: ignore[assignment]
    there = {file.stem for file in (out / "stages").glob("*.parquet")}
    for stage in sorted(there ^ {*stages}):
        wrong += 1
        print(f"content: stages/{stage}.parquet is {'missing' if stage in stages else 'no stage of this preparation'}")
    for stage in sorted(there & {*stages}):
        import duckdb

        try:
            rows, text = content_hash(connection, out / "stages" / f"{stage}.parquet")  # type: ignore[arg-type]
        except duckdb.Error:
            rows, text = -1, "unreadable"
        same = (rows, text) == (stages[stage]["rows"], stages[stage]["hash"])
        wrong += not same
        print(f"content: stages/{stage}: {rows} rows, {text}{'' if same else ' CHANGED since it was prepared'}")
    for task in TASKS:
        if (out / task.folder).is_dir():
            errors = [problem for problem in check_dataset(out / task.folder) if problem.is_error]
            wrong += len(errors)
            for problem in errors:
                print(f"content: {task.folder}: {problem}")
    return wrong
