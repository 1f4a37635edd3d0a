"""The common recipe's terms."""

import pytest
import torch

from sklar.data import Batch
from sklar.models import make_model
from sklar.models.base import subpattern


@pytest.mark.parametrize("name", ["variational_copula", "mvae", "concat", "attention_pool"])
def test_single_modalities_count_once_for_each_observed_one(name):
    """The term is the head's own on rows that show one of their modalities, times the number that they have."""
    torch.manual_seed(0)
    model = make_model(name, inputs={"a": 2, "b": 3}, classes=3, dim=2, hidden=4, dropout=0.0, recipe={"single": 0.5})
    batch = Batch(
        {"a": torch.randn(4, 2), "b": torch.randn(4, 3)}, torch.eye(2).bool().repeat(2, 1), torch.arange(4) % 3
    )
    both = torch.ones(4, 2).bool()
    for observed, count in ((batch.observed, 1), (both, 2)):
        found = model.loss(batch.see(observed))["single"]
        head = model.loss(batch.see(subpattern(observed, 1.0, None)))["head"] / (1 - model.recipe.second_pass)
        assert torch.allclose(found, 0.5 * count * head, rtol=1e-5)
