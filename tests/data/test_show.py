import re

import numpy as np
import pytest
import torch

import sklar.data
from sklar.data import Column, Table, Vector, describe_dataset, write_dataset

NAN = float("nan")


def block(text: str, title: str) -> list[list[str]]:
    """The cells of the lines under a title."""
    lines = next(part for part in text.split("\n\n") if part.startswith(title)).split("\n")[1:]
    return [re.split(r"\s{2,}", line.strip()) for line in lines]


def test_the_example_counted_by_hand(example):
    text = describe_dataset(example)
    assert text == describe_dataset(sklar.data.open(example))
    assert text.startswith("example: binary\n")
    assert "licence  CC0-1.0" in text
    assert block(text, "rows and labels") == [
        ["train", "validation", "test", "all"],
        ["rows", "6", "2", "4", "12"],
        ["groups", "3", "1", "2", "6"],
        ["unlabelled", "1", "0", "0", "1"],
        ["died survived", "60.0%", "50.0%", "50.0%", "54.5%"],
        ["died died", "40.0%", "50.0%", "50.0%", "45.5%"],
    ]
    rows = {row[1]: row[2:] for row in block(text, "modalities (label: share of 'died' in died)")[1:-1]}
    assert rows["vec"] == ["vector", "4", "11", "91.7%", "40.0%", "100.0%"]  # row 3, died, lacks it
    assert rows["labs"][:5] == ["table", "5 (1 cat.)", "11", "91.7%", "3.6%"]  # 2 of 11 x 5 cells
    assert rows["vitals"][:5] == ["series", "6 x 2 h, 3 ch.", "11", "91.7%", "8.6%"]  # 11 + 6 of 11 x 18 cells
    assert rows["note"][:4] == ["text", "5", "41.7%", "1 (1-3)"]
    assert rows["ev"][:5] == ["events", "3 codes", "8", "66.7%", "1 (1-2)"]
    patterns = block(text, "patterns")
    assert patterns[0][:7] == ["vec", "labs", "vitals", "xray", "scan", "note", "ev"]
    assert sum(int(row[7]) for row in patterns[1:]) == 12
    first = patterns[1]
    assert first[:9] == [*"●●●●●○●", "5", "41.7%"]  # rows 2 and 8 to 11 have all but notes
    assert first[9] == "50.0%"  # row 2 has no label


@pytest.mark.parametrize(
    ("task", "labels", "classes", "expected"),
    [
        ("multiclass", {"y": [0, 2, 2, None]}, ["a", "b", "c"], {"y a": "33.3%", "y b": "0.0%", "y c": "66.7%"}),
        ("multilabel", {"p": [0, 1, 1, None], "q": [1, 1, 1, 0]}, None, {"p": "66.7%", "q": "75.0%"}),
        ("regression", {"y": [1, 2, 6, None]}, None, {"y, mean": "3", "y, sd": "2.16"}),
    ],
)
def test_labels_of_other_tasks(tmp_path, task, labels, classes, expected):
    samples = {"sample_id": list("wxyz"), **labels}
    vector = Vector(np.array([[NAN], [1], [1], [1]]))
    table = Table(np.ones((4, 2)), [Column("a"), Column("b")])
    settings = {"name": task, "task": task, "labels": list(labels), "classes": classes, "samples": samples}
    folder = write_dataset(tmp_path / "d", **settings, modalities={"v": vector, "t": table})
    text = describe_dataset(folder)
    shown = {row[0]: row[-1] for row in block(text, "rows and labels")}
    assert shown.items() >= ({"unlabelled": "1"} | expected).items()
    whole = {"multiclass": ["100.0%", "0.0%"], "multilabel": ["80.0%", "50.0%"], "regression": ["4", "1"]}[task]
    assert block(text, "modalities")[1][-2:] == whole  # where v is and is not


def test_wide_data_fit_the_page(tmp_path):
    rng = np.random.default_rng(0)
    rows, modalities = 200, 12
    names = [f"a_rather_long_name_of_modality_{i}" for i in range(modalities)]
    values = {name: np.where(rng.random((rows, 1)) < 0.5, rng.normal(size=(rows, 3)), NAN) for name in names}
    values[names[0]] = np.ones((rows, 3))
    folder = write_dataset(
        tmp_path / "d",
        name="wide " * 40,
        task="multiclass",
        labels=["a label with a long name"],
        classes=[f"class {i}" for i in range(60)],
        samples={"sample_id": range(rows), "a label with a long name": rng.integers(0, 60, rows)},
        modalities={name: Vector(x) for name, x in values.items()},
        source="somewhere " * 100,
    )
    text = describe_dataset(folder)
    assert max(map(len, text.split("\n"))) <= 120
    assert "40 more" in text
    patterns = next(part for part in text.split("\n\n") if part.startswith("patterns")).split("\n")
    assert len(patterns) == 23  # a title, a heading, 20 patterns, the rest
    distinct = len({tuple(row) for row in sklar.data.open(folder).observed.tolist()})
    assert f"{distinct - 20} more patterns" in patterns[-1]


def test_views_without_rows_or_labels(example):
    ds = sklar.data.open(example)
    assert "no rows" in describe_dataset(ds.take(torch.tensor([], dtype=torch.long)))
    assert "label: no row has one" in describe_dataset(ds.label(None))
    hidden = describe_dataset(ds.see(torch.tensor([True, False, False, False, False, False, False])))
    assert "○" in hidden
