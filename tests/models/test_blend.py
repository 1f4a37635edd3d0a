"""The share of the auxiliary heads in a prediction."""

import pytest
import torch
from scipy.optimize import minimize

from sklar.data import Batch
from sklar.models import make_model
from sklar.models.blend import SHARES, Blend
from sklar.models.outcome import make_outcome


def best(head, heads, target):
    """The share with the lowest log-loss, after a power and an offset a class were fitted to each; by scipy."""

    def loss(theta, log_p):
        scaled = log_p * float(torch.tensor(theta[0]).exp()) + torch.tensor(theta[1:])
        return float(torch.nn.functional.cross_entropy(scaled, target))

    found = {}
    for share in SHARES:
        log_p = (1 - share) * head + share * heads
        found[share] = minimize(loss, [0.0] * (1 + head.shape[1]), log_p, "BFGS").fun
    return min(found, key=found.get)


@pytest.mark.parametrize(("first", "second"), [(1.0, 1.0), (1.5, 0.5), (0.2, 1.5), (1.5, 0.0)])
def test_the_share_is_that_of_the_lowest_calibrated_log_loss(first, second):
    """Two independent opinions of known worth: the better one gets more."""
    g = torch.Generator().manual_seed(0)
    target = torch.randint(3, (2000,), generator=g)
    sure = torch.eye(3, dtype=torch.double)[target]
    head, heads = (
        torch.log_softmax(3 * (worth * sure + torch.randn(2000, 3, generator=g).double()), -1)
        for worth in (first, second)
    )
    outcome, blend = make_outcome("classification", 3), Blend(None)
    assert blend.share == 0.5
    blend.choose(outcome.double(), head, heads, torch.ones(2000, 1).bool(), target)
    expected = best(head, heads, target)
    assert float(blend.share) == expected
    assert torch.allclose(blend(outcome, head, heads), outcome.blend(head, heads, expected))


@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_a_useless_head_is_left_out_and_the_share_is_saved(task):
    """An untrained head beside auxiliary heads that know the answer, and the other way round; a given share stays."""
    g = torch.Generator().manual_seed(1)
    index = torch.randint(2, (400,), generator=g)
    target = {"classification": index, "multilabel": torch.eye(2)[index], "regression": index.float()}[task]
    outcome = make_outcome(task, None if task == "regression" else 2)
    noise = torch.randn(1, 400, outcome.size, generator=g)
    right = 2.0 * (2 * index[:, None] - 1).float() * torch.tensor([-1.0, 1.0])[-outcome.size :]
    if task == "regression":
        right = target[:, None] + 0.1 * noise[0].flip(0)
    good, useless = outcome.summary(right[None] + 0.1 * noise), outcome.summary(noise)
    observed = torch.ones(400, 1).bool()
    for head, heads, expected in ((useless, good, 1.0), (good, useless, 0.0)):
        blend = Blend(None)
        blend.choose(outcome, head, heads, observed, target)
        assert abs(float(blend.share) - expected) <= 1 / 8
        again = Blend(None)
        again.load_state_dict(blend.state_dict())
        assert torch.equal(again(outcome, head, heads), blend(outcome, head, heads))
        fixed = Blend(0.25)
        fixed.choose(outcome, head, heads, observed, target)
        assert not fixed.state_dict()
        assert torch.equal(fixed(outcome, head, heads), outcome.blend(head, heads, 0.25))


@pytest.mark.parametrize("auxiliary", [0.0, 0.3])
def test_calibration_chooses_for_a_model(auxiliary):
    """What calibrating a model chooses is what `choose` gives for its halves; without such heads there is no share."""
    torch.manual_seed(0)
    model = make_model("concat", inputs={"a": 2, "b": 3}, classes=3, dim=2, hidden=4, recipe={"auxiliary": auxiliary})
    batch = Batch({"a": torch.randn(40, 2), "b": torch.randn(40, 3)}, torch.rand(40, 2) < 0.7, torch.arange(40) % 3)
    batch = batch.see(batch.observed | ~batch.observed.any(-1, keepdim=True))
    head = model.outcome.summary(model.eval().outputs(model.encode(batch), batch.observed, 1, None)).detach()
    before = model.summary(batch)
    model.calibrate(batch, subpatterns=0)
    if not auxiliary:
        assert torch.equal(model.summary(batch), head)
        assert "blend.share" not in model.state_dict()
        return
    each = [
        torch.log_softmax(module(code.mean), -1)
        for module, code in zip(model.auxiliary, model.encode(batch), strict=True)
    ]
    shown = batch.observed[..., None]
    heads = (torch.where(shown, torch.stack(each, 1), 0.0).sum(1) / shown.sum(1)).detach()
    assert torch.allclose(before, torch.log_softmax((head + heads) / 2, -1), atol=1e-6)
    blend = Blend(None)
    blend.choose(model.outcome, head, heads, batch.observed, batch.target)
    assert model.blend.share == blend.share
