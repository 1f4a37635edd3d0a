import hashlib
import json
import pickle

import numpy as np
import pytest
import torch

import sklar.data
from sklar.data import Vector


@pytest.fixture
def ds(example):
    return sklar.data.open(example)


def same(a, b):
    assert a.observed.equal(b.observed)
    torch.testing.assert_close(a.target, b.target, equal_nan=True)
    for name, value in a.inputs.items():
        if isinstance(value, torch.Tensor):
            torch.testing.assert_close(value, b.inputs[name], equal_nan=True)
        else:
            assert list(value) == list(b.inputs[name])


@pytest.mark.parametrize(
    "rows",
    [
        torch.tensor([5, 0, 0, 11]),
        torch.tensor([5, 0, -1], dtype=torch.int32),
        slice(2, 9, 3),
        slice(None, None, 2),
        slice(4, 4),
        torch.arange(12) % 3 == 0,
        np.array([3, 1]),
        [2, 2],
    ],
    ids=str,
)
def test_rows_are_those_of_the_whole(ds, rows):
    index = rows if isinstance(rows, slice) else torch.as_tensor(rows)
    index = torch.arange(12)[index if isinstance(index, slice) or index.dtype == torch.bool else index.long()]
    whole, part = ds[:], ds[rows]
    same_length = whole.inputs["ev"].shape[1]
    events = part.inputs["ev"]
    padding = torch.full((len(part), same_length - events.shape[1], 3), float("nan"))
    same(type(part)({**part.inputs, "ev": torch.cat([events, padding], 1)}, part.observed, part.target), whole[index])
    same(ds.take(rows)[:], part)
    assert ds.take(rows).sample_id.tolist() == ds.sample_id[index.numpy()].tolist()


def test_parts_are_disjoint_and_views_of_views_work(ds):
    parts = [ds.part(split) for split in ("train", "validation", "test")]
    assert [len(part) for part in parts] == [6, 2, 4]
    assert sorted(np.concatenate([part.sample_id for part in parts])) == sorted(ds.sample_id)
    assert set(parts[2].split) == {"test"}
    last = parts[2].take(torch.tensor([3]))
    assert last.sample_id.tolist() == [111]
    assert len(ds.take(slice(0, 6)).part("test")[:]) == 0
    with pytest.raises(ValueError, match="no split 'dev'"):
        ds.part("dev")


def test_folds_of_a_column_are_splits_that_views_keep(ds):
    column = "group_id"
    groups = np.unique(ds.column(column))
    for number in range(len(groups) + 1):
        found = ds.fold(column, number)
        test, validation = groups[number % len(groups)], groups[(number + 1) % len(groups)]
        expected = {test: "test", validation: "validation"}
        assert found.split.tolist() == [expected.get(each, "train") for each in ds.column(column)]
        part = found.part("test")
        assert set(part.column(column)) == {test}
        for view in (part.take([0]), part.see(torch.ones(len(ds.names)).bool()), part.label(None)):
            assert set(view.split) == {"test"}
    with pytest.raises(ValueError, match="'split' has"):
        ds.take(ds.split != "test").fold("split", 0)
    with pytest.raises(KeyError):
        ds.fold("nowhere", 0)
    groups = ds.group_id
    if len(np.unique(groups)) < len(groups):
        with pytest.raises(ValueError, match="one person in several folds"):
            ds.fold("sample_id", 0)


def test_what_a_mask_hides_is_not_read(ds):
    seen = ds.see(torch.tensor([True, False, True, False, True, False, True]))
    batch = seen[:]
    assert batch.observed.equal(ds.observed & torch.tensor([1, 0, 1, 0, 1, 0, 1], dtype=torch.bool))
    assert bool(batch.inputs["labs"].isnan().all())
    assert bool(batch.inputs["xray"].isnan().all())
    assert list(batch.inputs["note"]) == [()] * 12
    assert seen.record_count("note").tolist() == [0] * 12
    torch.testing.assert_close(batch.inputs["ev"], ds[:].inputs["ev"], equal_nan=True)
    again = seen.see(torch.ones(12, 7, dtype=torch.bool))
    assert again.observed.equal(seen.observed)  # never more than is there
    with pytest.raises(ValueError, match="a mask is bool"):
        ds.see(torch.ones(12, 6, dtype=torch.bool))


def test_labels_can_be_hidden(ds):
    keep = torch.arange(12) < 4
    hidden = ds.label(keep)
    assert hidden.target.tolist() == [0, 1, -1, 1] + [-1] * 8
    assert ds.target.tolist()[4:] == [0, 0, 1, 0, 0, 1, 1, 0]  # the view it came from is unchanged
    assert hidden[2:6].target.tolist() == [-1, 1, -1, -1]
    assert ds.label(None).target is None
    assert ds.label(None)[:3].target is None
    with pytest.raises(ValueError, match="a mask is bool"):
        ds.label(torch.arange(12))


def test_a_single_row_and_no_such_row(ds):
    with pytest.raises(TypeError, match=r"use \[3:4\]"):
        ds[3]
    with pytest.raises(TypeError, match="integers or bool"):
        ds[torch.tensor([0.5])]
    with pytest.raises(IndexError):
        ds[torch.tensor([12])]
    with pytest.raises(KeyError, match="no text or events"):
        ds.record_count("vec")


def test_files_are_opened_once_and_again_in_another_process(ds):
    view = ds.part("test").take(torch.tensor([2, 0])).label(torch.tensor([True, False]))
    view[:]
    assert view._files is ds._files
    sent = pickle.dumps(view)
    assert len(sent) < 3000  # the rows, not the content
    same(pickle.loads(sent)[:], view[:])


def test_a_folder_that_has_changed_is_not_read_with_the_old_rows(write):
    ds = sklar.data.open(write())
    sent = pickle.dumps(ds)
    write(name="another")
    with pytest.raises(ValueError, match="has changed since it was opened"):
        ds[:2]
    with pytest.raises(ValueError, match="has changed since it was opened"):
        pickle.loads(sent)


def test_arrays_are_memory_maps(ds):
    assert all(isinstance(array, np.memmap) for array in ds._files.arrays.values())
    batch = ds[:]
    batch.inputs["vec"][:] = 0  # the caller's own copy
    assert float(ds[:].inputs["vec"].nan_to_num().abs().max()) > 0


def test_a_split_without_rows(write, content):
    samples = content["samples"] | {"split": ["test"] * 12}
    ds = sklar.data.open(write(samples=samples)).part("train")
    batch = ds[:]
    assert len(ds) == len(batch) == 0
    assert batch.inputs["vitals"].shape == (0, 6, 3)
    assert batch.inputs["ev"].shape == (0, 1, 3)
    assert batch.target.shape == (0,)


def test_no_folder_and_no_dataset(tmp_path, example):
    with pytest.raises(FileNotFoundError, match="no dataset folder"):
        sklar.data.open(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"dataset\.json: there is no such file.*1 more"):
        sklar.data.open(tmp_path)
    with pytest.raises(NotADirectoryError):
        sklar.data.open(example / "dataset.json")


def test_many_rows_and_many_events_agree_with_a_loop(write):
    rng = np.random.default_rng(1)
    rows, records = 300, 5000
    series, time = rng.integers(0, 200, records), np.round(rng.random(records) * 10, 1)
    code, value = rng.integers(0, 3, records), rng.normal(size=records)
    of_row, until = rng.integers(0, 200, rows), np.round(rng.random(rows) * 10, 1)
    names = np.array(["a", "b", "c"])
    events = sklar.data.Events(series, time, names[code], value, [sklar.data.Column(name) for name in names])
    samples = {"sample_id": range(rows), "died": [0] * rows, "series_id": of_row, "until": until}
    folder = write(samples=samples, modalities={"one": Vector(np.ones((rows, 1))), "ev": events})
    batch = sklar.data.open(folder)[:]
    for row in range(rows):
        expected = sorted(
            (time[i], i, code[i], value[i])
            for i in range(records)
            if series[i] == of_row[row] and time[i] <= until[row]
        )
        found = batch.inputs["ev"][row]
        found = found[~found[:, 0].isnan()]
        torch.testing.assert_close(found, torch.tensor([(t, c, v) for t, _, c, v in expected]).reshape(-1, 3).float())
        assert bool(batch.observed[row, 1]) == bool(expected)


def test_a_change_that_keeps_the_size_is_found_by_verifying(write):
    folder = write()
    sums = dict(sklar.data.open(folder, verify=True).checksums)
    assert sums == {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in sums}
    assert set(sums) == {path.name for path in folder.iterdir()} - {"dataset.json"}
    whole = (folder / "scan.npy").read_bytes()
    (folder / "scan.npy").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    sklar.data.open(folder)
    with pytest.raises(ValueError, match=r"scan\.npy: has changed since it was written \(sha256\); restore the file"):
        sklar.data.open(folder, verify=True)
    description = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps({**description, "files": None}))
    undeclared = sklar.data.open(folder, verify=True).checksums
    assert {name for name in sums if sums[name] != undeclared[name]} == {"scan.npy"}


def test_hidden_files_that_come_while_a_folder_is_open_change_nothing(write):
    folder = write()
    ds = sklar.data.open(folder)
    (folder / ".DS_Store").write_text("x")
    assert len(ds[:].inputs["note"]) == len(ds)


def test_values_keep_their_digits(tmp_path):
    days = [1e8 + 1, 1e8 - 1, None, 1e8]
    folder = sklar.data.write_dataset(
        tmp_path / "d", name="d", task="regression", labels=["y"], samples={"sample_id": range(4), "y": days},
        modalities={"v": sklar.data.Vector(torch.ones(4, 2))},
    )  # fmt: skip
    target = sklar.data.open(folder).target
    assert [None if value != value else value for value in target.tolist()] == days
