"""Posteriors of the observed embeddings: draws and divergences against dense linear algebra and Monte Carlo."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from sklar.data import Batch
from sklar.joint import Joint, JointMixture
from sklar.models import VariationalCopula
from sklar.models.bound import evidence_bound
from sklar.models.posterior import POSTERIORS, MeanField, Structured, Tied

D, M, B = 2, 3, 5
MASK = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 0], [0, 1, 1], [1, 1, 0]]).bool()


def prior(marginal="normal", coupling="paired", copula="gaussian", correlation=0.6):
    torch.manual_seed(0)
    joint = Joint(dict.fromkeys("abc", D), marginal, copula, coupling, 2, 0.0).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in joint.marginals.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator).double())
    if copula == "gaussian":
        size = M if coupling == "paired" else D * M
        shape = (D, M, M) if coupling == "paired" else (size, size)
        matrix = torch.full(shape, correlation, dtype=torch.float64)
        matrix.diagonal(dim1=-2, dim2=-1).fill_(1.0)
        joint.copula.set_correlation(matrix)
    return joint


def evidence():
    generator = torch.Generator().manual_seed(2)
    mean = torch.randn(B, D, M, generator=generator).double()
    log_scale = 0.4 * torch.randn(B, D, M, generator=generator).double() - 0.7
    return mean, log_scale


def dense_prior(joint):
    """Mean and covariance of a normal joint, coordinates in the order (d, M)."""
    place = np.stack([marginal.mean.detach().numpy() for marginal in joint.marginals], -1).ravel()
    spread = np.stack([marginal.log_scale.detach().exp().numpy() for marginal in joint.marginals], -1).ravel()
    if not hasattr(joint.copula, "correlation"):
        return place, np.diag(spread**2)
    if joint.coupling == "paired":
        correlation = np.zeros((D * M, D * M))
        for j, block in enumerate(joint.copula.correlation().detach().numpy()):
            correlation[j * M : (j + 1) * M, j * M : (j + 1) * M] = block
    else:  # one modality after the other
        order = [m * D + j for j in range(D) for m in range(M)]
        correlation = joint.copula.correlation().detach().numpy()[np.ix_(order, order)]
    return place, spread[:, None] * correlation * spread


def dense_structured(joint, mean, log_scale, shown):
    """Mean and covariance of ``p(z) prod N(mean_m; z_m, sigma_m^2)`` by conditioning, in plain numpy."""
    place, covariance = dense_prior(joint)
    cells = np.tile(shown.numpy(), D)
    seen = np.flatnonzero(cells)
    noise = np.diag(np.exp(2 * log_scale.numpy().ravel()[seen]))
    total = covariance[np.ix_(seen, seen)] + noise
    gain = covariance[:, seen] @ np.linalg.inv(total)
    where = place + gain @ (mean.numpy().ravel()[seen] - place[seen])
    return where, covariance - gain @ covariance[seen], seen


def normal_kl(mean0, cov0, mean1, cov1):
    inverse = np.linalg.inv(cov1)
    gap = mean1 - mean0
    log_det = np.linalg.slogdet(cov1)[1] - np.linalg.slogdet(cov0)[1]
    return 0.5 * (np.trace(inverse @ cov0) + gap @ inverse @ gap - len(gap) + log_det)


@pytest.mark.parametrize("coupling", ["paired", "full"])
@pytest.mark.parametrize("copula", ["gaussian", "independence"])
def test_structured_is_the_prior_given_noisy_embeddings(coupling, copula):
    joint, (mean, log_scale) = prior(coupling=coupling, copula=copula), evidence()
    posterior = Structured(M, D, joint)
    noise = torch.randn(60000, 1, *posterior.normals, generator=torch.Generator().manual_seed(3)).double()
    draws = posterior.draw(mean, log_scale, MASK, noise, joint).detach()
    found = posterior.kl(mean, log_scale, MASK, draws[0], joint).detach()
    for row in range(B):
        where, spread, seen = dense_structured(joint, mean[row], log_scale[row], MASK[row])
        sample = draws[:, row].flatten(1).numpy()
        assert np.abs(sample.mean(0) - where).max() < 0.02
        assert np.abs(np.cov(sample.T) - spread).max() < 0.02
        place, covariance = dense_prior(joint)
        part = np.ix_(seen, seen)
        assert found[row] == pytest.approx(normal_kl(where[seen], spread[part], place[seen], covariance[part]), 1e-8)


def test_structured_at_correlation_one_is_the_product_of_experts():
    """MVAE's: precisions of the experts and of the prior N(0, 1) add up."""
    mean, log_scale = evidence()
    joint = prior(correlation=0.99999)
    with torch.no_grad():
        for parameter in joint.marginals.parameters():
            parameter.zero_()
    posterior = Structured(M, D, joint)
    noise = torch.zeros(1, 1, *posterior.normals).double()
    centre = posterior.draw(mean, log_scale, MASK, noise, joint)[0].detach()
    weight = torch.where(MASK.unsqueeze(1), torch.exp(-2 * log_scale), 0.0)
    expected = (weight * mean).sum(-1) / (1 + weight.sum(-1))
    assert torch.allclose(centre, expected.unsqueeze(-1).expand_as(centre), atol=1e-3)


@pytest.mark.parametrize("kind", ["independent", "copula"])
@pytest.mark.parametrize("marginal", ["normal", "independent"])
def test_entropy_and_divergence_against_monte_carlo_and_a_plain_formula(kind, marginal):
    joint, (mean, log_scale) = prior(marginal), evidence()
    posterior = POSTERIORS[kind](M, D, joint).double()
    correlation = torch.eye(M, dtype=torch.float64).expand(D, M, M).clone()
    if isinstance(posterior, Tied):
        correlation[:] = torch.tensor([[1, 0.5, -0.3], [0.5, 1, 0.2], [-0.3, 0.2, 1]])
        posterior.copula.set_correlation(correlation)
    count = 40000
    noise = torch.randn(count, 1, *posterior.normals, generator=torch.Generator().manual_seed(3)).double()
    draws = posterior.draw(mean, log_scale, MASK, noise, joint).detach()
    for row in range(B):
        seen = MASK[row].nonzero().flatten().numpy()
        log_q = np.zeros(count)
        sample, sd = draws[:, row].numpy(), log_scale[row].exp().numpy()
        for j in range(D):
            spread = sd[j][:, None] * correlation[j].numpy() * sd[j]
            q = multivariate_normal(mean[row, j].numpy()[seen], spread[np.ix_(seen, seen)])
            log_q += q.logpdf(sample[:, j][:, seen])
        z = {name: draws[:, row, :, m] for m, name in enumerate("abc")}
        log_p = joint.log_prob(z, MASK[row].expand(count, -1)).detach().numpy()
        gap = log_q - log_p
        one = slice(row, row + 1)
        repeated = [x[one].expand(count, -1, -1) for x in (mean, log_scale)]
        with torch.no_grad():
            found = posterior.kl(*repeated, MASK[one].expand(count, -1), draws[:, row], joint).numpy()
        error = 4 * (gap.std() + found.std()) / count**0.5 + 1e-9
        assert abs(found.mean() - gap.mean()) < error
        if marginal == "normal":
            assert np.ptp(found) < 1e-9  # a closed form
            place, covariance = dense_prior(joint)
            cells = np.flatnonzero(np.tile(MASK[row].numpy(), D))
            own = np.zeros((D * M, D * M))
            for j in range(D):
                own[j * M : (j + 1) * M, j * M : (j + 1) * M] = sd[j][:, None] * correlation[j].numpy() * sd[j]
            part = np.ix_(cells, cells)
            exact = normal_kl(mean[row].numpy().ravel()[cells], own[part], place[cells], covariance[part])
            assert found[0] == pytest.approx(exact, rel=1e-9)


def test_tied_without_correlation_is_mean_field():
    mean, log_scale = evidence()
    noise = torch.randn(7, B, D, M, generator=torch.Generator().manual_seed(3)).double()
    for marginal in ("normal", "independent"):
        joint = prior(marginal)
        field, tied = MeanField(M, D, joint), Tied(M, D, joint).double()
        draws = [q.draw(mean, log_scale, MASK, noise, joint) for q in (field, tied)]
        assert torch.equal(*draws)
        found = [q.kl(mean, log_scale, MASK, draws[0][0], joint) for q in (field, tied)]
        assert torch.allclose(*found, atol=1e-12)


@pytest.mark.parametrize("kind", list(POSTERIORS))
def test_what_stands_in_a_missing_place_never_matters(kind):
    joint = prior()
    posterior = POSTERIORS[kind](M, D, joint).double()
    noise = torch.randn(2, B, *posterior.normals, generator=torch.Generator().manual_seed(3)).double()
    results = []
    for poison in (0.0, 1e6):
        mean, log_scale = (torch.where(MASK.unsqueeze(1), x, poison).requires_grad_() for x in evidence())
        draws = posterior.draw(mean, log_scale.clamp(max=2), MASK, noise, joint)
        shown = MASK.unsqueeze(1) | torch.tensor(posterior.whole)
        divergence = posterior.kl(mean, log_scale.clamp(max=2), MASK, draws[0], joint)
        value = torch.where(shown, draws, 0.0).square().sum() + divergence.sum()
        grads = torch.autograd.grad(value, [mean, log_scale, *joint.parameters()])
        results.append([value.detach(), *grads])
    for plain, poisoned in zip(*results, strict=True):
        assert torch.equal(plain, poisoned)


def test_structured_needs_a_normal_prior():
    for joint in (prior("independent"), JointMixture([prior(), prior()])):
        with pytest.raises(ValueError, match="needs a normal prior"):
            Structured(M, D, joint)


def test_the_bound_is_tight_for_the_structured_posterior_of_a_linear_gaussian_model():
    """``x_m = a_m z_m + noise``: the exact posterior has evidence ``x / a`` of standard deviation ``noise / a``."""
    joint, (x, log_noise) = prior(), evidence()
    slope = torch.tensor([[1.5, 0.7, 2.0], [0.5, 1.0, 1.2]]).double()
    mean, log_scale = x / slope, log_noise - slope.log()
    place, covariance = dense_prior(joint)
    count = 20000
    for row in range(B):
        shown, one = MASK[row].expand(count, -1), slice(row, row + 1)
        seen = np.flatnonzero(np.tile(MASK[row].numpy(), D))
        flat = slope.numpy().ravel()
        total = flat[:, None] * covariance * flat + np.diag(np.exp(2 * log_noise[row].numpy().ravel()))
        exact = multivariate_normal((flat * place)[seen], total[np.ix_(seen, seen)]).logpdf(
            x[row].numpy().ravel()[seen]
        )
        bounds = {}
        for kind in ("structured", "independent"):
            posterior = POSTERIORS[kind](M, D, joint)
            noise = torch.randn(count, 1, *posterior.normals, generator=torch.Generator().manual_seed(row)).double()
            z = posterior.draw(mean[one], log_scale[one], MASK[one], noise, joint)[:, 0].detach()
            divergence = posterior.kl(mean[one], log_scale[one], MASK[one], z[:1], joint).detach().expand(count)

            def log_inputs(z, row=row, shown=shown):
                each = torch.distributions.Normal(slope * torch.stack([z[n] for n in "abc"], -1), log_noise[row].exp())
                return torch.where(shown.unsqueeze(1), each.log_prob(x[row]), 0.0).sum((-2, -1))

            named = dict(zip("abc", z.unbind(-1), strict=True))
            unlabelled = torch.zeros(count).double()
            values = evidence_bound(
                named,
                divergence,
                shown,
                joint,
                log_inputs,
                lambda z, no=unlabelled: no,
                torch.zeros(1, 1, D, M).double(),
            ).detach()
            bounds[kind] = float(values.mean())
            if kind == "structured":
                assert abs(bounds[kind] - exact) < 4 * float(values.std()) / count**0.5
        assert bounds["independent"] < exact - 0.05


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"posterior": "structured", "marginal": "independent"}, "needs a normal prior"),
        ({"posterior": "structured", "marginal": "normal", "root": 2}, "needs a normal prior"),
        ({"posterior": "none"}, "unknown posterior 'none'"),
        ({"stochastic": False, "posterior": "copula"}, "has no posterior"),
        ({"cross_drop": 1.5}, "cross_drop must lie"),
        ({"recipe": {"single": -1.0}}, "single, auxiliary, early and jitter at least 0"),
        ({"recipe": {"single": 0.1}, "objective": "bound"}, "leave the recipe out"),
        ({"recipe": {"lend": 1.5}}, r"lend in \[0, 1\]"),
        ({"root": 0}, "root=0"),
    ],
)
def test_settings_that_do_not_go_together(settings, message):
    with pytest.raises(ValueError, match=message):
        VariationalCopula({"a": 2, "b": 3}, classes=3, dim=2, hidden=4, **settings)


@pytest.mark.parametrize("settings", [{}, {"posterior": "copula"}, {"posterior": "structured"}])
@pytest.mark.parametrize("objective", ["recipe", "bound"])
def test_both_objectives_reach_encoders_and_joint(settings, objective):
    torch.manual_seed(0)
    model = VariationalCopula(
        {"a": 2, "b": 3}, classes=3, dim=2, hidden=4, marginal="normal", objective=objective, **settings
    )
    generator = torch.Generator().manual_seed(0)
    inputs = {"a": torch.randn(6, 2, generator=generator), "b": torch.randn(6, 3, generator=generator)}
    observed = torch.tensor([[1, 1], [1, 0], [0, 1]] * 2).bool()
    model.loss(Batch(inputs, observed, torch.arange(6) % 3), generator)["loss"].backward()
    learned = [*model.encoders.parameters(), model.joint.copula.lower, *model.posterior.parameters()]
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in learned)
    assert all(float(p.grad.abs().max()) > 0 for p in (model.joint.copula.lower, *model.posterior.parameters()))
