import itertools

import numpy as np
import pytest
import torch
from scipy import stats

import sklar
from sklar.joint import Joint, JointMixture, marginalize
from sklar.joint.clusters import fit_clusters, k_means, normal_log_densities

WIDTHS = {"a": 2, "b": 1, "c": 2}
SIZES = list(WIDTHS.values())
PATTERNS = torch.tensor(list(itertools.product([False, True], repeat=3))[1:])
WEIGHTS = [0.5, 0.2, 0.3]


def normal_joint(mean, covariance):
    """A joint that is one multivariate normal."""
    joint = Joint(WIDTHS, components=1).double()
    scale = covariance.diagonal().sqrt()
    for alignment, m, s in zip(joint.alignments, mean.split(SIZES), scale.split(SIZES), strict=True):
        alignment.assign(m, torch.diag(1 / s))
    joint.copula.set_correlation(covariance / (scale[:, None] * scale))
    return joint


@pytest.fixture
def normals():
    generator = torch.Generator().manual_seed(0)
    means = [1.5 * torch.randn(5, generator=generator, dtype=torch.float64) for _ in range(3)]
    roots = [torch.randn(5, 5, generator=generator, dtype=torch.float64) for _ in range(3)]
    return means, [0.4 * root @ root.T + 0.3 * torch.eye(5, dtype=torch.float64) for root in roots]


@pytest.fixture
def mixture(normals):
    return JointMixture([normal_joint(m, c) for m, c in zip(*normals, strict=True)], WEIGHTS)


def split(x):
    return dict(zip(WIDTHS, x.split(SIZES, -1), strict=True))


def cells(pattern):
    return pattern.repeat_interleave(torch.tensor(SIZES))


def component_log_densities(normals, x, o):
    """``log pi_k + log N_k(x_O)`` by scipy, (n, K)."""
    columns = [
        np.log(w) + stats.multivariate_normal(m[o].numpy(), c[o][:, o].numpy()).logpdf(x[:, o].numpy())
        for w, m, c in zip(WEIGHTS, *normals, strict=True)
    ]
    return np.stack([np.atleast_1d(column) for column in columns], -1)


def conditional(normals, x, o):
    """Weights (K,), means and covariances of the missing given one row's observed coordinates ``o``."""
    each = component_log_densities(normals, x[None], o)[0]
    weights = np.exp(each - np.logaddexp.reduce(each))
    means, covariances = [], []
    for m, c in zip(*normals, strict=True):
        gain = c[~o][:, o] @ torch.linalg.inv(c[o][:, o])
        means.append((m[~o] + gain @ (x[o] - m[o])).numpy())
        covariances.append((c[~o][:, ~o] - gain @ c[o][:, ~o]).numpy())
    return weights, means, covariances


@pytest.mark.parametrize("pattern", PATTERNS, ids=lambda p: "".join(n for n, s in zip("abc", p, strict=True) if s))
@torch.no_grad()
def test_density_and_responsibilities_of_every_pattern_against_scipy(normals, mixture, pattern):
    x = 2 * torch.randn(20, 5, dtype=torch.float64)
    each = component_log_densities(normals, x, cells(pattern))
    total = np.logaddexp.reduce(each, axis=1)
    observed = pattern.expand(20, -1)
    assert mixture.log_prob(split(x), observed).numpy() == pytest.approx(total, abs=1e-9)
    found = mixture.responsibilities(split(x), observed)
    assert torch.allclose(found.sum(-1), torch.ones(20, dtype=torch.float64))
    assert found.numpy() == pytest.approx(np.exp(each - total[:, None]), abs=1e-9)


@torch.no_grad()
def test_one_call_with_mixed_patterns_is_many_calls_with_one_row(mixture):
    z, noise = split(torch.randn(7, 5, dtype=torch.float64)), mixture.noise(8)
    density, draws = mixture.log_prob(z, PATTERNS), mixture.impute(z, PATTERNS, noise=noise)
    for row in range(7):
        alone = {name: value[row : row + 1] for name, value in z.items()}
        mask = PATTERNS[row : row + 1]
        assert torch.allclose(mixture.log_prob(alone, mask)[0], density[row])
        for name, value in mixture.impute(alone, mask, noise=noise).items():
            assert torch.allclose(value[:, 0], draws[name][:, row], atol=1e-10)


@pytest.mark.parametrize("source", ["generator", "noise"])
@pytest.mark.parametrize("pattern", PATTERNS[:-1], ids=str)
@torch.no_grad()
def test_draws_follow_the_conditional_mixture(normals, mixture, pattern, source):
    o, x = cells(pattern), torch.randn(2, 5, dtype=torch.float64)
    settings = {"noise": mixture.noise(4096)} if source == "noise" else {}
    if source == "generator":
        settings = {"num_samples": 4096, "generator": torch.Generator().manual_seed(0)}
    drawn = mixture.impute(split(x), pattern.expand(2, -1), **settings)
    whole = torch.cat(list(drawn.values()), -1)
    assert torch.equal(whole[..., o], x[:, o].expand(4096, -1, -1))
    for row in range(2):
        weights, means, covariances = conditional(normals, x[row], o)
        values = whole[:, row, ~o].numpy()
        for j in range(values.shape[1]):
            pieces = [stats.norm(m[j], c[j, j] ** 0.5) for m, c in zip(means, covariances, strict=True)]
            u = sum(w * piece.cdf(values[:, j]) for w, piece in zip(weights, pieces, strict=True))
            assert stats.kstest(u, "uniform").pvalue > 1e-4
        mean = sum(w * m for w, m in zip(weights, means, strict=True))
        spread = sum(w * (c + np.outer(m, m)) for w, m, c in zip(weights, means, covariances, strict=True))
        spread = spread - np.outer(mean, mean)
        scale = spread.diagonal() ** 0.5
        assert (values.mean(0) - mean) / scale == pytest.approx(0, abs=0.08)
        assert (np.atleast_2d(np.cov(values.T)) - spread) / np.outer(scale, scale) == pytest.approx(0, abs=0.15)


@torch.no_grad()
def test_the_fixed_set_enumerates_the_components_in_proportion(mixture):
    # Components so narrow and far apart that a draw tells where it came from.
    joints = []
    for k in range(3):
        mean = torch.tensor([0.0, 0.0, 100.0 * k, 0.0, 0.0], dtype=torch.float64)
        joints.append(normal_joint(mean, torch.eye(5, dtype=torch.float64)))
    apart = JointMixture(joints, WEIGHTS)
    z, observed = split(torch.zeros(1, 5, dtype=torch.float64)), PATTERNS[3:4]  # only a, which tells nothing
    assert observed.tolist() == [[True, False, False]]
    chosen = (apart.impute(z, observed, noise=apart.noise(128))["b"][:, 0, 0] / 100).round().long()
    counts = torch.bincount(chosen, minlength=3)
    assert (counts - 128 * torch.tensor(WEIGHTS)).abs().max() <= 1.5


@torch.no_grad()
def test_samples_have_the_density(normals, mixture):
    draws = torch.cat(list(mixture.rsample(20000, torch.Generator().manual_seed(0)).values()), -1)
    mean = sum(w * m for w, m in zip(WEIGHTS, normals[0], strict=True))
    scale = draws.std(0)
    assert ((draws.mean(0) - mean) / scale).abs().max() < 5 / 20000**0.5
    again = torch.cat(list(mixture.rsample(20000, torch.Generator().manual_seed(0)).values()), -1)
    assert torch.equal(draws, again)


@torch.no_grad()
def test_match_is_the_gain_over_the_marginals(mixture):
    z = split(torch.randn(7, 5, dtype=torch.float64))
    masks = [torch.tensor([m]).expand(7, -1) for m in ([True, False, True], [True, False, False], [False, False, True])]
    both, a, c = (mixture.log_prob(z, mask) for mask in masks)
    assert torch.allclose(mixture.match(z, "a", "c"), both - a - c)
    matrix = mixture.match(z, "a", "c", pairwise=True)
    assert torch.allclose(matrix.diagonal(), mixture.match(z, "a", "c"))
    assert torch.allclose(matrix[2, 5], mixture.match({"a": z["a"][2:3], "c": z["c"][5:6]}, "a", "c")[0])
    with pytest.raises(KeyError, match="unknown modality 'x'"):
        mixture.match(z, "a", "x")
    with pytest.raises(ValueError, match="'a' twice"):
        mixture.match(z, "a", "a")


def test_what_stands_in_a_missing_row_never_matters(mixture):
    observed = torch.tensor([[True, False, True], [False, True, False], [True, True, True]])
    noise = mixture.noise(4)
    results = []
    for poison in (0.0, torch.nan):
        z = {n: torch.ones(3, d, dtype=torch.float64) for n, d in WIDTHS.items()}
        z["b"][0], z["a"][1], z["c"][1] = poison, poison, poison
        z = {name: value.requires_grad_() for name, value in z.items()}
        imputed = mixture.impute(z, observed, noise=noise)
        total = mixture.log_prob(z, observed).sum() + sum(torch.nan_to_num(x).square().sum() for x in imputed.values())
        results.append([total, *torch.autograd.grad(total, [*z.values(), *mixture.parameters()])])
    for plain, poisoned in zip(*results, strict=True):
        assert torch.equal(plain, poisoned)


def test_gradients_are_those_of_finite_differences(mixture):
    observed = PATTERNS[[1, 4, 6]]
    names = [name for name, _ in mixture.named_parameters()]
    wrap = torch.nn.ModuleDict({"m": mixture})
    wrap.forward = lambda z: mixture.log_prob(z, observed)

    def function(a, b, c, *values):
        parameters = {f"m.{name}": value for name, value in zip(names, values, strict=True)}
        return torch.func.functional_call(wrap, parameters, ({"a": a, "b": b, "c": c},))

    values = [p.detach().clone().requires_grad_() for p in mixture.parameters()]
    z = [torch.randn(3, d, dtype=torch.float64).requires_grad_() for d in SIZES]
    assert torch.autograd.gradcheck(function, (*z, *values), fast_mode=True)


def test_weights_and_components_are_learned_by_gradient(normals, mixture):
    with torch.no_grad():
        z = mixture.rsample(500, torch.Generator().manual_seed(0))
        best = mixture.log_prob(z).mean()
    start = JointMixture([normal_joint(m + 0.5, c) for m, c in zip(*normals, strict=True)])
    optimizer = torch.optim.Adam(start.parameters(), lr=0.05)
    for _ in range(60):
        optimizer.zero_grad()
        loss = -start.log_prob(z).mean()
        loss.backward()
        optimizer.step()
    assert start.log_prob(z).mean() > best - 0.05
    assert torch.allclose(start.logits.softmax(-1), torch.tensor(WEIGHTS, dtype=torch.float64), atol=0.08)


def clustered(n, missing=0.0, seed=0, apart=6.0):
    """Three clusters in WIDTHS, with correlations of their own; rows, labels, mask."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 3, n)
    centers = apart * np.array([[0, 0, 0, 0, 0], [1, 0, 1, 0, 1], [0, 1, 1, 1, 0]])
    x = centers[label] + rng.normal(size=(n, 5))
    x[:, 4] = np.where(label == 0, 0.9 * x[:, 0] + 0.4 * rng.normal(size=n), x[:, 4])
    observed = rng.random((n, 3)) >= missing
    observed[~observed.any(1), 0] = True
    return {"a": x[:, :2], "b": x[:, 2:3], "c": x[:, 3:]}, label, observed


@pytest.mark.parametrize("missing", [0.0, 0.4])
def test_fit_recovers_separated_clusters_and_their_shape(missing):
    z, label, observed = clustered(900, missing)
    poisoned = {name: np.where(o[:, None], x, np.nan) for (name, x), o in zip(z.items(), observed.T, strict=True)}
    mixture = JointMixture.fit(poisoned, observed, components=3, shrinkage=0.05)
    assert not any(parameter.requires_grad for parameter in mixture.parameters())
    found = mixture.responsibilities(z).argmax(-1).numpy()
    for k in range(3):
        own = found[label == k]
        assert (own == np.bincount(own).argmax()).mean() > 0.99
    assert np.sort(mixture.logits.softmax(-1).numpy()) == pytest.approx(np.sort(np.bincount(label) / 900), abs=0.03)
    first = mixture.joints[np.bincount(found[label == 0]).argmax()]
    rows = label == 0
    expected = np.corrcoef(z["a"][rows, 0], z["c"][rows, 1])[0, 1]
    assert float(first.copula.correlation()[0, 4]) == pytest.approx(expected, abs=0.1)


def test_every_step_of_the_expectation_maximisation_raises_the_likelihood():
    z, _, observed = clustered(300, 0.4, apart=2.0)
    x = torch.as_tensor(np.hstack(list(z.values())))
    x = (x - x.mean(0)) / x.std(0)
    mask = torch.as_tensor(observed).repeat_interleave(torch.tensor(SIZES), -1)
    label = k_means(torch.where(mask, x, 0.0), 3, torch.Generator().manual_seed(0))
    steps = [fit_clusters(x, mask, label, 1e-6, n, 0.0).log_likelihood for n in range(1, 12)]
    assert np.diff(steps).min() > -2e-3  # the prior row of each component's covariance takes that little
    assert steps[-1] > steps[0] + 0.1
    last = fit_clusters(torch.where(mask, x, 0.0), mask, label, 0.5)
    assert torch.isfinite(last.covariance).all()
    gap = x - last.mean[:, None]
    each, poisoned = (normal_log_densities(g, mask, last.covariance) for g in (gap, torch.where(mask, gap, torch.nan)))
    assert torch.equal(each, poisoned)
    assert float((each + last.log_weights).logsumexp(-1).mean()) == pytest.approx(last.log_likelihood, abs=1e-3)


def test_few_rows_and_wide_embeddings_give_positive_definite_components():
    rng = np.random.default_rng(0)
    z = {"a": rng.normal(size=(30, 40)), "b": rng.normal(size=(30, 25))}
    z["a"][:, 3] = 1.0  # a dead unit
    mixture = JointMixture.fit(z, components=(5, 20, 500), shrinkage=(0.3, 1))
    assert torch.isfinite(mixture.log_prob(z)).all()
    assert len(mixture.report) == 4  # 500 components cannot be had from 30 rows


def test_number_and_shrinkage_are_chosen_and_the_seed_decides():
    z, _, observed = clustered(400, 0.3)
    first, same = (JointMixture.fit(z, observed, components=(1, 3), shrinkage=(0.2, 1.0)) for _ in range(2))
    assert len(first.joints) == 3
    assert max(first.report, key=first.report.get) == "3 components, shrinkage 0.2"
    assert first.report == same.report
    before = torch.random.get_rng_state()
    assert torch.equal(first.log_prob(z), same.log_prob(z))
    JointMixture.fit(z, observed, components=2, shrinkage=0.5)
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(first.noise(8, 1), same.noise(8, 1))
    assert not torch.equal(first.noise(8, 1), first.noise(8, 2))


def test_one_modality_is_compared_by_its_density():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2)) + 8 * rng.integers(0, 2, (300, 1))
    mixture = JointMixture.fit({"a": x}, components=(1, 2), shrinkage=0.5)
    assert len(mixture.joints) == 2


def test_marginalize_enumerates_the_clusters():
    z, label, _ = clustered(900, apart=5.0)
    mixture = sklar.JointMixture.fit({n: x.astype(np.float32) for n, x in z.items()}, components=3, shrinkage=0.3)
    predictor = marginalize(lambda z: (z["c"][:, 0] > 2.5).float(), mixture, num_samples=64)
    part = {name: x[:200] for name, x in z.items()}
    only_b = np.tile([False, True, False], (200, 1))  # cluster 0 against 1 and 2, which b cannot tell apart
    mean, spread = predictor.predict(part, only_b)
    assert mean.dtype == torch.float32
    probability = mixture.responsibilities(part, only_b)
    third = int(mixture.responsibilities(z)[label == 2].mean(0).argmax())
    assert (mean - probability[:, third]).abs().max() < 0.06
    assert (spread[label[:200] > 0] > 0.3).all()
    calibrated = predictor.calibrate(part, label[:200] == 2)(part, only_b)
    assert torch.isfinite(calibrated).all()


def test_components_evaluated_together_or_one_by_one():
    joints = [Joint({"a": 2, "b": 3}, marginal, correlation=0.1 * k).double() for k, marginal in enumerate(
        ("independent", "mixture", "independent")
    )]  # fmt: skip
    mixture, observed = JointMixture(joints, WEIGHTS), torch.tensor([[True, False], [False, True], [True, True]])
    z = {name: torch.randn(3, d, dtype=torch.float64) for name, d in mixture.widths.items()}
    each = torch.stack([joint.log_prob(z, observed) for joint in joints], -1)
    expected = torch.logsumexp(each + torch.tensor(WEIGHTS, dtype=torch.float64).log(), -1)
    assert torch.allclose(mixture.log_prob(z, observed), expected)


def test_components_of_several_kinds():
    joints = [Joint({"a": 2, "b": 3}, marginal, "gaussian", coupling) for marginal, coupling in (
        ("independent", "full"), ("mixture", "paired")
    )]  # fmt: skip
    mixture = JointMixture(joints, [1, 3])
    assert mixture.logits.softmax(-1).tolist() == pytest.approx([0.25, 0.75])
    z = {"a": torch.randn(4, 2), "b": torch.randn(4, 3)}
    observed = torch.tensor([[True, False]]).expand(4, -1)
    for noise in (mixture.noise(5), None):
        drawn = mixture.impute(z, observed, 5, noise=noise)
        assert {name: tuple(x.shape) for name, x in drawn.items()} == {"a": (5, 4, 2), "b": (5, 4, 3)}
    assert mixture.anchor.dtype == torch.float32


FINE = {"a": np.ones((4, 2)) * np.arange(4)[:, None], "b": np.ones((4, 3)) * np.arange(4)[::-1, None] ** 2}
SEEN = np.ones((4, 2), dtype=bool)


def changed(array, place, value):
    array = array.copy()
    array[place] = value
    return array


@pytest.mark.parametrize(
    ("z", "observed", "settings", "error", "message"),
    [
        ({**FINE, "b": np.ones(4)}, None, {}, ValueError, "'b': embeddings must be"),
        ({**FINE, "b": FINE["b"][:3]}, None, {}, ValueError, "'b': expected shape"),
        (FINE, changed(SEEN, (slice(1, None), 1), False), {}, ValueError, "'b' is observed in fewer than two rows"),
        (FINE, changed(SEEN, 2, False), {}, ValueError, "row 2"),
        (FINE, SEEN.astype(float), {}, TypeError, "boolean"),
        ({**FINE, "a": changed(FINE["a"], (0, 0), np.nan)}, SEEN, {}, ValueError, "'a', row 0: NaN"),
        ({}, None, {}, ValueError, "at least one modality"),
        (FINE, SEEN, {"components": 0}, ValueError, "components=0"),
        (FINE, SEEN, {"components": ()}, ValueError, r"components=\(\)"),
        (FINE, SEEN, {"shrinkage": 0}, ValueError, "shrinkage must be"),
        (FINE, SEEN, {"shrinkage": (0.5, 1.5)}, ValueError, "shrinkage must be"),
        (FINE, SEEN, {"holdout": 1.0}, ValueError, "holdout must be"),
        (FINE, SEEN, {"components": 5, "shrinkage": 0.5}, ValueError, "5 components need as many rows, got 4"),
        (FINE, SEEN, {}, ValueError, "5 components need as many rows to fit, got 3"),
    ],
)
def test_fit_names_what_is_wrong(z, observed, settings, error, message):
    with pytest.raises(error, match=message):
        JointMixture.fit(z, observed, **settings)


def test_modalities_never_seen_together_are_warned_about():
    observed = np.arange(20)[:, None] % 2 == np.arange(2)
    z = {name: np.random.default_rng(0).normal(size=(20, 2)) for name in "ab"}
    with pytest.warns(UserWarning, match="'a' and 'b' are observed together in 0 rows"):
        JointMixture.fit(z, observed, components=2, shrinkage=0.5)


@pytest.mark.parametrize(
    ("joints", "weights", "message"),
    [
        ([], None, "at least one joint"),
        ([{"a": 1}, {"b": 1}], None, "same modalities"),
        ([{"a": 1, "b": 2}, {"b": 2, "a": 1}], None, "same modalities"),
        ([{"a": 1}, {"a": 1}], [1.0], "2 positive numbers"),
        ([{"a": 1}, {"a": 1}], [1.0, 0.0], "2 positive numbers"),
        ([{"a": 1}, {"a": 1}], [1.0, float("nan")], "2 positive numbers"),
    ],
)
def test_what_is_no_mixture(joints, weights, message):
    with pytest.raises(ValueError, match=message):
        JointMixture([Joint(widths) for widths in joints], weights)


@pytest.mark.parametrize(
    ("change", "observed", "error", "message"),
    [
        ({"a": torch.zeros(2, 5)}, None, ValueError, "'a'.*expected shape"),
        ({"x": torch.zeros(2, 1)}, None, KeyError, "unknown modality 'x'"),
        ({}, torch.zeros(2, 3, dtype=torch.bool), ValueError, "row 0"),
        ({}, torch.ones(2, 3), TypeError, "boolean"),
        ({"b": torch.tensor([[torch.nan], [0.0]])}, None, ValueError, "'b', row 0: NaN"),
    ],
)
def test_errors_name_the_place(mixture, change, observed, error, message):
    z = {**{name: torch.zeros(2, d) for name, d in WIDTHS.items()}, **change}
    for method in (mixture.log_prob, mixture.responsibilities, mixture.impute):
        with pytest.raises(error, match=message):
            method(z, torch.ones(2, 3, dtype=torch.bool) if observed is None else observed)
