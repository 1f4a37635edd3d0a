import numpy as np
import pytest

import sklar.data
from sklar.data import check_dataset
from sklar.data.mfeat import VIEWS, load_mfeat
from sklar.data.mfeat_folder import prepare_mfeat, stratified_split


def test_the_folder_holds_the_views_and_the_split_of_the_loader(shared, tmp_path):
    raw = shared / "data" / "mfeat"
    folder = prepare_mfeat(raw, tmp_path / "mfeat", seed=4)
    assert list(check_dataset(folder)) == []
    data = sklar.data.open(folder)
    loaded = load_mfeat(raw, seed=4)
    with np.load(raw / "mfeat.npz", allow_pickle=False) as arrays:
        for name in VIEWS:
            np.testing.assert_array_equal(data[:].inputs[name].numpy(), arrays[name].astype(np.float32))
        np.testing.assert_array_equal(data.target.numpy(), arrays["y"])
    for name, part in {"train": loaded.train, "validation": loaded.validation, "test": loaded.test}.items():
        rows = data.part(name)[:]
        held, expected = (
            sorted(zip(batch.inputs["zer"].tolist(), batch.target.tolist(), strict=True)) for batch in (rows, part)
        )
        assert held == expected
    again = prepare_mfeat(raw / "mfeat.npz", tmp_path / "again", seed=4)
    assert {file.name: file.read_bytes() for file in again.iterdir()} == {
        file.name: file.read_bytes() for file in folder.iterdir()
    }


@pytest.mark.parametrize(("train", "validation", "sizes"), [(10, 10, (10, 10, 20)), (20, 0, (20, 0, 20))])
def test_parts_are_stratified(train, validation, sizes):
    label = np.repeat(np.arange(10), 4)
    part = stratified_split(label, seed=0, train=train, validation=validation)
    for name, size in zip(("train", "validation", "test"), sizes, strict=True):
        assert np.bincount(label[part == name], minlength=10).tolist() == [size // 10] * 10


@pytest.mark.parametrize(("train", "validation"), [(0, 1), (5, -1), (30, 10)])
def test_parts_that_leave_no_test(train, validation):
    with pytest.raises(ValueError, match="leave none for the test"):
        stratified_split(np.repeat(np.arange(10), 4), seed=0, train=train, validation=validation)


def test_errors_name_the_place(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"mfeat\.npz"):
        prepare_mfeat(tmp_path, tmp_path / "out")
    arrays = {name: np.zeros((20, 3)) for name in VIEWS}
    np.savez(tmp_path / "mfeat.npz", **arrays)
    with pytest.raises(KeyError, match="lacks the array 'y'"):
        prepare_mfeat(tmp_path, tmp_path / "out")
    np.savez(tmp_path / "mfeat.npz", **(arrays | {"y": np.zeros(19, dtype=int)}))
    with pytest.raises(ValueError, match="array 'fou': shape"):
        prepare_mfeat(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
