import numpy as np
import pytest
import torch

from sklar.data.mfeat import VIEWS, load_mfeat

WIDTHS = {"fou": 76, "fac": 216, "kar": 64, "pix": 240, "zer": 47, "mor": 6}


def test_six_complete_views_stratified(shared):
    sets = load_mfeat(shared / "data" / "mfeat", seed=0)
    parts = (sets.train, sets.validation, sets.test)
    assert [len(part) for part in parts] == [1000, 200, 800]
    for part, each in zip(parts, (100, 20, 80), strict=True):
        assert {name: x.shape[1] for name, x in part.inputs.items()} == WIDTHS
        assert bool(part.observed.all())
        assert torch.bincount(part.target).tolist() == [each] * 10
    whole = np.load(shared / "data" / "mfeat" / "mfeat.npz")
    for name, width in WIDTHS.items():  # every row of the file once
        rows = torch.cat([part.inputs[name] for part in parts]).sum(1).sort().values
        there = torch.as_tensor(whole[name], dtype=torch.float32).sum(1).sort().values
        assert torch.allclose(rows, there, rtol=1e-5, atol=1e-3 * width)
    again = load_mfeat(shared / "data" / "mfeat" / "mfeat.npz", seed=0)
    assert all(torch.equal(again.test.inputs[name], sets.test.inputs[name]) for name in VIEWS)
    other = load_mfeat(shared / "data" / "mfeat", seed=1)
    assert not torch.equal(other.test.target, sets.test.target)


def test_errors_name_the_place(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"mfeat\.npz"):
        load_mfeat(tmp_path, seed=0)
    np.savez(tmp_path / "mfeat.npz", fou=np.zeros((2000, 76)))
    with pytest.raises(KeyError, match="lacks the array 'fac'"):
        load_mfeat(tmp_path, seed=0)
