"""Tables of facts that the package ships (``facts/README.md`` names their source)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

from sklar.clinical.mimic3.units import RANGES

if TYPE_CHECKING:
    import duckdb

# Variables whose categories are words, not numbers: in the irregular events each is a code of its own.
WORDED = (
    "Glascow coma scale eye opening", "Glascow coma scale motor response", "Glascow coma scale verbal response",
)  # fmt: skip
_FOLDER = files("sklar.clinical.mimic3").joinpath("facts")


@dataclass(frozen=True)
class Channels:
    """The discretised tensor's layout.

    Attributes:
        names: of the 17 variables in order.
        categories: of each categorical variable, its texts in order.
        normal: the value, as text, that stands where a variable was never charted.
        columns: names of the 76 columns: values (categories one-hot), then 17 masks.
        continuous: which of the 76 columns are standardised.
    """

    names: tuple[str, ...]
    categories: dict[str, tuple[str, ...]]
    normal: dict[str, str]
    columns: tuple[str, ...]
    continuous: tuple[int, ...]


@cache
def channels() -> Channels:
    """The layout as published."""
    content = json.loads(_FOLDER.joinpath("channels.json").read_text(encoding="utf-8"))
    return Channels(
        tuple(content["channels"]),
        {name: tuple(texts) for name, texts in content["possible_values"].items()},
        dict(content["normal_values"]),
        tuple(content["columns_76"]),
        tuple(content["continuous_columns"]),
    )


def load_facts(connection: duckdb.DuckDBPyConnection) -> None:
    """Tables ``items``, ``phenotypes``, ``official_split`` and ``static_codes``, and the type of the static columns."""
    sources = {
        "items": ("itemid_map.csv", "SELECT * FROM read_csv(?, header = true)"),
        "phenotypes": ("phenotype_codes.parquet", "SELECT * FROM read_parquet(?)"),
        "official_split": ("official_split.parquet", "SELECT * FROM read_parquet(?)"),
        "static_codes": ("static_diagnoses.csv", "SELECT * FROM read_csv(?, header = true, all_varchar = true)"),
    }
    for table, (name, reading) in sources.items():
        with as_file(_FOLDER.joinpath(name)) as file:
            connection.execute(f"CREATE TABLE {table} AS {reading}", [str(file)])
    connection.execute(
        "CREATE TYPE diagnosis_column AS ENUM (SELECT 'Diagnosis ' || ICD9_CODE FROM static_codes ORDER BY rowid)"
    )
    connection.execute("CREATE TABLE coded_categories (variable VARCHAR, text VARCHAR)")
    pairs = [(name, text) for name in WORDED for text in channels().categories[name]]
    connection.executemany("INSERT INTO coded_categories VALUES (?, ?)", pairs)
    connection.execute("CREATE TABLE clean_ranges (VARIABLE VARCHAR, low DOUBLE, high DOUBLE)")
    connection.executemany("INSERT INTO clean_ranges VALUES (?, ?, ?)", [(k, *limits) for k, limits in RANGES.items()])
