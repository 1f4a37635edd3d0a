import numpy as np
import pytest
import torch
from sklearn import datasets

import sklar.data
from sklar.data import check_dataset
from sklar.data.digits import load_digits
from sklar.data.digits_folder import prepare_digits


def test_the_folder_holds_the_views_and_the_split_of_the_loader(tmp_path):
    folder = prepare_digits(tmp_path / "digits", seed=2)
    assert list(check_dataset(folder)) == []
    data = sklar.data.open(folder)
    images = datasets.load_digits().images
    inputs = data[:].inputs
    halves = torch.cat([inputs["upper"], inputs["lower"]], dim=1).reshape(-1, 8, 8).numpy()
    np.testing.assert_array_equal(halves, images)
    np.testing.assert_array_equal(inputs["profile"][:, :8].numpy(), images.sum(2))
    loaded = load_digits(seed=2)
    for name, part in {"train": loaded.train, "validation": loaded.validation, "test": loaded.test}.items():
        rows = data.part(name)[:]
        held, expected = (
            sorted(zip(batch.inputs["upper"].tolist(), batch.target.tolist(), strict=True)) for batch in (rows, part)
        )
        assert held == expected
    again = prepare_digits(raw=tmp_path / "nowhere", out=tmp_path / "again", seed=2)
    assert {file.name: file.read_bytes() for file in again.iterdir()} == {
        file.name: file.read_bytes() for file in folder.iterdir()
    }


def test_parts_that_leave_no_test(tmp_path):
    with pytest.raises(ValueError, match="leave none for the test"):
        prepare_digits(tmp_path / "digits", train=1700, validation=97)
