"""Draws and densities of a joint of mixtures against plain quadrature."""

import itertools

import pytest
import torch

from sklar.joint import Joint

KINDS = list(itertools.product(["independent", "mixture"], ["full", "paired"]))
WIDTHS = {"a": 2, "b": 1, "c": 1}


def make(marginal, coupling, widths=WIDTHS, dtype=torch.float64):
    joint = Joint(widths, marginal, "gaussian", coupling, components=2).to(dtype)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in joint.parameters():
            parameter.add_(0.6 * torch.randn(parameter.shape, generator=generator))
        for alignment in joint.alignments:
            d = len(alignment.shift)
            matrix = torch.eye(d) + 0.3 * torch.randn(d, d, generator=generator)
            alignment.assign(torch.randn(d, generator=generator), matrix.to(dtype))
    return joint


@pytest.mark.parametrize(("marginal", "coupling"), KINDS)
@pytest.mark.parametrize("missing", ["a", "b", "bc"])
@torch.no_grad()
def test_draws_have_the_moments_of_the_conditional_density(marginal, coupling, missing):
    joint = make(marginal, coupling)
    z = {name: 0.5 * torch.randn(3, d, dtype=torch.float64).add(1) for name, d in WIDTHS.items()}
    observed = torch.tensor([[name not in missing for name in WIDTHS]]).expand(3, -1)
    draws = joint.impute(z, observed, 40000, torch.Generator().manual_seed(1))
    drawn = torch.cat([draws[name] for name in missing], -1)
    axis = torch.linspace(-32, 32, 321, dtype=torch.float64)
    sizes = [WIDTHS[name] for name in missing]
    points = torch.cartesian_prod(*[axis] * sum(sizes)).reshape(-1, sum(sizes))
    for row in range(3):
        whole = {name: value[row].expand(len(points), -1) for name, value in z.items()}
        whole |= dict(zip(missing, points.split(sizes, -1), strict=True))
        density = joint.log_prob(whole).exp() * float(axis[1] - axis[0]) ** sum(sizes)
        evidence = joint.log_prob({name: value[row : row + 1] for name, value in z.items()}, observed[:1]).exp()
        assert float(density.sum()) == pytest.approx(float(evidence), rel=1e-6)
        share = density / density.sum()
        for power in (lambda x: x, lambda x: x.square(), lambda x: x.prod(-1, keepdim=True)):
            values, sample = power(points), power(drawn[:, row])
            mean = share @ values
            error = ((share @ values.square() - mean.square()) / len(sample)).sqrt()
            assert bool(((sample.mean(0) - mean).abs() < 5 * error).all())


@pytest.mark.parametrize(("marginal", "coupling"), KINDS)
@pytest.mark.parametrize("seen", ["a", "b", "bc"])
@torch.no_grad()
def test_density_of_any_subset_integrates_to_one(marginal, coupling, seen):
    joint = make(marginal, coupling)
    axis = torch.linspace(-32, 32, 321, dtype=torch.float64)
    sizes = [WIDTHS[name] for name in seen]
    points = torch.cartesian_prod(*[axis] * sum(sizes)).reshape(-1, sum(sizes))
    observed = torch.tensor([[name in seen for name in WIDTHS]]).expand(len(points), -1)
    density = joint.log_prob(dict(zip(seen, points.split(sizes, -1), strict=True)), observed).exp()
    assert float(density.sum() * (axis[1] - axis[0]) ** sum(sizes)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("marginal", "coupling"), KINDS)
@torch.no_grad()
def test_samples_have_the_moments_of_the_marginals_and_their_density(marginal, coupling):
    joint = make(marginal, coupling, {"a": 1, "b": 1})
    n = 40000
    draws = joint.rsample(n, torch.Generator().manual_seed(0))
    axis = torch.linspace(-14, 14, 281, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)
    log_density = joint.log_prob({"a": points[:, :1], "b": points[:, 1:]})
    share = log_density.exp() * float(axis[1] - axis[0]) ** 2
    pairs = torch.cat([draws["a"], draws["b"]], -1)
    for function in (lambda x: x[:, 0], lambda x: x[:, 1], lambda x: x.prod(-1), lambda x: x.square().prod(-1)):
        mean, second = share @ function(points), share @ function(points).square()
        error = float((second - mean.square()) / n) ** 0.5
        assert abs(float(function(pairs).mean() - mean)) < 5 * error


@pytest.mark.parametrize(("marginal", "coupling"), KINDS)
def test_gradients_of_density_and_draws(marginal, coupling):
    joint = make(marginal, coupling)
    observed = torch.tensor([[True, False, True], [False, True, False], [True, True, True]])
    noise = joint.noise(2)
    names = [name for name, _ in joint.named_parameters()]
    wrap = torch.nn.ModuleDict({"joint": joint})
    wrap.forward = lambda z: (joint.log_prob(z, observed), *joint.impute(z, observed, noise=noise).values())

    def function(a, b, c, *values):
        parameters = {f"joint.{name}": value for name, value in zip(names, values, strict=True)}
        return torch.func.functional_call(wrap, parameters, ({"a": a, "b": b, "c": c},))

    values = [p.detach().clone().requires_grad_() for p in joint.parameters()]
    generator = torch.Generator().manual_seed(0)
    z = [torch.randn(3, d, dtype=torch.float64, generator=generator).requires_grad_() for d in WIDTHS.values()]
    assert torch.autograd.gradcheck(function, (*z, *values), fast_mode=True)


@pytest.mark.parametrize(("marginal", "coupling"), KINDS)
def test_float32_is_finite_for_scores_up_to_eight(marginal, coupling):
    joint = make(marginal, coupling, {"a": 2, "b": 2}, torch.float32)
    w = torch.linspace(-8, 8, 33)[:, None].expand(-1, 2)
    with torch.no_grad():
        parts = zip(joint.names, joint.alignments, joint.marginals, (w, -w.flip(-1)), strict=True)
        z = {name: alignment.undo(marginal.from_scores(v)) for name, alignment, marginal, v in parts}
    z = {name: value.requires_grad_() for name, value in z.items()}
    patterns = torch.tensor([[True, True], [True, False], [False, True]])
    observed = patterns[torch.arange(33) % 3]
    noise = 8 * torch.sign(joint.noise(8))
    results = [joint.log_prob(z, observed), joint.log_prob(z), *joint.impute(z, observed, noise=noise).values()]
    assert all(bool(torch.isfinite(x).all()) for x in results)
    grads = torch.autograd.grad(sum(x.sum() for x in results), [*z.values(), *joint.parameters()])
    assert all(bool(torch.isfinite(g).all()) for g in grads)


@pytest.mark.parametrize(("marginal", "coupling"), KINDS)
@torch.no_grad()
def test_one_call_with_mixed_patterns_is_many_calls_with_one_row(marginal, coupling):
    joint = make(marginal, coupling)
    observed = torch.tensor(list(itertools.product([False, True], repeat=3))[1:])
    z = {name: torch.randn(7, d, dtype=torch.float64) for name, d in WIDTHS.items()}
    noise = joint.noise(3)
    density, draws = joint.log_prob(z, observed), joint.impute(z, observed, noise=noise)
    for row in range(7):
        alone = {name: value[row : row + 1] for name, value in z.items()}
        mask = observed[row : row + 1]
        assert torch.allclose(joint.log_prob(alone, mask)[0], density[row], atol=1e-10)
        for name, value in joint.impute(alone, mask, noise=noise).items():
            assert torch.allclose(value[:, 0], draws[name][:, row], atol=1e-10)
