"""Noise on the inputs in training."""

import numpy as np
import pytest
import torch

from sklar.data import Batch
from sklar.models import make_model
from sklar.models.jitter import Jitter, within
from sklar.models.noise import Noise
from sklar.models.outcome import make_outcome


def test_spread_is_that_of_linear_discriminant_analysis():
    """The pooled within-class variance of scikit-learn's; NaN cells are unknown, rows without a class do not count."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    generator = torch.Generator().manual_seed(0)
    y = torch.randint(3, (60,), generator=generator)
    x = torch.randn(60, 4, generator=generator) * torch.tensor([1.0, 2.0, 0.1, 5.0]) + 10 * y[:, None]
    pooled = LinearDiscriminantAnalysis(solver="lsqr").fit(x.double().numpy(), y.numpy()).covariance_
    expected = np.sqrt(np.diag(pooled) * 60 / (60 - 3))  # theirs divides by the number of rows
    assert np.allclose(within(x, y), expected, rtol=1e-5)

    more = torch.cat([x, 1e6 * torch.ones(2, 4)])
    assert torch.allclose(within(more, torch.cat([y, torch.tensor([-1, -1])])), within(x, y))
    x[:20, 1] = torch.nan
    kept = ~x[:, 1].isnan()
    assert torch.allclose(within(x, y)[1], within(x[kept], y[kept])[1])


@pytest.mark.parametrize("groups", [torch.full((30,), -1), torch.arange(30)])
def test_without_groups_of_some_size_it_is_the_spread_of_all_rows(groups):
    x = torch.randn(30, 2)
    assert torch.allclose(within(x, groups), x.std(0))


@pytest.mark.parametrize(
    ("task", "target", "expected"),
    [
        ("classification", torch.tensor([1, -1, 0, 1]), [1, -1, 0, 1]),
        ("multilabel", torch.tensor([[1.0, 0], [0, 1], [1, 0], [1, torch.nan]]), [1, 0, 1, -1]),
        ("regression", torch.tensor([1.0, 1.0, torch.nan, 2.0]), [-1, -1, -1, -1]),
    ],
)
def test_rows_with_the_same_target(task, target, expected):
    assert make_outcome(task, 2).groups(target).tolist() == expected


def test_a_second_start_forgets_the_first():
    """A feature that did not vary then may do so now; what is no number stays undisturbed."""
    jitter = Jitter([torch.tensor([True, True, False])], 0.5)
    x, observed, y = torch.randn(30, 3), torch.ones(30, 1).bool(), torch.arange(30) % 3
    jitter.start([torch.ones(30, 3)], observed, y)
    assert not bool(jitter.spread(0).any())
    jitter.start([x], observed, y)
    assert torch.allclose(jitter.spread(0), within(x, y) * torch.tensor([1.0, 1.0, 0.0]))


def test_noise_is_added_to_numbers_alone_and_has_the_size_asked_for():
    jitter = Jitter([torch.ones(3).bool(), torch.tensor([False, True]), None], 0.5)
    jitter.spread(0).copy_(torch.tensor([1.0, 10.0, 0.0]))
    n = 20000
    x = {"vec": torch.zeros(n, 3), "labs": torch.tensor([[1.0, torch.nan]]).repeat(n, 1), "note": torch.ones(n)}
    batch = Batch(x, torch.ones(n, 3).bool(), torch.zeros(n).long())
    after = jitter(batch, Noise(torch.Generator().manual_seed(0))).inputs
    assert torch.allclose(after["vec"].std(0), torch.tensor([0.5, 5.0, 0.0]), rtol=0.02)
    assert torch.equal(after["labs"][:, 0], x["labs"][:, 0])
    assert bool(after["labs"][:, 1].isnan().all())
    assert after["note"] is x["note"]


def test_a_model_is_started_with_the_spreads_and_disturbs_training_alone():
    """Validation and prediction see no noise; the decoders' targets are the inputs as they were."""
    torch.manual_seed(0)
    settings = {"inputs": {"a": 3, "b": 2}, "classes": 2, "dim": 2, "hidden": 4, "dropout": 0.0}
    model = make_model("mvae", **settings, recipe={"jitter": 0.7})
    plain = make_model("mvae", **settings)
    y = torch.arange(40) % 2
    batch = Batch({"a": torch.randn(40, 3) + 5 * y[:, None], "b": torch.randn(40, 2)}, torch.ones(40, 2).bool(), y)
    batch.observed[:10, 1] = False
    model.start(batch)
    assert torch.allclose(model.jitter.spread(0), within(batch.inputs["a"], y))
    assert torch.allclose(model.jitter.spread(1), within(batch.inputs["b"][10:], y[10:]))
    plain.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("jitter")})
    assert torch.equal(model.loss(batch)["loss"], plain.loss(batch)["loss"])
    assert torch.equal(model.predict(batch), plain.predict(batch))

    seen = []
    model.regularizer = lambda given, code, source: seen.append(given) or {}
    noisy = model.loss(batch, torch.Generator().manual_seed(1))["auxiliary"]
    assert torch.equal(seen[0].inputs["a"], batch.inputs["a"])
    moved = model.jitter(model.check(batch), Noise(torch.Generator().manual_seed(1)))
    assert torch.allclose(noisy, plain.loss(moved)["auxiliary"])
    assert not torch.allclose(noisy, plain.loss(batch)["auxiliary"])
