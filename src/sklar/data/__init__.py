"""Dataset folders, batches with masks, data sets, and mechanisms that remove modalities."""

from __future__ import annotations

from sklar.data.batch import Batch, Rows, Texts
from sklar.data.check import check_dataset
from sklar.data.dataset import Dataset, open_dataset
from sklar.data.missingness import Missingness, completely_at_random
from sklar.data.problem import Problem
from sklar.data.show import describe_dataset
from sklar.data.values import Column, Events, Image, RecordFile, Series, Table, Text, Vector
from sklar.data.write import write_dataset

open = open_dataset  # sklar.data.open; not in __all__, where it would hide Python's own

__all__ = [
    "Batch",
    "Column",
    "Dataset",
    "Events",
    "Image",
    "Missingness",
    "Problem",
    "RecordFile",
    "Rows",
    "Series",
    "Table",
    "Text",
    "Texts",
    "Vector",
    "check_dataset",
    "completely_at_random",
    "describe_dataset",
    "open_dataset",
    "write_dataset",
]
