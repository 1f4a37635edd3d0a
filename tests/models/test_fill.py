"""What stands for missing embeddings: each rule against scikit-learn, or a plain loop."""

import numpy as np
import pytest
import torch

from sklar.data import completely_at_random
from sklar.models.fill import FILLS

WIDTHS = {"a": 2, "b": 2, "c": 2}


def data(count, seed=0, missing=0.3):
    """Embeddings with a common part, and NaN where they are missing."""
    g = torch.Generator().manual_seed(seed)
    z = torch.randn(count, 1, 2, generator=g) + 0.5 * torch.randn(count, 3, 2, generator=g) + torch.arange(3.0)[:, None]
    observed = completely_at_random(count, 3, missing, g)
    return z, observed


def fitted(name, count=120, **settings):
    fill = FILLS[name](WIDTHS, **settings)
    z, observed = data(count)
    fill.fit(torch.where(observed[..., None], z, torch.nan), observed, seed=0)
    return fill, z, observed


def holes(count=30):
    z, observed = data(count, seed=1, missing=0.5)
    return z, observed, torch.where(observed[..., None], z, 0.0)


@pytest.mark.parametrize("name", FILLS)
def test_what_is_observed_stays_and_what_is_said_is_finite_saved_and_a_rows_own(name, monkeypatch):
    monkeypatch.setattr("sklar.joint.auto.MOST_MODALITIES", {"vine": 1})  # the slowest of the candidates
    fill, _, _ = fitted(name, 30)
    z, observed, seen = holes()
    completed = fill(seen, observed, 5)
    again = FILLS[name](WIDTHS)
    again.load_state_dict(fill.state_dict())
    assert torch.equal(again(seen, observed, 5), completed)
    alone = torch.cat([fill(seen[i : i + 1], observed[i : i + 1], 5) for i in range(10)], 1)
    assert torch.allclose(alone, completed[:, :10], atol=1e-6)
    assert completed.shape[1:] == z.shape
    assert 1 <= len(completed) <= 10
    assert completed.dtype == z.dtype
    assert bool(completed.isfinite().all())
    assert torch.allclose(completed[:, observed], z[observed].expand(len(completed), -1, -1), atol=1e-6)


def test_zeros_and_mean():
    _, observed, seen = holes()
    assert not bool(fitted("zeros")[0](seen, observed, 5)[:, ~observed].any())
    fill, rows, there = fitted("mean")
    for m in range(3):
        said = fill(seen, observed, 5)[0, ~observed[:, m], m]
        assert torch.allclose(said, rows[there[:, m], m].mean(0).expand_as(said), atol=1e-6)


def test_marginal_draws_are_those_of_rows_that_have_the_modality():
    fill, rows, there = fitted("marginal", 40)
    _, observed, seen = holes()
    completed = fill(seen, observed, 1000)
    for m in range(3):
        missing = (~observed[:, m]).nonzero().flatten()
        drawn = completed[:, missing[0], m]
        assert torch.equal(drawn, completed[:, missing[-1], m])
        counts = (drawn[:, None] == rows[there[:, m], m][None]).all(-1).sum(0)
        assert int(counts.sum()) == 1000  # each draw is one of the rows, all alike often
        assert int(counts.max() - counts.min()) <= 1
    with_one = completed[:, (~observed).sum(-1) == 2]
    hidden = (~observed[(~observed).sum(-1) == 2][0]).nonzero().flatten()
    pair = with_one[:, 0, hidden, 0]
    assert abs(float(np.corrcoef(pair.T.numpy())[0, 1])) < 0.35  # modalities are drawn for themselves


def test_regression_is_ridge_regression_on_the_rows_that_have_both():
    from sklearn.linear_model import RidgeCV

    fill, rows, there = fitted("regression")
    _, observed, seen = holes()
    completed = fill(seen, observed, 5)[0]
    for i, pattern in enumerate(observed):
        for m in (~pattern).nonzero().flatten().tolist():
            both = there[:, pattern].all(1) & there[:, m]
            model = RidgeCV(alphas=[0.01, 0.1, 1, 10, 100]).fit(
                rows[both][:, pattern].flatten(1).numpy(), rows[both, m].numpy()
            )
            expected = model.predict(seen[i, pattern].flatten()[None].numpy())[0]
            assert np.allclose(completed[i, m], expected, atol=1e-4)


def test_chained_is_the_iterative_imputer():
    from sklearn.experimental import enable_iterative_imputer  # noqa: F401
    from sklearn.impute import IterativeImputer

    fill, rows, there = fitted("chained")
    _, observed, seen = holes()
    known, asked = (
        torch.where(o[..., None], x, torch.nan).flatten(1).double().numpy()
        for x, o in ((rows, there), (seen, observed))
    )
    expected = IterativeImputer(random_state=0).fit(known).transform(asked)
    assert np.allclose(fill(seen, observed, 5)[0].flatten(1), expected, atol=1e-4)


def test_hot_deck_takes_the_nearest_rows_in_what_both_have():
    fill, rows, there = fitted("hot_deck", neighbours=3)
    _, observed, seen = holes()
    completed = fill(seen, observed, 5)
    spread = torch.stack([rows[there[:, m], m].std(0, correction=0) for m in range(3)])
    for i, pattern in enumerate(observed):
        for m in (~pattern).nonzero().flatten().tolist():
            found = []
            for row, own in zip(rows, there, strict=True):
                common = own & pattern
                if own[m] and common.any():
                    gap = ((row - seen[i]) / spread)[common]
                    found.append((float(gap.square().mean()), row[m]))
            nearest = [z for _, z in sorted(found, key=lambda pair: pair[0])[:3]]
            assert torch.allclose(completed[:, i, m], torch.stack(nearest), atol=1e-5)


@pytest.mark.parametrize("name", ["hot_deck", "regression", "chained", "mean"])
def test_a_modality_that_no_row_has_beside_what_is_observed_gets_the_mean(name):
    fill, (z, _) = FILLS[name](WIDTHS), data(20)
    observed = torch.tensor([[True, True, False], [False, False, True]]).repeat(10, 1)
    fill.fit(z, observed, seed=0)
    completed = fill(z, observed, 4)
    expected = z[1::2, 2].mean(0)
    assert torch.allclose(completed[:, 0::2, 2], expected.expand_as(completed[:, 0::2, 2]), atol=0.05)


@pytest.mark.parametrize("name", ["gaussian", "student"])
def test_joints_say_more_than_marginal_draws(name):
    """Where modalities share a part, draws given one of them are nearer to the truth."""
    z, _ = data(100, seed=2)
    observed = torch.tensor([True, False, False]).expand(100, 3)
    seen = torch.where(observed[..., None], z, 0.0)

    def error(which):
        return (fitted(which, 150)[0](seen, observed, 64).mean(0) - z)[:, 1:].square().mean()

    assert error(name) < 0.7 * error("marginal")
