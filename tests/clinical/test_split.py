import duckdb
import numpy as np
import pytest

from sklar.clinical.split import patient_folds, rotate, stratified_part


@pytest.mark.parametrize(("sizes", "size"), [((30, 10), 8), ((31, 9), 7), ((5, 5, 90), 33), ((3, 1), 0)])
def test_each_class_has_its_share(sizes, size):
    label = np.repeat(np.arange(len(sizes)), sizes)
    chosen = stratified_part(label, size, seed=1)
    assert chosen.sum() == size
    share = np.array(sizes) * size / sum(sizes)
    assert (np.abs(np.bincount(label[chosen], minlength=len(sizes)) - share) < 1).all()
    np.testing.assert_array_equal(chosen, stratified_part(label, size, seed=1))


@pytest.mark.parametrize("size", [-1, 4, 5])
def test_a_size_that_leaves_nothing(size):
    with pytest.raises(ValueError, match=f"validation={size} of 4 rows"):
        stratified_part(np.zeros(4), size, seed=0)


def test_folds_are_hashes():
    names = ["002-1039", "002-10324", "022-222", ""]
    hashed = duckdb.sql("SELECT ('0x' || left(sha256(unnest(?)), 8))::BIGINT % 5", params=[names]).fetchall()
    assert patient_folds(names, 5).tolist() == [fold for (fold,) in hashed]


def test_parts_rotate():
    fold = np.array([0, 1, 2, 3, 4, 4])
    assert rotate(fold, 4, 5).tolist() == ["validation", "train", "train", "train", "test", "test"]
    with pytest.raises(ValueError, match="numbered 0 to 4"):
        rotate(fold, 5, 5)
