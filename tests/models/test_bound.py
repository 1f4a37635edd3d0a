"""A linear-Gaussian world in which the evidence, and the exact posterior, are closed forms."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from sklar.joint import Joint
from sklar.models.bound import evidence_bound

D = 2  # coordinates of each of two modalities
ROWS = 40000


class World:
    """z ~ joint, x_m = A_m z_m + noise, y = c' z + noise."""

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        self.joint = Joint({"a": D, "b": D}, components=1, coupling="paired").double()
        self.joint.copula.set_correlation(torch.tensor([[1.0, 0.6], [0.6, 1.0]], dtype=torch.float64))
        with torch.no_grad():
            for marginal in self.joint.marginals:
                marginal.mean.normal_(generator=generator)
                marginal.log_scale.normal_(0, 0.3, generator=generator)
        self.joint.requires_grad_(False)
        scale = torch.cat([m.log_scale[:, 0].exp() for m in self.joint.marginals])
        self.mean = torch.cat([m.mean[:, 0] for m in self.joint.marginals])
        correlation = torch.eye(2 * D, dtype=torch.float64)
        for j in range(D):
            correlation[j, D + j] = correlation[D + j, j] = 0.6
        self.covariance = scale[:, None] * correlation * scale
        self.a = [torch.randn(3, D, dtype=torch.float64, generator=generator) for _ in range(2)]
        self.c = torch.randn(2 * D, dtype=torch.float64, generator=generator)
        self.x_noise, self.y_noise = 0.7, 0.5
        self.x = [torch.randn(3, dtype=torch.float64, generator=generator) for _ in range(2)]
        self.y = torch.tensor(0.8, dtype=torch.float64)

    def system(self, pattern):
        """Linear map and noise of everything that is seen, (x_O, y), as a function of all z; and what was seen."""
        rows, seen = [], []
        for m in range(2):
            if pattern[m]:
                block = torch.zeros(3, 2 * D, dtype=torch.float64)
                block[:, m * D : (m + 1) * D] = self.a[m]
                rows.append(block)
                seen.append(self.x[m])
        noise = [self.x_noise**2] * (3 * len(rows)) + [self.y_noise**2]
        noise = torch.tensor(noise, dtype=torch.float64)
        return torch.cat([*rows, self.c[None]]), torch.diag(noise), torch.cat([*seen, self.y[None]])

    def evidence(self, pattern):
        matrix, noise, seen = self.system(pattern)
        return MultivariateNormal(matrix @ self.mean, matrix @ self.covariance @ matrix.T + noise).log_prob(seen)

    def posterior(self, pattern):
        """Exact p(z_O | x_O, y)."""
        matrix, noise, seen = self.system(pattern)
        gain = self.covariance @ matrix.T @ torch.linalg.inv(matrix @ self.covariance @ matrix.T + noise)
        mean = self.mean + gain @ (seen - matrix @ self.mean)
        covariance = self.covariance - gain @ matrix @ self.covariance
        keep = torch.tensor(pattern).repeat_interleave(D)
        covariance = covariance[keep][:, keep]
        return MultivariateNormal(mean[keep], 0.5 * (covariance + covariance.T))

    def bound(self, pattern, q, samples, rows=ROWS, seed=0):
        torch.manual_seed(seed)
        observed = torch.tensor([pattern]).expand(rows, -1)
        draw = q.sample((rows,))
        parts = iter(draw.split(D, -1))
        z = {n: next(parts) if pattern[m] else torch.zeros(rows, D).double() for m, n in enumerate("ab")}

        def log_inputs(z):
            total = torch.zeros(rows, dtype=torch.float64)
            for m, name in enumerate("ab"):
                if pattern[m]:
                    normal = torch.distributions.Normal(z[name] @ self.a[m].T, self.x_noise)
                    total = total + normal.log_prob(self.x[m]).sum(-1)
            return total

        def log_outcome(z):
            normal = torch.distributions.Normal(torch.cat([z["a"], z["b"]], -1) @ self.c, self.y_noise)
            density = normal.log_prob(self.y)
            return torch.logsumexp(density, 0) - math.log(len(density))

        shape = (samples, rows, *self.joint.copula.event_shape)
        noise = torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
        gap = q.log_prob(draw) - self.joint.log_prob(z, observed)
        values = evidence_bound(z, gap, observed, self.joint, log_inputs, log_outcome, noise)
        return float(values.mean()), float(values.std()) / rows**0.5


PATTERNS = [(True, False), (False, True), (True, True)]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("samples", [1, 4])
def test_never_above_the_evidence(pattern, samples):
    world = World()
    exact = world.posterior(pattern)
    prior = MultivariateNormal(exact.mean * 0, 2 * torch.eye(len(exact.mean), dtype=torch.float64))
    shifted = MultivariateNormal(exact.mean + 0.3, exact.covariance_matrix * 1.5)
    factored = MultivariateNormal(exact.mean, torch.diag(exact.covariance_matrix.diagonal()))
    for q in (exact, prior, shifted, factored):
        mean, error = world.bound(pattern, q, samples)
        assert mean <= float(world.evidence(pattern)) + 4 * error + 1e-10  # rounding


@pytest.mark.parametrize("pattern", PATTERNS)
def test_tight_for_the_exact_posterior_as_samples_grow(pattern):
    world = World()
    evidence, exact = float(world.evidence(pattern)), world.posterior(pattern)
    gaps = [evidence - world.bound(pattern, exact, samples, rows)[0] for samples, rows in ((1, ROWS), (400, 1000))]
    if all(pattern):
        assert max(abs(gap) for gap in gaps) < 1e-9
    else:
        assert gaps[0] > 0.02
        assert abs(gaps[1]) < 0.05 * gaps[0] + 0.01
