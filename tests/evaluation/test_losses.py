"""Scores as sums over rows."""

import numpy as np
import pytest
import torch

from sklar.evaluation import SCORES
from sklar.evaluation.losses import row_losses


def rows(task, count=60):
    g = torch.Generator().manual_seed(0)
    if task == "classification":
        return torch.softmax(torch.randn(count, 3, generator=g), -1), torch.randint(3, (count,), generator=g)
    if task == "multilabel":
        target = torch.randint(2, (count, 2), generator=g).double()
        target[:9, 0] = torch.nan
        return torch.rand(count, 2, generator=g).double(), target
    return torch.randn(count, generator=g), torch.randn(count, generator=g)


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_the_sums_are_the_scores_of_rows_with_repeats(task):
    """As `SCORES` has them, which scikit-learn and torchmetrics are the references of."""
    mean, target = rows(task)
    chosen = np.random.default_rng(1).integers(60, size=80)
    for places in (np.arange(60), chosen):
        expected = SCORES[task](mean[places], target[places])
        found = {name: losses.score(places) for name, losses in row_losses(task, mean, target).items()}
        assert found
        assert found == pytest.approx({name: expected[name] for name in found}, rel=1e-6)


def test_no_known_answer_is_no_score():
    mean, target = rows("multilabel")
    target[:3] = torch.nan
    assert np.isnan(row_losses("multilabel", mean, target)["brier"].score(np.arange(3)))
