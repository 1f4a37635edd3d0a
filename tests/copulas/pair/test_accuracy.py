import numpy as np
import pytest
import torch
from reference import EVERY, MODERATE, derivatives
from scipy import stats

from sklar.copulas import FAMILIES, pair_copula
from sklar.copulas.pair import ROTATIONS
from sklar.numerics import gauss_legendre, log_normal

pv = pytest.importorskip("pyvinecopulib", reason="the peer is missing: pip install 'sklar[vine]'")

LEVELS = [1e-6, 1e-3, 0.05, 0.25, 0.5, 0.75, 0.95, 1 - 1e-3, 1 - 1e-6]
GRID = torch.tensor([(u, v) for u in LEVELS for v in LEVELS], dtype=torch.float64)
SCORES = torch.special.ndtri(GRID)


def peer(family, parameters, rotation=0):
    column = np.array(parameters, dtype=float).reshape(-1, 1)
    return pv.Bicop(family=getattr(pv.families, family), rotation=rotation, parameters=column)


@pytest.mark.parametrize(("family", "p"), EVERY)
@torch.no_grad()
def test_density_and_h_functions_have_ten_digits_everywhere(family, p):
    copula = pair_copula(family, p)
    expected = np.array([derivatives(family, float(u), float(v), p) for u, v in GRID])
    found = torch.stack(
        [
            copula.log_prob(*SCORES.T),
            torch.special.ndtr(copula.hfunc1(*SCORES.T)),
            torch.special.ndtr(copula.hfunc2(*SCORES.T)),
        ],
        -1,
    ).numpy()
    assert np.abs(found - expected).max() <= 1e-10  # NaN fails


@pytest.mark.parametrize(("family", "p"), EVERY)
@torch.no_grad()
def test_inverses_have_eight_digits(family, p):
    copula = pair_copula(family, p)
    for inverse, own in ((copula.hinv2, 2), (copula.hinv1, 1)):
        if own == 2:
            w = inverse(SCORES[:, 0], SCORES[:, 1])
            pairs = torch.stack([torch.special.ndtr(w), GRID[:, 1]], -1)
            wanted = GRID[:, 0]
        else:
            w = inverse(SCORES[:, 0], SCORES[:, 1])
            pairs = torch.stack([GRID[:, 0], torch.special.ndtr(w)], -1)
            wanted = GRID[:, 1]
        for (u, v), q in zip(pairs.tolist(), wanted.tolist(), strict=True):
            if not (0 < u < 1 and 0 < v < 1):  # the answer has no floating-point number but the bound
                continue
            log_c, h1, h2 = derivatives(family, u, v, p)
            # |error of u| = |error of h| / c, or within a rounding of u itself
            gap = abs((h2, h1)[own == 1] - q)
            moved = u if own == 2 else v
            assert min(gap, gap / np.exp(log_c)) <= 1e-8 or gap <= 4e-16 * moved * np.exp(log_c), (u, v, q)


@pytest.mark.parametrize(("family", "p"), MODERATE)
@pytest.mark.parametrize("rotation", ROTATIONS)
@torch.no_grad()
def test_conventions_are_those_of_pyvinecopulib(family, p, rotation):
    if rotation and not FAMILIES[family].rotatable:
        with pytest.raises(ValueError, match="rotation must be 0"):
            pair_copula(family, p, rotation)
        return
    u = np.random.default_rng(0).uniform(0.02, 0.98, (200, 2))
    ours, theirs = pair_copula(family, p, rotation).uniform, peer(family, p, rotation)
    for name in ("pdf", "cdf", "hfunc1", "hfunc2", "hinv1", "hinv2"):
        expected = getattr(theirs, name)(u)
        bound = 1e-6 if name in ("hinv1", "hinv2", "cdf") else 1e-9  # its inverses are bisections
        assert np.allclose(getattr(ours, name)(u).numpy(), expected, rtol=bound, atol=bound), name


@pytest.mark.parametrize(("family", "p"), MODERATE)
@torch.no_grad()
def test_density_integrates_to_one(family, p):
    x, weight = gauss_legendre(400, -9.0, 9.0)
    a, b = torch.meshgrid(x, x, indexing="ij")
    joint = torch.exp(pair_copula(family, p).log_prob(a, b) + log_normal(a) + log_normal(b))
    # For any second score, and hence in all.
    assert torch.allclose((joint * weight).sum(-1), torch.exp(log_normal(x)), atol=1e-6)


@pytest.mark.parametrize(("family", "p"), MODERATE)
@torch.no_grad()
def test_draws_are_those_of_the_copula(family, p):
    rotation = 90 if FAMILIES[family].rotatable else 0
    copula = pair_copula(family, p, rotation)
    w1, w2 = copula.rsample(4000, torch.Generator().manual_seed(0))
    for scores in (w1, w2, copula.hfunc1(w1, w2), copula.hfunc2(w1, w2)):
        assert stats.kstest(scores.numpy(), stats.norm.cdf).pvalue > 1e-3
    u = torch.special.ndtr(torch.stack([w1, w2], -1)).numpy()
    theirs = peer(family, p, rotation).sample(4000, seeds=[1, 2, 3])
    for statistic in (lambda x: x.sum(1), lambda x: x[:, 0] * x[:, 1], lambda x: x[:, 0] - x[:, 1]):
        assert stats.ks_2samp(statistic(u), statistic(theirs)).pvalue > 1e-3


@pytest.mark.parametrize(("family", "p"), [*MODERATE, ("student", (0.8, 2.7)), ("gaussian", (0.988,))])
@torch.no_grad()
def test_distribution_function_is_the_integral_of_the_h_function(family, p):
    copula = pair_copula(family, p)
    corner = torch.tensor([[-1.5, 0.3], [0.2, 0.1], [1.0, -0.5], [2.0, 2.1]], dtype=torch.float64)
    x, weight = gauss_legendre(400, -9.0, 0.0)
    first = corner[:, :1] + x  # the first score from far left up to the corner
    h = torch.special.ndtr(copula.hfunc1(first, corner[:, 1:].expand_as(first)))
    assert torch.allclose((h * torch.exp(log_normal(first)) * weight).sum(-1), copula.cdf(*corner.T), atol=1e-9)
