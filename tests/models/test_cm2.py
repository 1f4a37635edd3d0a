"""CM2's two arms: what the paper means, and an exhibit of what the released code does."""

import copy
import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from sklar.copulas.pair import FAMILIES
from sklar.data import Batch, completely_at_random
from sklar.models import CM2, CM2Published, CM2Released, make_model
from sklar.models.cm2_penalty import ReleasedPenalty, gaussian, gumbel
from sklar.training import Schedule, train

WIDTHS = {"a": 5, "b": 3, "c": 4}
PATTERNS = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]]).bool()


def case(arm, inputs=WIDTHS, **settings):
    """A model with random weights in evaluation mode, float64."""
    torch.manual_seed(0)
    model = CM2(arm=arm, inputs=inputs, classes=3, **{"dim": 4, "hidden": 8, **settings}).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def rows(observed=PATTERNS, names=tuple(WIDTHS)):
    g = torch.Generator().manual_seed(1)
    inputs = {name: torch.randn(len(observed), WIDTHS[name], generator=g).double() for name in names}
    return Batch(inputs, observed, torch.randint(3, (len(observed),), generator=g))


def encoded(model, batch):
    checked = model.check(batch)
    return checked, model.encode(checked)


def test_the_arms():
    for arm, kind in (("published", CM2Published), ("released", CM2Released)):
        model = case(arm)
        assert type(model) is kind
        assert type(make_model(model.name, **model.settings)) is kind
        assert torch.equal(copy.deepcopy(model).predict(rows()), model.predict(rows()))
    assert type(CM2(WIDTHS, classes=2)) is CM2Published
    with pytest.raises(ValueError, match="unknown arm 'intended'; choose one of"):
        CM2(WIDTHS, arm="intended", classes=2)
    with pytest.raises(ValueError, match="CM2Released is the arm 'released', got arm='published'"):
        CM2Released(WIDTHS, arm="published", classes=2)


# Published.


def test_a_missing_embedding_is_drawn_from_its_own_mixture_and_fused():
    model, batch = case("published", components=3), rows()
    checked, code = encoded(model, batch)
    found, draws = model.outputs(code, checked.observed, 5, None), model.impute(batch, 5)
    assert torch.allclose(found, model.head(torch.cat(list(draws.values()), -1)))
    other = Batch({name: x + 1 for name, x in batch.inputs.items()}, batch.observed, batch.target)
    for m, name in enumerate(WIDTHS):
        shown = batch.observed[:, m]
        assert torch.allclose(draws[name][:, shown], code[m].mean[shown].expand(5, -1, -1))
        assert torch.equal(draws[name][:, ~shown], model.impute(other, 5)[name][:, ~shown])  # whatever was observed


@pytest.mark.parametrize("gradient", [True, False])
def test_draws_carry_gradients_to_the_marginals_or_are_held_fixed(gradient):
    """The paper's gradient-preserving sampling, and its ablation."""
    model, batch = case("published", gradient=gradient), rows(PATTERNS[:1])
    checked, code = encoded(model, batch)
    drawn = model._draws(code, checked.observed, 5, None)
    missing = [name for name, seen in zip(WIDTHS, checked.observed[0].tolist(), strict=True) if not seen]
    assert missing
    assert all(drawn[name].requires_grad == gradient for name in missing)
    if gradient:
        total = sum(drawn[name].sum() for name in missing)
        found = torch.autograd.grad(total, list(model.joint.marginals.parameters()), allow_unused=True)
        assert any(each is not None and bool(each.any()) for each in found)


def test_draws_have_the_mixtures_distribution():
    model = case("published", components=3)
    drawn = model.impute(rows(PATTERNS[:1]), 2000, torch.Generator().manual_seed(0))["b"][:, 0].numpy()
    mixture = model.joint.marginals[1]
    weights = torch.softmax(mixture.logits, -1).detach().numpy()
    mean, scale = mixture.mean.detach().numpy(), mixture.log_scale.exp().detach().numpy()
    for j in range(4):
        cdf = lambda z, j=j: (weights[j] * stats.norm.cdf((z[:, None] - mean[j]) / scale[j])).sum(-1)  # noqa: E731
        assert stats.kstest(drawn[:, j], cdf).pvalue > 1e-3


@pytest.mark.parametrize("family", ["gaussian", "gumbel", "frank", "clayton", "student"])
def test_the_density_integrates_to_one(family):
    copula = {"copula": "gaussian"} if family == "gaussian" else {"copula": "vine", "options": {"families": family}}
    model = case("published", inputs={"a": 5, "b": 3}, dim=1, components=2, **copula)
    batch = rows(torch.tensor([[1, 1], [1, 0], [0, 1]]).bool(), "ab")
    checked, code = encoded(model, batch)
    z = {name: each.mean for name, each in zip("ab", code, strict=True)}
    assert torch.allclose(
        model.regularizer(checked, code, None)["density"], -0.02 * model.joint.log_prob(z, batch.observed)
    )
    with torch.no_grad():
        grid = torch.linspace(-9, 9, 601, dtype=torch.float64)
        step = float(grid[1] - grid[0])
        both = {"a": grid.repeat_interleave(601)[:, None], "b": grid.repeat(601)[:, None]}
        assert float(model.joint.log_prob(both).exp().sum()) * step**2 == pytest.approx(1, abs=2e-3)
        for m, name in enumerate("ab"):
            one = {"a": grid[:, None], "b": grid[:, None]}
            mask = (torch.arange(2) == m).expand(601, 2)
            assert float(model.joint.log_prob(one, mask).exp().sum()) * step == pytest.approx(1, abs=1e-6), name


def test_components_are_distinct_from_the_start():
    for marginal in CM2(WIDTHS, classes=2, components=3).joint.marginals:
        assert (marginal.mean[:, 1:] - marginal.mean[:, :-1]).abs().min() > 0.1


# Released.


def test_outputs_are_an_lstm_over_what_is_there_of_the_first_two():
    model, batch = case("released"), rows()
    checked, code = encoded(model, batch)
    found = model.outputs(code, checked.observed, 1, None)[0]
    for row in range(len(batch)):
        seen = [(m, name) for m, name in enumerate(["a", "b"]) if batch.observed[row, m]]
        state = torch.zeros(8).double()
        if seen:
            each = [model.encoder(name)(batch.inputs[name][row : row + 1])[0][0] for _, name in seen]
            _, (last, _) = model.fusion(torch.stack([z / z.square().sum().sqrt() for z in each])[None])
            state = last[0, 0]
        assert torch.allclose(found[row], model.head[1](state), atol=1e-10)


def test_a_prediction_does_not_depend_on_the_imputed_draw():
    model, batch = case("released"), rows()
    checked, code = encoded(model, batch)
    first, second = (torch.Generator().manual_seed(seed) for seed in (0, 1))
    one, two = model.completed(code, checked.observed, first), model.completed(code, checked.observed, second)
    assert bool((one != two)[~checked.observed].all())
    assert torch.equal(model.fuse(one, checked.observed), model.fuse(two, checked.observed))
    assert not torch.equal(model.penalty(one), model.penalty(two))  # it feeds back into what stands for the likelihood


def test_an_imputed_embedding_is_held_fixed():
    model, batch = case("released"), rows(PATTERNS[:1])
    checked, code = encoded(model, batch)
    total = model.completed(code, checked.observed, None)[:, 1:].sum()
    gradients = torch.autograd.grad(total, list(model.parameters()), allow_unused=True)
    assert all(each is None or not bool(each.any()) for each in gradients)


def test_the_third_modality_never_reaches_the_classifier():
    model, batch = case("released"), rows()
    changed = Batch({**batch.inputs, "c": 9 - batch.inputs["c"]}, batch.observed, batch.target)
    results = []
    for each in (batch, changed):
        checked, code = encoded(model, each)
        results.append((model.outputs(code, checked.observed, 1, None), model.predict(each)))
    assert torch.equal(results[0][0], results[1][0])
    seen = batch.observed[:, 2]  # the common recipe's unimodal heads alone see it
    assert (results[0][1] - results[1][1]).abs().amax(-1)[seen].min() > 1e-6
    assert torch.equal(results[0][1][~seen], results[1][1][~seen])


@pytest.mark.parametrize("family", ["gumbel", "frank", "gaussian"])
def test_components_start_identical_and_stay_so(family):
    torch.manual_seed(0)
    model = CM2Released(WIDTHS, classes=3, dim=4, hidden=8, family=family, weight=1.0)
    g = torch.Generator().manual_seed(0)
    inputs = {name: torch.randn(120, d, generator=g) for name, d in WIDTHS.items()}
    batch = Batch(inputs, completely_at_random(120, 3, 0.4, g), torch.randint(3, (120,), generator=g))
    train(model, batch, batch, Schedule(steps=30, warmup=5), progress=False)
    assert float(model.penalty.mean.detach().abs().max()) > 0.01
    for parameter in (model.penalty.mean, model.penalty.log_scale):
        assert torch.allclose(parameter, parameter[:, :1].expand_as(parameter), atol=1e-5)


def test_an_average_of_components_varies_less_than_a_draw():
    penalty = ReleasedPenalty(2, 3, components=4)
    drawn = penalty.impute(torch.randn(20000, 2, 4, 3, generator=torch.Generator().manual_seed(0)))
    assert torch.allclose(drawn.std(0), torch.full((2, 3), 0.5), atol=0.02)  # the mixture's is one


def test_gumbels_density_is_its_distribution_function():
    u = (torch.arange(800).double() + 0.5) / 800
    log_u = torch.stack([u.repeat_interleave(800), u.repeat(800)], -1).log()
    two = torch.tensor(2.0).double()
    value = gumbel(log_u, two).exp()
    x, y = (-log_u).unbind(-1)
    assert torch.allclose(value, torch.exp(-torch.sqrt(x**2 + y**2)))
    assert float(value.mean()) == pytest.approx(0.31, abs=0.005)
    scores = torch.special.ndtri(log_u.exp())
    truth = FAMILIES["gumbel"].log_prob(scores[:, 0], scores[:, 1], (two, *FAMILIES["gumbel"].derived((two,))))
    assert float(truth.exp().mean()) == pytest.approx(1, abs=0.01)


def test_theta_grows_on_independent_data():
    penalty = ReleasedPenalty(2, 8)
    z = torch.randn(500, 2, 8, generator=torch.Generator().manual_seed(0))
    optimiser = torch.optim.Adam([penalty.theta], 0.1)
    path = [1.0]
    for _ in range(200):
        optimiser.zero_grad()
        penalty(z).mean().backward()
        optimiser.step()
        path.append(float(penalty.theta.detach()))
    assert all(later > earlier for earlier, later in itertools.pairwise(path))
    assert path[-1] > 5
    log_u = torch.rand(50, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64).log()
    for theta in (1.0, 3.0, 30.0):  # whatever the data: in every row
        value = torch.full((50,), theta, dtype=torch.float64, requires_grad=True)
        each = torch.stack([gumbel(row[None], one) for row, one in zip(log_u, value.unbind(), strict=True)])
        assert float(torch.autograd.grad(each.sum(), value)[0].min()) >= -1e-12


def test_u_of_a_long_vector_is_nearly_zero():
    z = torch.randn(400, 2, 256, generator=torch.Generator().manual_seed(0))
    log_u = ReleasedPenalty(2, 256).log_u(z).detach()  # of draws from the very mixture: should be uniform
    assert float(log_u.mean()) == pytest.approx(-256, abs=3)
    assert float(log_u.max()) < -190


def test_the_map_of_frank_and_gaussian_loses_the_sign_and_depends_on_the_batch():
    g = torch.Generator().manual_seed(0)
    first = torch.randn(400, generator=g).double()
    second = 0.8 * first + 0.6 * torch.randn(400, generator=g).double()
    second = second - second.mean()
    theta = torch.tensor(1.0).double()
    alike, opposed = torch.stack([first, second], -1) - 50, torch.stack([first, -second], -1) - 50
    for family in ("frank", "gaussian"):
        penalty = ReleasedPenalty(2, 4, family).double()
        assert penalty.theta == 1
    assert torch.allclose(gaussian(alike, theta), gaussian(opposed, theta))
    truth = stats.multivariate_normal([0, 0], [[1, 0.76], [0.76, 1]])
    assert truth.logpdf(alike.numpy() + 50).mean() > truth.logpdf(opposed.numpy() + 50).mean() + 1
    assert not torch.allclose(gaussian(alike[:200], theta), gaussian(alike, theta)[:200])


@pytest.mark.parametrize("family", ["gumbel", "frank", "gaussian"])
def test_the_penalty_written_out(family):
    g = torch.Generator().manual_seed(3)
    penalty = ReleasedPenalty(3, 4, family, components=2).double()
    with torch.no_grad():
        for parameter in (penalty.mean, penalty.log_scale):
            parameter.copy_(0.5 * torch.randn(parameter.shape, generator=g))
        penalty.theta.fill_(1.5)
    z = torch.randn(6, 3, 4, generator=g).double()
    mean, scale = penalty.mean.detach().numpy(), penalty.log_scale.exp().detach().numpy()
    u, density = np.zeros((6, 3)), np.zeros((6, 3))
    for row, m, k in itertools.product(range(6), range(3), range(2)):
        normal = stats.norm(mean[m, k], scale[m, k])
        u[row, m] += 0.5 * normal.cdf(z[row, m].numpy()).prod()
        density[row, m] += 0.5 * normal.pdf(z[row, m].numpy()).prod()
    if family == "gumbel":
        copula = -(((-np.log(u)) ** 1.5).sum(-1) ** (1 / 1.5))
    else:
        gap = np.abs(np.log(u) - np.log(u).mean(0))
        v = (gap / gap.max(0)).clip(1e-6, 1 - 1e-6)
        copula = np.zeros(6)
        for i, j in ((0, 1), (0, 2), (1, 2)):
            a, b = v[:, i], v[:, j]
            if family == "frank":
                bottom = 1 - np.exp(-1.5) - (1 - np.exp(-1.5 * a)) * (1 - np.exp(-1.5 * b))
                copula += np.log(1.5 * (1 - np.exp(-1.5)) * np.exp(-1.5 * (a + b)) / bottom**2)
            else:
                rho, scores = np.tanh(1.5), stats.norm.ppf(np.stack([a, b], -1))
                joint = stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]])
                copula += joint.logpdf(scores) - stats.norm.logpdf(scores).sum(-1)
    assert np.allclose(penalty(z).detach().numpy(), -(copula + np.log(density).sum(-1)), atol=1e-8)


def test_what_the_released_code_does_not_have():
    with pytest.raises(ValueError, match="no working family 'clayton'"):
        CM2(WIDTHS, arm="released", family="clayton", classes=2)
    with pytest.raises(ValueError, match="at least one component"):
        CM2(WIDTHS, arm="released", components=0, classes=2)
    assert not case("released").generates
