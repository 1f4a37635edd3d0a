"""`sklar simulate mimic3`: all files of a simulation, table by table."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sklar.clinical.mimic3.provenance import SIMULATION
from sklar.clinical.mimic3_simulation.plan import Plan, make_plan
from sklar.clinical.mimic3_simulation.story import DIRT

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 2  # of the story: another one, other files from the same seed
TRUTH = "truth"


def simulate_mimic3(out: Path, stays: int = 100, seed: int = 0, packed: bool = False) -> Path:
    """Write raw files like MIMIC-III's, of invented patients, with the truth beside them.

    `story` has the formulas: a severity, a course and a diagnosis group of each stay move its vital signs, laboratory
    values, notes, diagnoses, length and outcome. SUBJECT_IDs are those of the MIMIC-III benchmark's official lists.
    The tables have MIMIC-III's columns, and some of its dirt at the rates that simulation.json states.
    ``truth/stays.parquet`` has the latents, ``truth/hours.parquet`` every hourly value before any went unrecorded.

    Tables are written one after the other in blocks of patients, so that memory does not grow with the stays. A killed
    run leaves whole tables under their names; the same command goes on after the last of them. Equal settings give
    equal bytes (with one version of numpy and pyarrow). About 3,900 chart events and 0.4 MB a stay.

    Args:
        out: the folder; new, empty, or of an unfinished run with the same settings.
        stays: number of ICU stays, up to 80,000 (MIMIC-III has 61,532).
        seed: of everything, at least 0.
        packed: whether to write .csv.gz instead of .csv, about a ninth of the size.

    Returns:
        The folder.

    Raises:
        ValueError: a number is out of its range, or the folder holds a simulation of other settings.
        FileExistsError: the folder holds anything else.
        ImportError: no pyarrow.
    """
    try:
        import pyarrow as pa
    except ImportError:
        raise ImportError("simulating clinical tables needs pyarrow: pip install 'sklar[clinical]'") from None
    out = Path(os.path.abspath(out))
    plan = make_plan(stays, seed)
    files = _files(out, packed)
    settings = {
        "dataset": "simulated MIMIC-III",
        "story": VERSION,
        "stays": stays,
        "seed": seed,
        "packed": packed,
        "made_with": {"numpy": np.__version__, "pyarrow": pa.__version__},
        "dirt": DIRT,
        "files": [str(file.relative_to(out)) for file in files.values()],
    }
    _take_folder(out, settings)
    _write_tables(plan, files, packed)
    return out


def _files(out: Path, packed: bool) -> dict[str, Path]:
    """Every file by its table, in the order of writing."""
    from sklar.clinical.mimic3_simulation.layout import COLUMNS

    suffix = ".csv.gz" if packed else ".csv"
    files = {f"{TRUTH}/{name}": out / TRUTH / f"{name}.parquet" for name in ("stays", "hours")}
    return files | {name: out / f"{name}{suffix}" for name in COLUMNS}


def _take_folder(out: Path, settings: dict[str, object]) -> None:
    """Write the settings into a new folder; go on in one that has the same."""
    from sklar.clinical.mimic3_simulation.write import partial

    manifest = out / SIMULATION
    unfinished = partial(manifest)
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"{out} is a file; choose another place")
    known = {manifest.name, unfinished.name}
    there = sorted(path.name for path in out.iterdir()) if out.exists() else []
    if manifest.exists():
        try:
            before = json.loads(manifest.read_text(encoding="utf-8"))
        except ValueError:
            raise FileExistsError(f"{manifest} is not of a simulation; choose another place") from None
        apart = [name for name in settings if not isinstance(before, dict) or before.get(name) != settings[name]]
        if apart:
            raise ValueError(f"{out} holds a simulation with other settings ({', '.join(apart)}); choose another place")
        finished = [out / str(name) for name in before["files"]]
        known |= {path.relative_to(out).parts[0] for path in finished}
        known |= {partial(path).name for path in finished}
    if strange := [name for name in there if name not in known]:
        raise FileExistsError(f"{out} holds {strange[0]!r}, which is no part of a simulation; choose another place")
    (out / TRUTH).mkdir(parents=True, exist_ok=True)
    if not manifest.exists():
        unfinished.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
        os.replace(unfinished, manifest)


def _write_tables(plan: Plan, files: dict[str, Path], packed: bool) -> None:
    """Each table in its own pass over the blocks; those that are there stay."""
    from sklar.clinical.mimic3_simulation.dictionaries import dictionaries
    from sklar.clinical.mimic3_simulation.layout import schema
    from sklar.clinical.mimic3_simulation.write import Progress, write_csv, write_parquet

    same = dictionaries()
    progress = Progress(plan.blocks)
    for name, file in files.items():
        if file.exists():
            print(f"{name}: there already", flush=True)
            continue
        parts: Iterable[pa.Table] = [same[name]] if name in same else progress.follow(name, blocks(plan, name))
        rows = write_parquet(file, parts) if name.startswith(TRUTH) else write_csv(file, schema(name), parts, packed)
        progress.done(name, rows)


def blocks(plan: Plan, name: str) -> Iterator[pa.Table]:
    """The parts of a table, one a block of patients, each made when it is asked for."""
    from sklar.clinical.mimic3_simulation import chart_table, charting, codes, labs, notes, registers, transfers, truth
    from sklar.clinical.mimic3_simulation.hours import make_hours
    from sklar.clinical.mimic3_simulation.roster import make_roster

    by_roster: dict[str, Callable[..., pa.Table]] = {
        f"{TRUTH}/stays": truth.stay_truth,
        "PATIENTS": registers.patients,
        "ADMISSIONS": registers.admissions,
        "ICUSTAYS": registers.icu_stays,
        "TRANSFERS": transfers.transfers,
        "SERVICES": registers.services,
        "CALLOUT": registers.callouts,
        "DIAGNOSES_ICD": codes.diagnoses,
    }
    by_hours: dict[str, Callable[..., pa.Table]] = {
        f"{TRUTH}/hours": truth.hour_truth,
        "CHARTEVENTS": charting.chart_events,
        "LABEVENTS": labs.lab_events,
        "OUTPUTEVENTS": chart_table.output_events,
        "NOTEEVENTS": notes.note_events,
    }
    for block in range(plan.blocks):
        roster = make_roster(plan, block)
        yield by_roster[name](roster) if name in by_roster else by_hours[name](roster, make_hours(roster))
