"""The default encoder of each kind of modality, as dataset.json describes it."""

import json

import pytest
import torch
from encoder_cases import CHANNELS, COLUMNS, events, images, series, tables, texts, vectors

from sklar.data.values import Column
from sklar.encoders import default_specification, make_encoder

TARGET = torch.tensor([0, 1, 0])
CODES = [{"name": name, "unit": None} for name in "abc"]
KINDS = [
    ("vector", {"file": "m.npy", "shape": [3], "columns": None}, vectors, "vector"),
    ("vector", {"shape": [3], "columns": ["a", "b", "c"]}, vectors, "vector"),
    ("vector", {"shape": (3,), "columns": (Column("a"), Column("b"), Column("c"))}, vectors, "vector"),
    ("vector", {"shape": (3,), "columns": ()}, vectors, "vector"),
    ("table", {"shape": [3], "columns": COLUMNS}, tables, "table"),
    ("table", {"columns": (Column("age"), Column("ward", None, ("a", "b", "c")), Column("x"))}, tables, "table"),
    ("series", {"shape": [9, 3], "channels": CHANNELS, "step": 2.0}, series, "summary"),
    ("events", {"codes": CODES}, events, "summary"),
    ("image", {"shape": [3, 18, 14]}, images(3), "convnet"),
    ("text", {"file": "m.parquet"}, texts, "bag_of_words"),
]


@pytest.mark.parametrize(("kind", "modality", "make", "expected"), KINDS)
def test_default_reads_what_the_folder_holds(kind, modality, make, expected):
    specification = json.loads(json.dumps(default_specification(kind, modality)))
    assert specification["kind"] == expected
    encoder = make_encoder(specification, 4)
    x = make(TARGET, torch.Generator().manual_seed(0))
    value = encoder.read(x, torch.ones(3, dtype=torch.bool), "m")
    encoder.start(value)
    assert encoder(value)[0].isfinite().all()
    assert encoder.features(value)[0].shape == (3, len(encoder.feature_names()))


def test_what_is_missing_or_unknown_is_named():
    with pytest.raises(KeyError, match="unknown kind of modality 'sound'"):
        default_specification("sound", {})
    with pytest.raises(ValueError, match="'series' needs its channels"):
        default_specification("series", {"step": 1.0})
