"""Ablated draws of a joint: what they know and what they do not."""

import pytest
import torch

from sklar.data import Batch
from sklar.joint import Joint
from sklar.models import make_model
from sklar.models.ablated import ablated
from sklar.training import Schedule, train

WIDTHS = {"a": 3, "b": 3, "c": 3}
OBSERVED = torch.tensor([[True, False, False], [True, True, False]]).repeat(2000, 1)


@pytest.fixture
def joint():
    """Normal marginals, coordinates of the modalities strongly tied."""
    return Joint(WIDTHS, "normal", "gaussian", "paired", 2, 0.9).double()


def drawn(joint, inference):
    g = torch.Generator().manual_seed(0)
    z = {name: torch.randn(4000, 3, generator=g).double() for name in WIDTHS}
    noise = torch.randn(1, 4000, 3, 3, generator=g).double()
    with torch.no_grad():
        found = ablated(joint, inference).impute(z, OBSERVED, noise=noise)
    for m, name in enumerate(WIDTHS):
        assert torch.equal(found[name][0, OBSERVED[:, m]], z[name][OBSERVED[:, m]])
    return z["a"][::2], found["b"][0, ::2], found["c"][0, ::2]


def correlations(x, y):
    return torch.corrcoef(torch.cat([x, y], -1).T)[:3, 3:]


def test_each_kind_of_draw_has_the_dependence_that_it_says(joint):
    noise = 3.5 / 2000**0.5
    for inference, place, between in (("conditional", 0, 0), ("permuted", 1, 1), ("marginal", None, 0)):
        a, b, c = drawn(joint, inference)
        expected = torch.zeros(3, 3).double()
        if place is not None:  # coordinate j of a is tied to coordinate j - 1 of b
            expected = 0.9 * torch.eye(3).double().roll(-place, 1)
        assert (correlations(a, b) - expected).abs().max() < noise
        assert (correlations(b, c) - 0.9 * torch.eye(3).double().roll(-between, 1)).abs().max() < noise
        assert (b.var(0) - 1).abs().max() < 0.15
    assert ablated(joint, "conditional") is joint


def test_parameters_are_shared_and_the_joint_is_left_as_it_was(joint):
    copula, before = joint.copula, {name: value.clone() for name, value in joint.state_dict().items()}
    other = ablated(joint, "permuted")
    assert joint.copula is copula
    assert {id(p) for p in other.parameters()} == {id(p) for p in joint.parameters()}
    assert all(torch.equal(before[name], value) for name, value in joint.state_dict().items())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"inference": "none"}, "unknown inference 'none'"),
        ({"inference": "marginal", "root": 2}, "one paired joint"),
        ({"inference": "permuted", "coupling": "full"}, "one paired joint"),
        ({"inference": "permuted", "posterior": "structured"}, "one paired joint"),
        ({"inference": "permuted", "dim": 2}, "3 modalities cannot all be permuted apart with dim=2"),
    ],
)
def test_what_does_not_go_together_is_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        make_model("variational_copula", inputs=WIDTHS, classes=2, **{"dim": 3, **settings})


def test_the_weights_do_not_depend_on_the_inference_but_the_trained_models_word_does():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(90, 1, generator=g) + 0.3 * torch.randn(90, 3, generator=g)
    rows = Batch(dict.fromkeys(WIDTHS, x), torch.ones(90, 3).bool(), (x[:, 0] > 0).long())
    found = {}
    for inference in ("conditional", "marginal", "permuted"):
        torch.manual_seed(0)
        model = make_model("variational_copula", inputs=WIDTHS, classes=2, dim=3, hidden=8, inference=inference)
        train(model, rows[:60], rows[60:], Schedule(steps=5, warmup=1), progress=False)
        found[inference] = model
    first = dict(found["conditional"].named_parameters())
    pattern = torch.tensor([True, False, False])
    for inference in ("marginal", "permuted"):
        assert all(torch.equal(value, first[name]) for name, value in found[inference].named_parameters())
        draws = [found[k].impute(rows.see(pattern), 8)["b"] for k in ("conditional", inference)]
        assert not torch.allclose(*draws)
