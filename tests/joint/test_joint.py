import itertools

import numpy as np
import pytest
import torch
from torch.distributions import MultivariateNormal

import sklar
from sklar.joint import Joint

KINDS = list(itertools.product(["independent", "mixture"], ["full", "paired"]))


def random_joint(widths, marginal="independent", coupling="full", components=2, seed=0):
    joint = Joint(widths, marginal, "gaussian", coupling, components).double()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in joint.parameters():
            parameter.add_(0.5 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
        for alignment in joint.alignments:
            d = len(alignment.shift)
            matrix = torch.eye(d) + 0.3 * torch.randn(d, d, generator=generator)
            alignment.assign(torch.randn(d, generator=generator), matrix.double())
    return joint


def grid(dims, points, reach):
    """Points and weight of a trapezoidal rule on a cube: spectrally accurate for smooth densities that vanish there."""
    axis = torch.linspace(-reach, reach, points, dtype=torch.float64)
    mesh = torch.stack(torch.meshgrid(*[axis] * dims, indexing="ij"), -1).reshape(-1, dims)
    return mesh, float(axis[1] - axis[0]) ** dims


@pytest.mark.parametrize(
    ("marginal", "coupling", "width", "points", "reach"),
    [(*kind, 1, 400, 12.0) for kind in KINDS]
    + [("mixture", "full", 2, 36, 9.0), ("independent", "paired", 2, 36, 9.0)],
)
@torch.no_grad()
def test_density_integrates_to_one_and_to_its_marginals(marginal, coupling, width, points, reach):
    joint = random_joint({"a": width, "b": width}, marginal, coupling)
    z, weight = grid(2 * width, points, reach)
    density = joint.log_prob({"a": z[:, :width], "b": z[:, width:]}).exp()
    assert float(density.sum() * weight) == pytest.approx(1, abs=2e-3)
    own, one = grid(width, points, reach)
    only_a = torch.tensor([[True, False]]).expand(len(own), -1)
    expected = joint.log_prob({"a": own}, only_a).exp()
    found = density.reshape(len(own), len(own)).sum(1) * one
    assert torch.allclose(found, expected, atol=2e-3)


@pytest.mark.parametrize(("marginal", "coupling"), KINDS)
def test_one_component_is_a_multivariate_normal(marginal, coupling):
    joint = random_joint({"a": 2, "b": 3}, marginal, coupling, components=1)
    sizes = [2, 3]
    if coupling == "full":
        correlation = joint.copula.correlation()
    else:
        correlation = torch.eye(5, dtype=torch.float64)
        for j in range(2):
            correlation[j, 2 + j] = correlation[2 + j, j] = joint.copula.correlation()[j, 0, 1]
    scale = torch.cat([m.log_scale[:, 0].exp() for m in joint.marginals])
    inverse = torch.block_diag(*[torch.linalg.inv(a.matrix) for a in joint.alignments])
    mean = inverse @ torch.cat([m.mean[:, 0] for m in joint.marginals]) + torch.cat([a.shift for a in joint.alignments])
    root = inverse @ torch.diag(scale)
    normal = MultivariateNormal(mean, root @ correlation @ root.T)
    z = torch.randn(20, 5, dtype=torch.float64)
    a, b = z.split(sizes, -1)
    assert torch.allclose(joint.log_prob({"a": a, "b": b}), normal.log_prob(z))
    covariance = normal.covariance_matrix
    gain = covariance[2:, :2] @ torch.linalg.inv(covariance[:2, :2])
    expected = mean[2:] + (a - mean[:2]) @ gain.T
    only_a = torch.tensor([[True, False]]).expand(20, -1)
    with torch.no_grad():
        draws = joint.impute({"a": a}, only_a, 40000, torch.Generator().manual_seed(0))
    assert torch.equal(draws["a"], a.expand(40000, -1, -1))
    rest = covariance[2:, 2:] - gain @ covariance[:2, 2:]
    error = rest.diagonal().sqrt() / 200
    assert bool(((draws["b"].mean(0) - expected).abs() < 5 * error).all())
    rest = rest.detach()
    assert torch.allclose(draws["b"][:, 0].T.cov(), rest, rtol=0.05, atol=0.05 * float(rest.diagonal().max()))


@pytest.mark.parametrize("coupling", ["full", "paired"])
@pytest.mark.parametrize("widths", [(6, 6), (5, 8)])
def test_fit_recovers_the_mutual_information_of_rotated_embeddings(coupling, widths):
    rng = np.random.default_rng(0)
    n, k = 40000, min(widths)
    rho = np.linspace(0.9, 0.2, k)
    a, b = (rng.normal(size=(n, d)) for d in widths)
    b[:, :k] = rho * a[:, :k] + np.sqrt(1 - rho**2) * b[:, :k]
    a, b = (x @ np.linalg.qr(rng.normal(size=(x.shape[1],) * 2))[0] for x in (a, b))
    information = -0.5 * np.log(1 - rho**2).sum()
    joint = sklar.Joint.fit({"a": a[: n // 2], "b": b[: n // 2]}, coupling=coupling)
    found = float(joint.match({"a": a[n // 2 :], "b": b[n // 2 :]}, "a", "b").mean())
    assert 0.95 * information < found < 1.05 * information


@pytest.mark.parametrize(("marginal", "coupling"), KINDS)
def test_match_is_the_gain_over_the_marginals(marginal, coupling):
    joint = random_joint({"a": 2, "b": 3, "c": 1}, marginal, coupling)
    z = {name: torch.randn(7, d, dtype=torch.float64) for name, d in joint.widths.items()}
    masks = [torch.tensor([m]).expand(7, -1) for m in ([True, False, True], [True, False, False], [False, False, True])]
    both, a, c = (joint.log_prob(z, mask) for mask in masks)
    assert torch.allclose(joint.match(z, "a", "c"), both - a - c)
    matrix = joint.match(z, "a", "c", pairwise=True)
    assert torch.allclose(matrix.diagonal(), joint.match(z, "a", "c"))
    assert torch.allclose(matrix[2, 5], joint.match({"a": z["a"][2:3], "c": z["c"][5:6]}, "a", "c")[0])


@pytest.mark.parametrize(("marginal", "coupling"), KINDS)
def test_what_stands_in_a_missing_row_never_matters(marginal, coupling):
    joint = random_joint({"a": 2, "b": 3}, marginal, coupling)
    observed = torch.tensor([[True, False], [False, True], [True, True]])
    noise = joint.noise(4)
    results = []
    for poison in (0.0, torch.nan):
        z = {n: torch.ones(3, d, dtype=torch.float64) for n, d in joint.widths.items()}
        z["b"][0], z["a"][1] = poison, poison
        z = {name: value.requires_grad_() for name, value in z.items()}
        imputed = joint.impute(z, observed, noise=noise)
        total = joint.log_prob(z, observed).sum() + sum(torch.nan_to_num(x).square().sum() for x in imputed.values())
        results.append([total, *torch.autograd.grad(total, [*z.values(), *joint.parameters()])])
    for plain, poisoned in zip(*results, strict=True):
        assert torch.equal(plain, poisoned)


def test_gradients_of_imputation_reach_parameters_and_observed_values():
    joint = random_joint({"a": 1, "b": 2}, "mixture")
    observed = torch.tensor([[True, False], [False, True]])
    noise = joint.noise(2)
    names = [name for name, _ in joint.named_parameters()]

    def function(a, b, *values):
        wrap = torch.nn.ModuleDict({"j": joint})
        wrap.forward = lambda z: tuple(joint.impute(z, observed, noise=noise).values())
        parameters = {f"j.{name}": value for name, value in zip(names, values, strict=True)}
        return torch.func.functional_call(wrap, parameters, ({"a": a, "b": b},))

    values = [p.detach().clone().requires_grad_() for p in joint.parameters()]
    a, b = (torch.randn(2, d, dtype=torch.float64).requires_grad_() for d in (1, 2))
    assert torch.autograd.gradcheck(function, (a, b, *values))


FINE = {"a": torch.zeros(2, 2), "b": torch.zeros(2, 3)}
SEEN = torch.ones(2, 2, dtype=torch.bool)


@pytest.mark.parametrize(
    ("z", "observed", "error", "message"),
    [
        ({"a": torch.zeros(2, 5), "b": FINE["b"]}, SEEN, ValueError, "'a'.*expected shape"),
        ({**FINE, "x": FINE["a"]}, SEEN, KeyError, "unknown modality 'x'"),
        ({"a": FINE["a"]}, SEEN, KeyError, "z has no 'b'"),
        (FINE, torch.tensor([[True, True], [False, False]]), ValueError, "row 1"),
        (FINE, torch.ones(2, 2), TypeError, "boolean"),
        (FINE, torch.ones(3, 2, dtype=torch.bool), ValueError, "rows, modalities"),
        ({"a": torch.tensor([[0.0, 0.0], [torch.nan, 0.0]]), "b": FINE["b"]}, SEEN, ValueError, "'a', row 1: NaN"),
    ],
)
def test_errors_name_the_place(z, observed, error, message):
    joint = Joint({"a": 2, "b": 3})
    for method in (joint.log_prob, joint.impute):
        with pytest.raises(error, match=message):
            method(z, observed)


@pytest.mark.parametrize("choice", ["marginal", "copula", "coupling"])
def test_unknown_choices(choice):
    with pytest.raises(ValueError, match=f"unknown {choice} 'none'"):
        Joint({"a": 1}, **{choice: "none"})


def test_dependence_of_real_views_helps_with_missing_rows(shared):
    from sklearn.decomposition import PCA

    with np.load(shared / "data" / "mfeat" / "mfeat.npz", allow_pickle=False) as views:
        order = np.random.default_rng(0).permutation(2000)
        z = {name: PCA(8, random_state=0).fit_transform(views[name])[order] for name in ("kar", "fou")}
    observed = np.random.default_rng(1).random((1500, 2)) > 0.3
    observed[~observed.any(1)] = True
    held_out = {name: x[1500:] for name, x in z.items()}
    score = {
        copula: float(Joint.fit({n: x[:1500] for n, x in z.items()}, observed, copula=copula).log_prob(held_out).mean())
        for copula in ("gaussian", "independence")
    }
    assert score["gaussian"] > score["independence"] + 0.5


@pytest.mark.parametrize("copula", ["gaussian", "student"])
@pytest.mark.parametrize("seed", range(3))
def test_two_rows_can_be_fitted(copula, seed):
    generator = torch.Generator().manual_seed(seed)
    z = {name: torch.randn(2, 1, generator=generator) for name in "abc"}
    assert torch.isfinite(Joint.fit(z, copula=copula).log_prob(z)).all()
