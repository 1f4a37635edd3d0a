"""Dataset folders, batches with masks, data sets, and mechanisms that remove modalities."""

from __future__ import annotations

from sklar.data.batch import Batch, Rows, Texts
from sklar.data.missingness import completely_at_random
from sklar.data.problem import Problem
from sklar.data.scaling import Scaling
from sklar.data.values import Column, Events, Image, Series, Table, Text, Vector
from sklar.data.write import write_dataset

__all__ = [
    "Batch",
    "Column",
    "Events",
    "Image",
    "Problem",
    "Rows",
    "Scaling",
    "Series",
    "Table",
    "Text",
    "Texts",
    "Vector",
    "completely_at_random",
    "write_dataset",
]
