"""Training rows that borrow what they lack from rows of their class."""

import numpy as np
import pytest
import torch
from tiny import tiny, write

from sklar.data import Batch, Texts, open_dataset
from sklar.models.noise import Noise
from sklar.training.lend import Lender

NAMES = ["number", "note"]


def data(rows=400, seed=0):
    """Each input says whose it is: the row's number, as a number and as a text. Class 3 has no notes, -1 no class."""
    generator = torch.Generator().manual_seed(seed)
    target = torch.randint(-1, 4, (rows,), generator=generator)
    observed = torch.rand(rows, 2, generator=generator) < 0.5
    observed[:, 1] &= target != 3
    observed[~observed.any(-1), 0] = True
    number = torch.arange(rows).float()[:, None]
    inputs = {"number": torch.where(observed[:, :1], number, torch.nan), "note": Texts(str(i) for i in range(rows))}
    return Batch(inputs, observed, target)


def lent(rows, rate=1.0, seed=0, chosen=None, noise=None):
    chosen = torch.arange(len(rows)) if chosen is None else chosen
    lender = Lender(rows, NAMES, rows.target, rate)
    return lender(chosen, noise or Noise(torch.Generator().manual_seed(seed)))


def sources(batch):
    """Whose inputs a batch has, ``(B, 2)``."""
    notes = torch.tensor([int(texts[0]) for texts in batch.inputs["note"]])
    return torch.stack([batch.inputs["number"][:, 0].nan_to_num(-1).long(), notes], -1)


def test_what_a_row_has_stays_and_what_it_borrows_is_of_its_class():
    rows = data()
    batch = lent(rows)
    whose, own = sources(batch), torch.arange(len(rows))
    assert torch.equal(batch.target, rows.target)
    for m in range(2):
        kept, borrowed = rows.observed[:, m], batch.observed[:, m] & ~rows.observed[:, m]
        assert bool(batch.observed[kept, m].all())
        assert torch.equal(whose[kept, m], own[kept])
        assert bool(borrowed.any())
        assert bool(rows.observed[whose[borrowed, m], m].all())
        assert torch.equal(rows.target[whose[borrowed, m]], rows.target[borrowed])
        assert not bool(borrowed[rows.target < 0].any())
    assert not bool(batch.observed[rows.target == 3, 1].any())


@pytest.mark.parametrize("rate", [1.0, 0.4])
def test_the_share_that_borrows_and_who_lends(rate):
    """Half of the rate on average, with a rate a row; every lender of the class is as likely as any other."""
    rows = data(60)
    lacks = ~rows.observed & torch.stack([(rows.target >= 0), (rows.target >= 0) & (rows.target < 3)], -1)
    chosen = torch.arange(60).repeat(2000)
    batch = lent(rows, rate, chosen=chosen)
    borrowed = (batch.observed & lacks[chosen]).sum(0) / lacks[chosen].sum(0)
    assert torch.allclose(borrowed, torch.full((2,), rate / 2), atol=0.01)
    of_one = (rows.target[chosen] == 1) & lacks[chosen, 0] & batch.observed[:, 0]
    count = torch.bincount(sources(batch)[of_one, 0], minlength=60)
    able = rows.observed[:, 0] & (rows.target == 1)
    assert not bool(count[~able].any())
    expected = count.sum() / able.sum()
    assert np.sum(((count[able] - expected) ** 2 / expected).numpy()) < 60  # chi-squared, some 5 to 15 lenders


def test_processes_borrow_what_one_would():
    """The rows of half a step, in a process of its own, are those of the whole step."""
    rows, chosen = data(), torch.arange(100)
    whole = sources(lent(rows, chosen=chosen))
    mine = torch.arange(1, 100, 2)
    part = lent(rows, chosen=chosen[mine], noise=Noise(torch.Generator().manual_seed(0), mine, 100))
    assert torch.equal(sources(part), whole[mine])


def test_a_dataset_on_disk_lends_as_rows_in_memory_do(tmp_path):
    """Every kind of modality, its texts and its drugs' records among them."""
    opened = open_dataset(write(tmp_path / "tiny", tiny("multiclass"))).part("train")
    every, chosen = opened[:], torch.arange(len(opened))
    lenders = [Lender(rows, list(opened.names), opened.target, 1.0) for rows in (opened, every)]
    one, two = (lender(chosen, Noise(torch.Generator().manual_seed(3))) for lender in lenders)
    assert torch.equal(one.observed, two.observed)
    assert int(one.observed.sum()) > int(every.observed.sum())
    assert list(one.inputs["note"]) == list(two.inputs["note"])
    for name in ("vec", "labs", "vitals", "film"):
        kept = one.observed[:, opened.names.index(name)]
        assert torch.equal(one.inputs[name][kept].nan_to_num(-9), two.inputs[name][kept].nan_to_num(-9))


def test_without_groups_nothing_is_lent():
    rows = data()
    batch = Lender(rows, NAMES, torch.full((len(rows),), -1), 1.0)(torch.arange(50), Noise(torch.Generator()))
    assert torch.equal(batch.observed, rows.observed[:50])
