import shutil

import mpmath as mp
import numpy as np
import pytest
import torch
from reference import MODERATE, PARAMETERS

from sklar.copulas import FAMILIES, Mixture, pair_copula, pair_from_json, select
from sklar.copulas.pair import ROTATIONS
from sklar.numerics import gauss_legendre, log_normal

pv = pytest.importorskip("pyvinecopulib", reason="the peer is missing: pip install 'sklar[vine]'")

# Inside the bounds, where gradients live.
INSIDE = {
    "indep": (), "gaussian": (0.6,), "student": (-0.4, 3.7), "clayton": (1.3,), "gumbel": (1.7,), "frank": (-4.0,),
    "joe": (2.2,), "bb1": (0.6, 1.6), "bb6": (1.4, 1.7), "bb7": (1.6, 0.9), "bb8": (2.5, 0.7), "tawn": (0.6, 0.8, 2.5),
}  # fmt: skip
TURNED = [(f, r) for f in FAMILIES for r in (ROTATIONS if FAMILIES[f].rotatable else (0,))]
EVERY = pytest.mark.parametrize("family", list(FAMILIES))
METHODS = ("log_prob", "hfunc1", "hfunc2", "hinv1", "hinv2")


def strong(family):
    """Parameters at or below tau = 0.9."""
    limits = {"clayton": (18.0,), "gumbel": (10.0,), "joe": (18.5,), "bb1": (4.0, 3.3), "bb6": (3.0, 5.5)}
    limits |= {"bb7": (6.0, 17.0), "gaussian": (0.987,), "student": (0.987, 2.0), "tawn": (1.0, 1.0, 10.0)}
    return limits.get(family, PARAMETERS[family][-1])


# Near bounds, where a rounded parameter has lost its distance from them.
NEAR_BOUNDS = [
    ("gaussian", (1 - 1e-6,)), ("student", (0.99999, 2.0)), ("gumbel", (1.0001,)), ("gumbel", (1.00001,)),
    ("joe", (1.0001,)), ("joe", (1.00001,)), ("bb1", (0.01, 3.0)), ("bb1", (1e-5, 1.00001)), ("bb6", (1.0001, 1.0001)),
    ("bb6", (1.00001, 2.0)), ("bb7", (1.00001, 3.0)), ("bb7", (4.0, 0.01)), ("bb8", (8.0, 0.999999)),
    ("bb8", (1.00001, 0.5)), ("bb8", (2.0, 1e-4)), ("tawn", (0.99999, 0.8, 10.0)), ("tawn", (0.8, 0.99999, 1.00001)),
]  # fmt: skip


@pytest.mark.parametrize(("family", "rotation"), TURNED)
def test_float32_is_finite_and_accurate_for_scores_up_to_eight(family, rotation):
    for parameters in (PARAMETERS[family][0], INSIDE[family], strong(family)):
        check_float32(pair_copula(family, parameters, rotation), METHODS)


@pytest.mark.parametrize(("family", "parameters"), NEAR_BOUNDS)
def test_float32_is_finite_and_accurate_near_bounds(family, parameters):
    check_float32(pair_copula(family, parameters), ("log_prob", "hfunc1", "hfunc2"))


def check_float32(copula, names):
    axis = torch.linspace(-8, 8, 49)
    a, b = (t.flatten() for t in torch.meshgrid(axis, axis, indexing="ij"))
    for name in names:
        x, y = a.clone().requires_grad_(), b.clone().requires_grad_()
        copula.raw.grad = None
        value = getattr(copula, name)(x, y)
        assert value.dtype == torch.float32
        value.sum().backward()
        for tensor in (value, x.grad, y.grad, copula.raw.grad):
            assert tensor is None or torch.isfinite(tensor).all(), name
        if name == "log_prob":
            exact = copula.log_prob(a.double(), b.double()).detach()
            assert ((value.detach() - exact).abs() <= 1e-4 * exact.abs().clamp(min=1)).all()


@pytest.mark.parametrize(("family", "rotation"), TURNED)
def test_gradients_in_scores_and_parameters(family, rotation):
    copula = pair_copula(family, INSIDE[family], rotation)
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(6, dtype=torch.float64, generator=generator).requires_grad_() for _ in range(2))
    raw = copula.raw.detach().clone().requires_grad_()
    # Turned, the formulas are the same: the Jacobian along random directions tells a wrong sign or order.
    quick = {"atol": 1e-6, "fast_mode": rotation != 0}
    for name in (*METHODS, "cdf"):

        def function(x, y, raw, name=name):
            call = (copula, {"raw": raw}, (x, y))
            return torch.func.functional_call(_Method(copula, name), {"copula.raw": call[1]["raw"]}, call[2])

        assert torch.autograd.gradcheck(function, (x, y, raw), **quick), name

    def draws(raw):
        generator = torch.Generator().manual_seed(1)
        return torch.func.functional_call(_Draw(copula, generator), {"copula.raw": raw}, ())[1]

    if raw.numel():
        assert torch.autograd.gradcheck(draws, (raw,), **quick)


class _Method(torch.nn.Module):
    def __init__(self, copula, name):
        super().__init__()
        self.copula, self.name = copula, name

    def forward(self, x, y):
        return getattr(self.copula, self.name)(x, y)


class _Draw(torch.nn.Module):
    def __init__(self, copula, generator):
        super().__init__()
        self.copula, self.generator = copula, generator

    def forward(self):
        return self.copula.rsample(5, self.generator)


@EVERY
@pytest.mark.parametrize("absurd", [float("nan"), float("inf"), 1e30])
def test_an_absurd_row_leaves_the_gradients_of_others_alone(family, absurd):
    copula = pair_copula(family, INSIDE[family])
    w = torch.randn(8, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    spoiled = w.clone()
    spoiled[3, 0] = absurd
    for name in METHODS:
        found = []
        for rows in (w, spoiled):
            x = rows.clone().requires_grad_()
            getattr(copula, name)(x[:, 0], x[:, 1]).sum().backward()
            found.append(x.grad[torch.arange(8) != 3])
        # Iterations go on for the absurd row's sake; the others stay where they were, to rounding.
        assert torch.allclose(*found, rtol=1e-10, atol=1e-12), name


@pytest.mark.filterwarnings("ignore:There is a performance drop")  # torch has no batching rule for log_ndtr
@EVERY
def test_vmap_autocast_and_batches_of_parameters_agree_with_single_pairs(family):
    single = pair_copula(family, INSIDE[family])
    columns = [torch.tensor([value, value]) for value in INSIDE[family]]
    batch = pair_copula(family, columns, batch_shape=(2,))
    w = torch.randn(7, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for name in ("log_prob", "hfunc1", "hfunc2"):
        expected = getattr(single, name)(w[..., 0], w[..., 1])
        assert torch.allclose(getattr(batch, name)(w[..., 0], w[..., 1]), expected, atol=1e-6)
        mapped = torch.func.vmap(getattr(single, name))(w[..., 0], w[..., 1])
        assert torch.allclose(mapped, expected, atol=1e-12)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = getattr(single, name)(w[..., 0].float(), w[..., 1].float())
        assert half.dtype == torch.float32
        assert torch.allclose(half.double(), expected, atol=1e-4)


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
@EVERY
def test_compiled_density_and_h_function_are_the_same(family):
    torch.compiler.reset()
    copula = pair_copula(family, INSIDE[family])
    axis = torch.linspace(-8, 8, 17, dtype=torch.float64)
    a, b = (t.flatten() for t in torch.meshgrid(axis, axis, indexing="ij"))

    def both(x, y):
        return torch.stack([copula.log_prob(x, y), copula.hfunc1(x, y)])

    found = []
    for function in (both, torch.compile(both)):
        x, y = a.clone().requires_grad_(), b.clone().requires_grad_()
        copula.raw.grad = None
        value = function(x, y)
        value.sum().backward()
        raw = torch.zeros(1) if copula.raw.grad is None else copula.raw.grad
        found.append([value.detach(), x.grad, y.grad, raw])
    for eager, compiled in zip(*found, strict=True):
        assert torch.allclose(eager, compiled, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("family", "rotation"), TURNED)
def test_tau_is_pyvinecopulibs_and_can_be_set(family, rotation):
    copula = pair_copula(family, INSIDE[family], rotation)
    peer = pv.Bicop(
        family=getattr(pv.families, family), rotation=rotation, parameters=np.array(INSIDE[family]).reshape(-1, 1)
    )
    assert float(copula.tau()) == pytest.approx(peer.tau, abs=1e-5)
    if family == "indep":
        return
    sign = -1 if rotation in (90, 270) else 1
    reach = {"frank": 0.89, "bb8": 0.78}.get(family, 0.9)
    for wanted in (0.02, 0.05, 0.2, 0.35, 0.5, 0.7, reach):
        copula = pair_copula(family, rotation=rotation).set_tau(sign * wanted)
        assert float(copula.tau()) == pytest.approx(sign * wanted, abs=1e-6)
    if FAMILIES[family].rotatable:  # the nearest to a tau of the wrong sign
        assert abs(float(copula.set_tau(-0.4 * sign).tau())) < 0.01


@pytest.mark.parametrize(
    ("family", "p"), [("bb8", (8.0, 1.0)), ("bb8", (1.0, 1.0)), ("bb1", (0.0, 2.0)), ("tawn", (0.0, 1.0, 2.0))]
)
def test_tau_and_tails_have_finite_gradients_on_bounds(family, p):
    copula = pair_copula(family, p)
    (copula.tau() + sum(copula.tail_dependence())).backward()
    assert torch.isfinite(copula.raw.grad).all()


def test_tau_of_joe_keeps_its_digits_where_its_formula_is_a_limit():
    for theta in (2.0, 2 - 1e-4, 2 + 3e-4):
        gap = mp.mpf(2) / mp.mpf(theta) - 1
        slope = mp.psi(1, 2) if gap == 0 else (mp.psi(0, 2 + gap) - mp.psi(0, 2)) / gap
        assert float(pair_copula("joe", theta).tau()) == pytest.approx(float(1 - 2 / mp.mpf(theta) * slope), abs=1e-11)


def test_tau_and_tails_of_a_mixture():
    parts = [pair_copula("clayton", 2.0), pair_copula("gumbel", 1.8), pair_copula("frank", -3.0)]
    mixture = Mixture(parts, weights=[1.0, 2.0, 1.0])
    # 4 E[C] - 1, with C the mixture's own distribution function
    x, weight = gauss_legendre(160, -8.5, 8.5)
    a, b = torch.meshgrid(x, x, indexing="ij")
    mass = weight[:, None] * weight * torch.exp(log_normal(a) + log_normal(b))
    with torch.no_grad():
        expected = 4 * float((mass * torch.exp(mixture.log_prob(a, b)) * mixture.cdf(a, b)).sum()) - 1
    assert float(mixture.tau()) == pytest.approx(expected, abs=1e-6)
    lower, upper = mixture.tail_dependence()
    assert (float(lower), float(upper)) == pytest.approx((0.25 * 2**-0.5, 0.5 * (2 - 2 ** (1 / 1.8))))
    (mixture.tau() + upper).backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in mixture.parameters())
    same = Mixture([pair_copula("gumbel", 10.0), pair_copula("gumbel", 10.0)])
    assert float(same.tau()) == pytest.approx(0.9, abs=1e-5)
    batch = Mixture([pair_copula(family, batch_shape=(3,)) for family in ("gumbel", "indep")])
    assert batch.tau().shape == batch.tail_dependence()[0].shape == (3,)
    assert float(Mixture(["gumbel", "joe"]).set_tau(0.5).tau()) == pytest.approx(0.5, abs=0.01)


def test_independence_has_its_batch_and_no_opinion():
    copula = pair_copula("indep", batch_shape=(3,))
    w = torch.zeros(5, 1)
    for name in (*METHODS, "cdf"):
        assert getattr(copula, name)(w, w).shape == (5, 3)
    assert copula.tau().shape == copula.tail_dependence()[1].shape == (3,)
    infinite = torch.tensor([float("inf"), float("-inf")])
    assert torch.equal(copula.log_prob(infinite[:, None], infinite[:, None]), torch.zeros(2, 3))


def test_a_second_derivative_of_a_solved_inverse_is_refused():
    w = torch.randn(3, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    for copula in (pair_copula("gumbel"), Mixture(["clayton", "gaussian"])):
        (first,) = torch.autograd.grad(copula.hinv1(w, w).sum(), w, create_graph=True)
        with pytest.raises(RuntimeError, match="first derivatives only"):
            first.sum().backward()
    assert torch.autograd.gradgradcheck(pair_copula("clayton").hinv1, (w, w.detach().clone().requires_grad_()))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype):
    w = torch.randn(20, 2, generator=torch.Generator().manual_seed(0)).to(dtype)
    copula = pair_copula("gumbel")
    for name in METHODS:
        value = getattr(copula, name)(w[:, 0], w[:, 1])
        assert value.dtype == dtype
        assert torch.equal(value, getattr(copula, name)(w[:, 0].float(), w[:, 1].float()).to(dtype))


def test_far_scores_have_a_finite_gradient_in_the_degrees_of_freedom():
    for many in (1, 400):
        copula = pair_copula("student", [0.5, 3.0])
        w = torch.tensor([36.0, -37.0, 38.0, 40.0, 0.0], dtype=torch.float64).repeat(many)
        (copula.log_prob(w, w.flip(0)) + copula.hfunc1(w, w.flip(0))).sum().backward()
        assert torch.isfinite(copula.raw.grad).all()


def test_families_need_more_rows_than_parameters():
    w = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    alone = torch.zeros(40)
    alone[0] = 1
    for rows, weights in ((w[:2], None), (w, alone)):
        for criterion in ("aic", "bic"):
            assert select(rows, weights, criterion=criterion).family.name == "indep"
        with pytest.raises(ValueError, match="too few to choose"):
            select(rows, weights, families=["gumbel"])


@pytest.mark.parametrize("p", [(1.001, 1.01), (1.5, 2.0), (6.0, 8.0)])
def test_tau_without_a_closed_form_is_its_integral(p):
    # tau = 4 E[C] - 1, as a double integral over the unit square
    copula = pair_copula("bb6", p)

    t, weight = np.polynomial.legendre.leggauss(400)
    u = torch.tensor(0.5 * (t + 1))
    w = torch.special.ndtri(u)
    a, b = torch.meshgrid(w, w, indexing="ij")
    # tau = 1 - 4 int int (dC/du)(dC/dv) du dv
    product = torch.special.ndtr(copula.hfunc1(a, b)) * torch.special.ndtr(copula.hfunc2(a, b))
    weights = torch.tensor(0.5 * weight)
    found = 1 - 4 * float((product * weights[:, None] * weights).sum())
    assert float(copula.tau()) == pytest.approx(found, abs=2e-4)


@pytest.mark.parametrize(("family", "rotation"), TURNED)
@torch.no_grad()
def test_tail_dependence_is_the_limit(family, rotation):
    copula = pair_copula(family, INSIDE[family], rotation)
    lower, upper = (float(x) for x in copula.tail_dependence())
    w = torch.tensor([-37.0], dtype=torch.float64)
    if family in ("gaussian", "student"):  # their distribution functions are quadratures, of no use so far out
        w = torch.tensor([-7.0], dtype=torch.float64)
        if family == "gaussian":
            assert (lower, upper) == (0.0, 0.0)
            return

    # d C(u, u) / du tends to the coefficient; so does 1 - ... on the other side
    def slope(w):
        return torch.exp(torch.special.log_ndtr(copula.hfunc1(w, w))) + torch.exp(
            torch.special.log_ndtr(copula.hfunc2(w, w))
        )

    assert float(slope(w)) == pytest.approx(lower, abs=5e-3)
    up = torch.special.ndtr(-copula.hfunc1(-w, -w)) + torch.special.ndtr(-copula.hfunc2(-w, -w))
    assert float(up) == pytest.approx(upper, abs=5e-3)


@pytest.mark.parametrize(("family", "rotation"), TURNED)
def test_round_trips_are_exact(family, rotation):
    copula = pair_copula(family, INSIDE[family], rotation)
    again = pair_from_json(copula.to_json())
    assert torch.equal(again.raw, copula.raw)
    assert (again.family.name, again.rotation) == (family, rotation)
    other = pair_copula(family, rotation=rotation)
    other.load_state_dict(copula.state_dict())
    assert torch.equal(other.raw, copula.raw)
    mixture = Mixture([copula, "clayton"], weights=[0.3, 0.7])
    copy = pair_from_json(mixture.to_json())
    w = torch.randn(5, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(copy.log_prob(w[:, 0], w[:, 1]), mixture.log_prob(w[:, 0], w[:, 1]))


def test_a_mixture_is_the_weighted_mean_of_densities_and_h_functions():
    parts = [pair_copula("clayton", [2.0]), pair_copula("gumbel", [1.8]), pair_copula("frank", [-3.0])]
    mixture = Mixture(parts, weights=[1.0, 2.0, 1.0])
    w = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).requires_grad_()
    a, b = w.T
    share = (0.25, 0.5, 0.25)
    density = sum(s * c.log_prob(a, b).exp() for s, c in zip(share, parts, strict=True))
    assert torch.allclose(mixture.log_prob(a, b).exp(), density, atol=1e-12)
    for name in ("hfunc1", "hfunc2"):
        mean = sum(s * torch.special.ndtr(getattr(c, name)(a, b)) for s, c in zip(share, parts, strict=True))
        assert torch.allclose(torch.special.ndtr(getattr(mixture, name)(a, b)), mean, atol=1e-12)
    assert torch.allclose(mixture.hinv1(a, mixture.hfunc1(a, b)), b, atol=1e-9)
    assert torch.allclose(mixture.hinv2(mixture.hfunc2(a, b), b), a, atol=1e-9)
    assert mixture.prune().family.name == "gumbel"
    x, q = (t.detach().clone().requires_grad_() for t in (a[:5], b[:5]))
    assert torch.autograd.gradcheck(mixture.hinv1, (x, q), atol=1e-6)


def test_a_mixture_learns_which_family_it_is():
    data = torch.stack(pair_copula("clayton", [3.0]).rsample(2000, torch.Generator().manual_seed(0)), -1).detach()
    mixture = Mixture(["gaussian", "clayton", "gumbel"]).fit(data)
    assert mixture.prune().family.name == "clayton"
    assert float(mixture.weights()[1]) > 0.9


@EVERY
def test_fit_reaches_the_likelihood_of_pyvinecopulib(family):
    peer = pv.Bicop(family=getattr(pv.families, family), parameters=np.array(INSIDE[family]).reshape(-1, 1))
    u = peer.sample(500, seeds=[1, 2, 3])
    theirs = pv.Bicop.from_data(u, controls=pv.FitControlsBicop(family_set=[getattr(pv.families, family)]))
    copula = pair_copula(family, rotation=theirs.rotation)
    copula.uniform.fit(u)
    reached = float(copula.uniform.pdf(u).log().sum())
    assert reached >= theirs.loglik(u) - 1e-3


def test_weights_of_a_fit_are_repeated_rows():
    w = torch.stack(pair_copula("gumbel", [2.0]).rsample(200, torch.Generator().manual_seed(0)), -1).detach()
    counts = torch.arange(200) % 3
    weighted = pair_copula("gumbel").fit(w, counts)
    repeated = pair_copula("gumbel").fit(w.repeat_interleave(counts, dim=0))
    assert float(weighted.values()[0]) == pytest.approx(float(repeated.values()[0]), rel=1e-6)


@pytest.mark.parametrize(("family", "rotation"), [("clayton", 90), ("frank", 0), ("gumbel", 180), ("indep", 0)])
@pytest.mark.parametrize("criterion", ["aic", "bic"])
def test_selection_is_at_least_as_good_as_pyvinecopulibs(family, rotation, criterion):
    names = ["indep", "gaussian", "clayton", "gumbel", "frank", "joe"]
    peer = pv.Bicop(
        family=getattr(pv.families, family), rotation=rotation, parameters=np.array(INSIDE[family]).reshape(-1, 1)
    )
    u = peer.sample(400, seeds=[4, 5, 6])
    controls = pv.FitControlsBicop(family_set=[getattr(pv.families, n) for n in names], selection_criterion=criterion)
    theirs = pv.Bicop.from_data(u, controls=controls)
    ours = select(torch.special.ndtri(torch.tensor(u)), families=names, criterion=criterion)
    price = 2.0 if criterion == "aic" else np.log(400)
    value = price * len(ours.family.parameters) - 2 * float(ours.uniform.pdf(u).log().sum())
    assert value <= (theirs.aic(u) if criterion == "aic" else theirs.bic(u)) + 2e-3


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: pair_copula("plackett"), KeyError, "unknown family 'plackett'"),
        (lambda: pair_copula("clayton", [-1.0]), ValueError, "theta must be between"),
        (lambda: pair_copula("bb1", [1.0]), ValueError, r"has parameters \['theta', 'delta'\]"),
        (lambda: pair_copula("gumbel", [2.0], rotation=45), ValueError, "rotation must be one of"),
        (lambda: pair_copula("gumbel").uniform.pdf([[0.5, 1.2]]), ValueError, "row 0"),
        (lambda: pair_copula("gumbel").uniform.pdf([0.5, 0.2]), ValueError, "shape"),
        (lambda: pair_copula("gumbel").fit(torch.tensor([[0.0, 1.0], [float("nan"), 0.0]])), ValueError, "row 1"),
        (lambda: pair_copula("gumbel", batch_shape=(2,)).fit(torch.zeros(3, 2)), ValueError, "not a batch"),
        (lambda: select(torch.zeros(3, 2), criterion="hqic"), ValueError, "unknown criterion"),
        (lambda: pair_from_json("{"), ValueError, "JSON"),
        (lambda: pair_from_json("[]"), ValueError, "expected an object"),
        (lambda: pair_from_json('{"family": "gumbel"}'), ValueError, "description"),
        (lambda: pair_from_json('{"family": "gumbel", "rotation": 0, "raw": [NaN]}'), ValueError, "raw must be finite"),
        (
            lambda: pair_from_json('{"family": "gumbel", "rotation": 0, "raw": [[0], 1]}'),
            ValueError,
            "raw must be lists",
        ),
        (lambda: pair_from_json('{"family": "gumbel", "rotation": false, "raw": [0]}'), ValueError, "got False"),
        (lambda: pair_from_json('{"family": "gumbel", "rotation": 90.0, "raw": [0]}'), ValueError, "got 90.0"),
        (lambda: pair_from_json('{"mixture": [], "logits": [Infinity]}'), ValueError, "at least one"),
        (
            lambda: pair_from_json(Mixture(["indep", "indep"]).to_json().replace("0.0", "NaN")),
            ValueError,
            "logits must be finite",
        ),
        (lambda: pair_from_json("[" * 100_000), ValueError, "JSON"),
        (lambda: Mixture(["gumbel", "joe"], weights=[float("inf"), 2.0]), ValueError, "finite positive"),
        (lambda: Mixture("gumbel"), TypeError, r"write \['gumbel'\]"),
        (lambda: select(torch.zeros(3, 2), families="gumbel"), TypeError, r"write \['gumbel'\]"),
        (lambda: select(torch.zeros(3, 2), families=[]), ValueError, "families is empty"),
        (lambda: select(torch.zeros(3, 2), weights=[1.0, 1.0, float("inf")]), ValueError, "3 finite"),
        (lambda: pair_copula("gumbel").fit(torch.zeros(2, 2), [1.0, float("inf")]), ValueError, "2 finite"),
        (lambda: pair_copula("gumbel").log_prob([0.1], [0.2]), TypeError, "torch.as_tensor"),
        (lambda: pair_copula("gumbel").hfunc1(torch.zeros(2), 0.5), TypeError, "got float"),
        (lambda: pair_copula("gumbel").cdf(torch.zeros(2).long(), torch.zeros(2)), TypeError, "got torch.int64"),
        (lambda: pair_copula("bb1", [torch.ones(2), torch.ones(3)]), ValueError, "do not broadcast"),
        (lambda: pair_copula("gumbel", batch_shape=(3,)).uniform, ValueError, r"not a batch of shape \(3,\)"),
        (lambda: pair_copula("gumbel").set_tau(float("nan")), ValueError, "tau must be between"),
        (lambda: pair_copula("indep").set_tau(2.0), ValueError, "tau must be between"),
        (lambda: pair_copula("gumbel", batch_shape=(2,)).set_tau(torch.zeros(3)), ValueError, "shape"),
        (lambda: Mixture([]), ValueError, "at least one"),
        (lambda: Mixture(["gumbel"], weights=[0.0]), ValueError, "positive"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(("family", "p"), MODERATE)
def test_what_is_printed_names_family_and_dependence(family, p):
    text = repr(pair_copula(family, p))
    assert family in text
    assert "tau=" in text
    assert "batch_shape=(3,)" in repr(pair_copula(family, p, batch_shape=(3,)))
