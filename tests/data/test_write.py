import json
import traceback

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

import sklar.data
from sklar.data import Column, Events, Image, RecordFile, Series, Table, Text, Vector, check_dataset, write_dataset

ROWS = 4
NAN = float("nan")
FLOATS = {
    Vector: (np.array([[1, 2.5], [NAN, NAN], [-3, 0], [4, 5]]), {}),
    Table: (
        np.array([[1, NAN], [NAN, NAN], [0, 7.5], [NAN, 2]]),
        {"columns": [Column("c", None, ["a", "b"]), Column("n")]},
    ),
    Series: (np.random.default_rng(0).normal(size=(ROWS, 3, 2)), {"channels": [Column("a"), Column("b")], "step": 0.5}),
    Image: (np.random.default_rng(0).random((ROWS, 3, 2, 2)), {}),
}


def reopened(tmp_path, value, **changes):
    settings = {
        "name": "one",
        "task": "regression",
        "labels": ["y"],
        "samples": {"sample_id": ["a", "b", "c", "d"], "y": [0.5, NAN, None, 2]},
        "modalities": {"whole": Vector(np.ones((ROWS, 1))), "m": value},
    } | changes
    folder = write_dataset(tmp_path / "deep" / "d", **settings)
    assert check_dataset(folder) == []
    return sklar.data.open(folder)


@pytest.mark.parametrize("kind", FLOATS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("form", [np.asarray, torch.tensor, lambda x: np.asarray(x, np.float32), lambda x: x.tolist()])
def test_arrays_come_back(tmp_path, kind, form):
    values, settings = FLOATS[kind]
    values = values.copy()
    values[1] = NAN
    ds = reopened(tmp_path, kind(form(values), **settings))
    torch.testing.assert_close(ds[:].inputs["m"], torch.tensor(values, dtype=torch.float32), equal_nan=True)
    assert ds.observed.tolist() == [[True, True], [True, False], [True, True], [True, True]]
    spec = ds.modalities["m"]
    assert spec.kind == kind.__name__.lower()
    assert spec.shape == values.shape[1:]
    assert [column.name for column in spec.columns + spec.channels] == [
        column.name for column in settings.get("columns", settings.get("channels", ()))
    ]
    assert spec.step == settings.get("step")


def test_bytes_of_images_are_scaled_and_take_their_presence_from_the_samples(tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (ROWS, 1, 3, 5)).astype(np.uint8)
    values[2] = 0
    samples = {"sample_id": [4, 3, 2, 1], "y": [1, 2, 3, 4]}
    assert bool(reopened(tmp_path, Image(values), samples=samples).observed.all())
    ds = reopened(tmp_path, Image(values), samples=samples | {"has_m": [True, True, False, True]})
    expected = torch.tensor(values) / 255
    expected[2] = NAN
    torch.testing.assert_close(ds[:].inputs["m"], expected, equal_nan=True)
    assert ds.sample_id.tolist() == [4, 3, 2, 1]


@pytest.mark.parametrize("wrap", [list, pa.array, lambda x: pa.chunked_array([x[:2], x[2:]])])
def test_texts_come_in_the_order_of_time(tmp_path, wrap):
    value = Text(wrap(["b", "a", "a", "d"]), wrap([1.0, 5.0, 2.0, 0.0]), wrap(["ü", "second", "first", ""]))
    ds = reopened(tmp_path, value)
    assert list(ds[:].inputs["m"]) == [("first", "second"), ("ü",), (), ("",)]
    assert ds.observed[:, 1].tolist() == [True, True, False, True]
    assert ds.modalities["m"].shape == ()
    assert ds.record_count("m").tolist() == [2, 1, 0, 1]


def test_events_come_in_the_order_of_time_up_to_until(tmp_path):
    value = Events(
        [7, 9, 7, 7, 7],
        [3.0, 1.0, 1.0, 2.0, 2.0],
        pa.array(["x", "y", "y", "x", "y"]).dictionary_encode(),
        [1.0, None, NAN, 4.0, 5.0],
        [Column("y"), Column("x", "mg")],
    )
    samples = {"sample_id": ["a", "b", "c", "d"], "series_id": [7, 9, 7, 7], "until": [2, 1, 9, 0.5], "y": [1, 2, 3, 4]}
    ds = reopened(tmp_path, value, samples=samples)
    expected = [
        [[1, 0, NAN], [2, 1, 4], [2, 0, 5], [NAN] * 3],  # hour 2: records of one time keep their order
        [[1, 0, NAN], [NAN] * 3, [NAN] * 3, [NAN] * 3],
        [[1, 0, NAN], [2, 1, 4], [2, 0, 5], [3, 1, 1]],
        [[NAN] * 3] * 4,
    ]
    torch.testing.assert_close(ds[:].inputs["m"], torch.tensor(expected), equal_nan=True)
    assert ds.observed[:, 1].tolist() == [True, True, True, False]
    assert ds.record_count("m").tolist() == [3, 1, 4, 0]
    assert ds[3:].inputs["m"].shape == (1, 1, 3)


@pytest.mark.parametrize(
    ("task", "columns", "classes", "expected"),
    [
        ("binary", {"y": [1, None, 0, 1]}, None, torch.tensor([1, -1, 0, 1])),
        ("binary", {"y": np.array([1, NAN, 0, 1])}, ["no", "yes"], torch.tensor([1, -1, 0, 1])),
        ("binary", {"y": [True, None, False, True]}, None, torch.tensor([1, -1, 0, 1])),
        ("multiclass", {"y": [2, None, 0, 1]}, ["a", "b", "c"], torch.tensor([2, -1, 0, 1])),
        (
            "multilabel",
            {"y": [1, None, 0, 1], "z": [0, 1, NAN, 0]},
            None,
            torch.tensor([[1, 0], [NAN, 1], [0, NAN], [1, 0]]),
        ),
        ("regression", {"y": [0.25, None, NAN, -3]}, None, torch.tensor([0.25, NAN, NAN, -3], dtype=torch.float64)),
    ],
)
def test_labels_come_back(tmp_path, task, columns, classes, expected):
    samples = {"sample_id": [1, 2, 3, 4], **columns}
    ds = reopened(
        tmp_path, Vector(np.ones((ROWS, 1))), task=task, labels=list(columns), classes=classes, samples=samples
    )
    torch.testing.assert_close(ds.target, expected, equal_nan=True)
    assert ds.task == task
    assert ds.labels == tuple(columns)
    assert ds.classes == (tuple(classes) if classes else ("0", "1") if task == "binary" else None)


def test_samples_may_be_arrow_and_columns_are_kept(tmp_path):
    samples = pa.table(
        {"sample_id": ["a", "b", "c", "d"], "y": [1.0, 2, 3, 4], "apache": [0.5, None, 1, 2], "ward": list("wxyz")}
    )
    ds = reopened(tmp_path, Vector(np.ones((ROWS, 1))), samples=samples)
    assert ds.group_id.tolist() == ds.sample_id.tolist() == ["a", "b", "c", "d"]
    assert set(ds.split) == {"train"}
    np.testing.assert_array_equal(ds.column("apache"), [0.5, NAN, 1, 2])
    assert ds.column("ward").tolist() == list("wxyz")
    with pytest.raises(KeyError, match="no column 'saps'"):
        ds.column("saps")


def test_the_example_comes_back(example, content):
    ds = sklar.data.open(example)
    assert check_dataset(example) == []
    assert (ds.name, ds.description.source, ds.description.licence) == ("example", "made up", "CC0-1.0")
    assert ds.description.notes == {"cohort": {"rows": 12}}
    assert ds.names == list(content["modalities"])
    for name in ("vec", "labs", "vitals", "scan"):
        values = torch.tensor(content["modalities"][name].values)
        torch.testing.assert_close(ds[:].inputs[name], values, equal_nan=True)
    assert list(ds[:].inputs["note"])[:6] == [("ß €", "early"), ("ß €", "early", "late"), (), (), ("a",), ("a",)]
    assert ds.record_count("ev").tolist() == [1, 1, 1, 2, 0, 0, 0, 0, 1, 1, 2, 2]


def test_modalities_that_nobody_has(tmp_path):
    ds = reopened(tmp_path, Text([], [], []))
    assert ds.observed[:, 1].tolist() == [False] * ROWS
    assert list(ds[:].inputs["m"]) == [()] * ROWS
    ds = reopened(tmp_path, Events([], [], [], [], [Column("x")]))
    assert ds[:].inputs["m"].isnan().all()


def test_a_dataset_folder_is_replaced_and_nothing_else(write, tmp_path):
    folder = write(name="first")
    assert sklar.data.open(write(name="second")).name == "second"
    assert [path.name for path in tmp_path.iterdir()] == ["example"]  # nothing temporary is left
    (folder / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match=r"thesis\.tex"):
        write()
    assert (folder / "thesis.tex").exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("years of work")
    with pytest.raises(FileExistsError, match="no dataset folder"):
        write_dataset(tmp_path / "other", name="", task="", labels=[], samples={}, modalities={})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "clustering"}, "dataset.json, task: is 'clustering'"),
        ({"classes": ["only"]}, "dataset.json, classes"),
        ({"labels": ["sick"]}, "samples lack the column 'sick'"),
        ({"notes": {"mean": NAN}}, "notes"),
        ({"name": ""}, "dataset.json, name"),
        ({"modalities": {}}, "dataset.json, modalities"),
        ({"modalities": {"a/b": Vector(np.ones((12, 1)))}}, "'a/b': the name is no safe file name"),
        ({"modalities": {"v": np.ones((12, 1))}}, "modality 'v' is a ndarray; give a Vector"),
        ({"modalities": {"v": Vector(np.ones((11, 1)))}}, "modality 'v' has 11 rows, samples have 12"),
        ({"modalities": {"v": Vector(np.ones(12))}}, r"modality 'v' has the shape \(12,\)"),
        ({"modalities": {"v": Vector(np.full((12, 1), 1e300))}}, "modality 'v': numbers too large for float32"),
        ({"modalities": {"v": Vector(np.full((12, 1), "x"))}}, "modality 'v' holds <U1"),
        ({"modalities": {"v": Vector(np.ones((12, 2)), ["a"])}}, "v.npy: is 2 wide, dataset.json names 1"),
        ({"modalities": {"v": Image(np.full((12, 1, 2, 2), 200.0))}}, r"v.npy, 12 rows.* outside \[0, 1\]"),
        ({"modalities": {"v": Image(np.ones((12, 2, 2, 2)))}}, "shape"),
        ({"modalities": {"v": Text(["s0"], [0.0, 1.0], ["a"])}}, "columns of different lengths"),
        ({"modalities": {"v": Text(["s0"], ["noon"], ["a"])}}, "modality 'v', time cannot be stored as double"),
        ({"modalities": {"v": Text([1.5], [0.0], ["a"])}}, "modality 'v', series_id is of type double"),
        ({"modalities": {"v": Events(["s0"], [0.0], ["q"], [1.0], [Column("x")])}}, "does not list: 'q'"),
        ({"samples": {"died": [0] * 12}}, "samples lack the column 'sample_id'"),
        ({"samples": {"sample_id": range(12), "died": [0] * 11}}, "columns of different lengths"),
        ({"samples": {"sample_id": range(12), "died": [0.5] * 12}}, "column 'died': a binary label holds the index"),
        (
            {"samples": {"sample_id": range(12), "died": [0] * 12}},
            "series_id is of type string, that of the samples int64",
        ),
        ({"samples": {"sample_id": ["s0"] * 12, "died": [0] * 12}}, "sample_id.*stands more than once"),
    ],
)
def test_what_cannot_be_written_is_refused_and_nothing_is_left(write, tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        write(**changes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [Text(["s0"], ["secret"], ["a"]), Text(["s0", "s1"], [0, 1], ["secret", 5])])
def test_errors_quote_no_text(write, value):
    with pytest.raises(ValueError, match="cannot be stored") as error:
        write(modalities={"v": value})
    assert "secret" not in "".join(traceback.format_exception(error.value))


def test_every_error_is_named_at_once(write, content):
    samples = content["samples"] | {"split": ["train"] * 11 + ["dev"], "died": [2] * 12}
    with pytest.raises(ValueError, match="unknown splits 'dev'") as error:
        write(samples=samples, licence=None)
    assert "out of range" in str(error.value)


def test_files_are_as_the_format_says(example):
    """The format as the documentation has it, read with numpy, json and pyarrow alone."""
    description = json.loads((example / "dataset.json").read_text())
    assert description["format"] == 1
    assert np.load(example / "vec.npy").dtype == np.float32
    assert np.load(example / "xray.npy").shape == (12, 3, 5, 4)
    assert pq.read_table(example / "note.parquet").column_names == ["series_id", "time", "text"]
    events = pq.read_table(example / "ev.parquet").to_pylist()
    assert {"series_id": "s0", "time": 5.0, "code": "y", "value": None} in events
    assert pq.read_table(example / "samples.parquet").column("died").null_count == 1


@pytest.mark.parametrize("column", ["died", "until"])
def test_refusals_hold_no_text_that_is_in_the_wrong_column(write, content, column):
    with pytest.raises(ValueError, match=f"column '{column}'") as caught:
        write(samples=content["samples"] | {column: ["Mrs Zebra"] * 12})
    assert "Zebra" not in str(caught.value)
    assert caught.value.__suppress_context__  # a traceback would show pyarrow's message


@pytest.mark.parametrize("kind", ["events", "text"])
def test_records_that_are_in_a_file_already(kind, tmp_path):
    """The same folder as from columns, whose bytes are not read into memory."""
    columns = {"series_id": pa.array([1, 1, 2], pa.int64()), "time": pa.array([0.0, 2.0, 1.0])}
    columns |= {"text": pa.array(["a", "b", "c"])} if kind == "text" else {
        "code": pa.array(["x", "y", "x"]), "value": pa.array([1.0, None, 2.0]),
    }  # fmt: skip
    pq.write_table(pa.table(columns), tmp_path / "given.parquet")
    given = Text(*columns.values()) if kind == "text" else Events(*columns.values(), codes=["x", "y"])
    stored = RecordFile(kind, tmp_path / "given.parquet", () if kind == "text" else ["x", "y"])
    samples = {"sample_id": [1, 2, 3], "label": [0, 1, 0], "has_v": [True] * 3}
    found = []
    for name, value in (("columns", given), ("file", stored)):
        modalities = {"v": Vector(np.ones((3, 2))), "records": value}
        folder = write_dataset(
            tmp_path / name, name="a", task="binary", labels=["label"], samples=samples, modalities=modalities
        )
        data = sklar.data.open(folder)
        batch = data[:].inputs["records"]
        found.append((data.observed.tolist(), batch if kind == "text" else batch.nan_to_num(-1).tolist()))
    assert str(found[0]) == str(found[1])
    with pytest.raises(ValueError, match="holds text or events, not 'image'"):
        write_dataset(
            tmp_path / "no", name="a", task="binary", labels=["label"], samples=samples,
            modalities={"v": Vector(np.ones((3, 2))), "records": RecordFile("image", tmp_path / "given.parquet")},
        )  # fmt: skip
