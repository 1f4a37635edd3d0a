"""eICU demo: in-hospital death, predicted 24 hours after admission to intensive care; six modalities."""

from __future__ import annotations

from functools import reduce
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sklar.clinical.counts import CountNote, check_counts, pattern_counts
from sklar.clinical.eicu_tables import CATEGORIES, COLUMNS, DEMO_STAYS, HOURLY, NUMBERS, PUBLISHED
from sklar.clinical.split import patient_folds, rotate
from sklar.clinical.tables import connect, find_file, load_csv
from sklar.data import Column, Events, Series, Table, Text, write_dataset

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

HOURS = 24
FOLDS = 5
EVENTS = ("respiratory", "drugs", "treatment")
SOURCE = (
    "eICU Collaborative Research Database Demo v2.0. Johnson A, Pollard T, Badawi O, Raffa J. eICU Collaborative "
    "Research Database Demo. PhysioNet, 2021. doi:10.13026/4mxk-na84. Pollard TJ, et al. The eICU Collaborative "
    "Research Database. Scientific Data 5:180178, 2018. doi:10.1038/sdata.2018.178. Goldberger AL, et al. PhysioBank, "
    "PhysioToolkit, and PhysioNet. Circulation 101(23):e215-e220, 2000. Hourly variables: van de Water R, et al. Yet "
    "Another ICU Benchmark. ICLR 2024, arXiv 2306.05109."
)
LICENCE = "Open Database License 1.0 (derived databases keep it)"


def prepare_eicu(raw: Path, out: Path, *, test_fold: int = 0, minimum_stays: int = 10) -> Path:
    """Turn the eICU demo into a dataset folder: stays still in the unit after 24 hours, and what was known then.

    - ``series``: YAIB's 48 hourly variables, 24 bins of an hour;
    - ``static``: age ("> 89" is 90), height, weight, gender, ethnicity, unit, source of admission, the hospital;
    - ``text``: the strings of admission diagnosis, diagnoses, past history and notes;
    - ``respiratory``, ``drugs``, ``treatment``: events with their time in hours.

    Patients (``uniquepid``) are dealt to five folds by their identifier's hash, column ``fold`` of the samples. Columns
    ``apache_iva`` (risk of death recorded with APACHE IVa) and ``hospital_id`` are for comparison and other splits.

    Args:
        raw: the folder with the tables, ``patient.csv.gz`` or ``patient.csv`` and so on, and YAIB's
            ``yaib/los/dyn.parquet``; case does not matter.
        out: the dataset folder to write.
        test_fold: which fold is the test; the next one, cyclically, is the validation.
        minimum_stays: codes of events that fewer stays have are merged into coarser ones.

    Returns:
        The dataset folder.

    Raises:
        FileNotFoundError: a table is lacking.
        ValueError: a file is damaged or lacks a column, an option is out of range, no stay is left, or the 2,520 stays
            of the demo do not give the counts that were published for them.
        ImportError: duckdb is not installed.
    """
    raw = Path(raw)
    if minimum_stays < 1:
        raise ValueError(f"minimum_stays={minimum_stays}: give a number of at least 1")
    rotate(np.zeros(0, dtype=int), test_fold, FOLDS)  # a fold that is not there is refused before the work
    with connect() as connection:
        patients = _load(connection, raw)
        connection.execute("CREATE TABLE cohort AS " + _sql("cohort"))
        cohort = _query(connection, "FROM cohort ORDER BY stay")
        if not len(cohort["stay"]):
            raise ValueError(f"{patients}: no stay has a known outcome, lasts 24 h and has an hourly value")
        counts = _judge(connection, cohort)
        exclusions = _query(connection, _sql("exclusions"))
        static, implausible = _static(_query(connection, _sql("static")), patients)
        text = _arrow(connection, _sql("text"))
        events = {name: _arrow(connection, _sql(name), minimum_stays=minimum_stays) for name in EVENTS}
        implausible["respiratory"] = sum(filter(None, events["respiratory"]["implausible"].to_pylist()))
        modalities: dict[str, Any] = {
            "series": _series(_query(connection, _sql("series")), cohort["stay"]),
            "static": static,
            "text": Text(text["stay"], text["time"], text["text"]),
        }
        modalities |= {name: _events(rows) for name, rows in events.items()}
        reference = _arrow(connection, _sql("reference"))
    fold = patient_folds(cohort["patient"].tolist(), FOLDS)
    samples = {
        "sample_id": cohort["stay"],
        "group_id": cohort["patient"],
        "split": rotate(fold, test_fold, FOLDS),
        "in_hospital_death": cohort["died"].astype(np.int64),
        "fold": fold,
        "hospital_id": cohort["hospital"],
        "apache_iva": reference["apache_iva"],
    }
    return write_dataset(
        Path(out),
        name="eicu-demo",
        task="binary",
        labels=["in_hospital_death"],
        classes=["alive", "died"],
        samples=samples,
        modalities=modalities,
        source=SOURCE,
        licence=LICENCE,
        notes={
            "hours": HOURS,
            "test_fold": test_fold,
            "minimum_stays": minimum_stays,
            "left_out": {reason: int(number) for reason, number in zip(*exclusions.values(), strict=True)},
            "implausible": implausible,
            "counts": counts,
        },
    )


def _sql(name: str) -> str:
    return files("sklar.clinical").joinpath(f"eicu_{name}.sql").read_text(encoding="utf-8")


def _arrow(connection: duckdb.DuckDBPyConnection, query: str, **parameters: int) -> pa.Table:
    return connection.sql(query, params=parameters or None).to_arrow_table()


def _query(connection: duckdb.DuckDBPyConnection, query: str) -> dict[str, np.ndarray]:
    table = _arrow(connection, query)
    return {name: table[name].to_numpy() for name in table.column_names}


def _load(connection: duckdb.DuckDBPyConnection, raw: Path) -> Path:
    """All tables into DuckDB; the file of the patients."""
    hourly = find_file(raw, "yaib/los/dyn.parquet")
    paths = {table: load_csv(connection, raw, table, columns) for table, columns in COLUMNS.items()}
    _load_hourly(connection, hourly)
    connection.execute(_sql("macros"))
    patients = paths["patient"]
    checks = {
        "patientunitstayid occurs twice": "SELECT patientunitstayid FROM patient GROUP BY 1 HAVING count(*) > 1",
        "patientunitstayid or uniquepid is empty": "SELECT patientunitstayid FROM patient "
        "WHERE patientunitstayid IS NULL OR uniquepid IS NULL",
        "hospitaldischargestatus is neither Alive nor Expired nor empty": "SELECT patientunitstayid FROM patient "
        "WHERE hospitaldischargestatus NOT IN ('Alive', 'Expired')",
    }
    for problem, query in checks.items():
        rows = connection.execute(query).fetchall()
        if rows:
            raise ValueError(f"{patients}, stay {rows[0][0]}: {problem} ({len(rows)} in all)")
    return patients


def _load_hourly(connection: duckdb.DuckDBPyConnection, file: Path) -> None:
    """YAIB's hours in which anything was measured as ``hourly``, with ``hour``, the whole hours since admission."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{file} is no whole Parquet file ({error}); download it again") from None
    for name in ("stay_id", "time", *HOURLY):
        if name not in table.column_names:
            raise ValueError(f"{file} lacks the column {name!r}; it has {table.column_names}")
    if not pa.types.is_duration(table["time"].type):
        raise ValueError(f"{file}, column time: should be a duration since admission, not {table['time'].type}")
    seconds = table["time"].cast(pa.duration("s")).cast(pa.int64())
    hours = pc.divide(seconds, 3600)
    if not pc.all(pc.equal(pc.multiply(hours, 3600), seconds)).as_py() or pc.min(seconds).as_py() < 0:
        raise ValueError(f"{file}, column time: should hold whole hours since admission, from 0")
    measured = reduce(pc.or_, (pc.fill_null(pc.is_finite(table[name].cast(pa.float64())), False) for name in HOURLY))
    values = table.select(["stay_id", *HOURLY]).append_column("hour", hours)
    connection.register("yaib", values.filter(measured))
    connection.execute("CREATE TABLE hourly AS FROM yaib")
    connection.unregister("yaib")
    twice = connection.execute("SELECT stay_id, hour FROM hourly GROUP BY ALL HAVING count(*) > 1").fetchall()
    if twice:
        raise ValueError(f"{file}, stay {twice[0][0]}: hour {twice[0][1]} occurs more than once")


def _judge(connection: duckdb.DuckDBPyConnection, cohort: dict[str, np.ndarray]) -> CountNote:
    """Counts of the cohort by offsets alone; entries made later about earlier times still count here."""
    presence = _query(connection, _sql("presence"))
    found = pattern_counts(list(presence), np.stack([column.astype(bool) for column in presence.values()], axis=1)) | {
        "stays": len(cohort["stay"]),
        "patients": len(np.unique(cohort["patient"].astype(str))),
        "hospitals": len(np.unique(cohort["hospital"])),
        "deaths": int(cohort["died"].sum()),
    }
    stays = connection.execute("SELECT count(*) FROM patient").fetchall()
    return check_counts("the eICU demo", found, PUBLISHED, judged=stays == [(DEMO_STAYS,)])


def _series(rows: dict[str, np.ndarray], stays: np.ndarray) -> Series:
    values = np.full((len(stays), HOURS, len(HOURLY)), np.nan, dtype=np.float32)
    cells = np.stack([rows[name] for name in HOURLY], axis=1)
    values[np.searchsorted(stays, rows["stay"]), rows["hour"]] = cells
    return Series(values, [Column(name, unit) for name, unit in HOURLY.items()], step=1.0)


def _static(rows: dict[str, np.ndarray], patients: Path) -> tuple[Table, dict[str, int]]:
    """The table, and how many values of each column were out of the plausible range."""
    columns: list[Column] = []
    cells: list[np.ndarray] = []
    implausible: dict[str, int] = {}
    for name, (unit, low, high) in NUMBERS.items():
        try:
            values = np.array([np.nan if value is None else float(value) for value in rows[name]])
        except ValueError:
            raise ValueError(f"{patients}, column {name}: neither a number nor '> 89'") from None
        outside = (values < low) | (values > high)
        implausible[name] = int(outside.sum())
        columns.append(Column(name, unit))
        cells.append(np.where(outside, np.nan, values))
    for name in CATEGORIES:
        categories = sorted({value for value in rows[name] if value is not None})
        place = {value: float(index) for index, value in enumerate(categories)}
        columns.append(Column(name, None, categories))
        cells.append(np.array([place.get(value, np.nan) for value in rows[name]]))
    return Table(np.stack(cells, axis=1).astype(np.float32), columns), implausible


def _events(rows: pa.Table) -> Events:
    """Events with the vocabulary in alphabetical order."""
    units = dict(zip(rows["code"].to_pylist(), rows["unit"].to_pylist(), strict=True))
    codes = [Column(name, units[name]) for name in sorted(units)]
    return Events(rows["stay"], rows["time"], rows["code"], rows["value"], codes)
