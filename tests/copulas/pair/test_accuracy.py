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


# Ties, near ties and their mirror images, tails, and a row that lies beyond every tail.
CORNERS = torch.tensor(
    [
        (8.496312502533439, 8.496312502533284), (-2.66878471744554, -2.6687847393638156), (-7, -7), (-5, -4.9),
        (-2, -2 + 1e-9), (0, 0), (0, 1e-12), (1, 1), (-2, 2), (2, -2 + 1e-8), (3, 1), (6, -7.5), (-1.5, 0.3),
    ],
    dtype=torch.float64,
)  # fmt: skip


def integral_of_h(copula, x, y):
    """The distribution function as ``int_-inf^x phi(t) P(U2 <= u2 | U1 = Phi(t)) dt``, in panels around its kinks."""
    distances = torch.cat([torch.zeros(1), 10.0 ** torch.arange(-9, 1.3, 0.5)]).double()
    edges = torch.cat([x - distances, y - distances, y + distances, -y - distances, -y + distances])
    edges = torch.cat([edges[edges < x], edges.new_tensor([x])]).unique()
    t, weight = gauss_legendre(30)
    width = edges.diff().unsqueeze(-1)
    nodes = (edges[:-1].unsqueeze(-1) + width * t).flatten()
    log_h = torch.special.log_ndtr(copula.hfunc1(nodes, torch.full_like(nodes, y)))
    return float((torch.exp(log_normal(nodes) + log_h) * (width * weight).flatten()).sum())


@pytest.mark.parametrize("family", ["gaussian", "student"])
@pytest.mark.parametrize("rho", [0.3, -0.3, 0.6, -0.6, 0.999, -0.999, 0.0])
def test_elliptical_distribution_functions_hold_at_ties_and_in_tails(family, rho):
    copula = pair_copula(family, [rho] if family == "gaussian" else [rho, 3.0])
    x, y = (column.clone().requires_grad_() for column in CORNERS.T)
    value = copula.cdf(x, y)
    with torch.no_grad():
        expected = torch.tensor([integral_of_h(copula, a, b) for a, b in CORNERS.tolist()], dtype=torch.float64)
        # Relative to the value wherever that is a floating-point number by itself.
        assert ((value - expected).abs() <= 1e-12 + 1e-9 * expected).all()
        lower_left = CORNERS.amax(-1) < 0
        assert torch.allclose(value[lower_left], expected[lower_left], rtol=1e-9, atol=1e-300)
        floats = copula.cdf(*CORNERS.float().T)
        assert floats.dtype == torch.float32
        assert torch.allclose(floats.double(), value, atol=1e-6)
    value.sum().backward()
    with torch.no_grad():
        for gradient, w, h in ((x.grad, x, copula.hfunc1(x, y)), (y.grad, y, copula.hfunc2(x, y))):
            assert torch.allclose(gradient, torch.exp(log_normal(w)) * torch.special.ndtr(h), atol=1e-10)
    assert torch.isfinite(copula.raw.grad).all()


@pytest.mark.parametrize(("family", "p"), EVERY)
@pytest.mark.parametrize("rotation", ROTATIONS)
@torch.no_grad()
def test_distribution_functions_stay_within_the_bounds_of_every_copula(family, p, rotation):
    if rotation and not FAMILIES[family].rotatable:
        return
    w = 3 * torch.randn(4000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    w[:1000, 1] = w[:1000, 0] + 1e-9 * w[:1000, 1]
    w[1000:2000, 1] = -w[1000:2000, 0] + 1e-9 * w[1000:2000, 1]
    value = pair_copula(family, p, rotation).cdf(*w.T)
    u = torch.special.ndtr(w)
    assert (value >= 0).all()  # NaN fails
    assert (value <= u.amin(-1) * (1 + 1e-12) + 1e-15).all()
    assert (value >= u.sum(-1) - 1 - 1e-15).all()
