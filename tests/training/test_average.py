"""The moving average of weights."""

import pytest
import torch
from torch import nn

from sklar.training.average import Average


def test_the_average_is_the_recursion_and_leaves_the_weights_alone():
    torch.manual_seed(0)
    model = nn.Linear(2, 1)
    model.bias.requires_grad_(False)
    average, expected = Average(model, 0.5), model.weight.detach().clone()
    for step in range(12):
        with torch.no_grad():
            model.weight += torch.randn(1, 2)
        kept = min(0.5, (1 + step) / (10 + step))
        expected = kept * expected + (1 - kept) * model.weight.detach()
        average.update(step)
    own = model.weight.detach().clone()
    with average.applied():
        torch.testing.assert_close(model.weight.detach(), expected)
    assert torch.equal(model.weight, own)
    assert set(average.values) == {"weight"}


def test_the_weights_come_back_after_an_error_and_no_decay_is_no_average():
    model = nn.Linear(2, 1)
    average = Average(model, 0.0)
    with torch.no_grad():
        model.weight += 1
    average.update(0)
    own = model.weight.detach().clone()

    def fails() -> None:
        with average.applied():
            assert torch.equal(model.weight, own)
            model.missing  # noqa: B018

    with pytest.raises(AttributeError, match="missing"):
        fails()
    assert torch.equal(model.weight, own)
