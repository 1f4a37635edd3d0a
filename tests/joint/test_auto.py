import numpy as np
import pytest
import torch
from scipy import stats

import sklar
from sklar.copulas import COPULAS
from sklar.joint import Joint, JointMixture


def elliptical(n, degrees, seed=0):
    """Two modalities of two coordinates, t-distributed dependence, normal marginals."""
    rng = np.random.default_rng(seed)
    correlation = np.full((4, 4), 0.6) + 0.4 * np.eye(4)
    x = rng.normal(size=(n, 4)) @ np.linalg.cholesky(correlation).T
    if degrees is not None:
        x = x / np.sqrt(rng.chisquare(degrees, (n, 1)) / degrees)
        x = stats.norm.ppf(stats.t(degrees).cdf(x).clip(1e-12, 1 - 1e-12))
    return {"a": x[:, :2], "b": x[:, 2:]}


def clustered(n, seed=0):
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 4, n)
    centers = 5 * rng.normal(size=(4, 4))
    x = centers[label] + rng.normal(size=(n, 4))
    return {"a": x[:, :2], "b": x[:, 2:]}


@pytest.fixture
def elliptical_only(monkeypatch):
    """The two quick copulas: what the others cost is not this module's matter."""
    for name in list(COPULAS):
        if name not in ("gaussian", "student", "independence"):
            monkeypatch.delitem(COPULAS, name)


@pytest.mark.parametrize(
    ("z", "winner"),
    [(clustered(600), "mixture"), (elliptical(1500, 3), "student"), (elliptical(600, None), "gaussian")],
    ids=["clusters", "heavy tails", "normal"],
)
def test_the_right_dependence_wins(elliptical_only, z, winner):
    observed = np.random.default_rng(1).random((len(z["a"]), 2)) > 0.15
    observed[~observed.any(1)] = True
    poisoned = {name: np.where(o[:, None], x, np.nan) for (name, x), o in zip(z.items(), observed.T, strict=True)}
    joint = sklar.Joint.fit(poisoned, observed, copula="auto", components=1)
    assert set(joint.report) == {"gaussian", "student", "mixture"}
    assert max(joint.report, key=joint.report.get) == winner
    assert isinstance(joint, JointMixture) == (winner == "mixture")
    assert not any(parameter.requires_grad for parameter in joint.parameters())
    if winner != "mixture":
        assert type(joint.copula) is COPULAS[winner]
        whole = Joint.fit(poisoned, observed, copula=winner, components=1)  # refitted to all rows
        assert torch.equal(joint.log_prob(poisoned, observed), whole.log_prob(poisoned, observed))


def test_the_score_is_the_held_out_density_of_the_missing_given_the_observed(elliptical_only):
    z = elliptical(4000, None)
    found = sklar.Joint.fit(z, copula="auto", components=1).report["gaussian"]
    correlation = np.full((4, 4), 0.6) + 0.4 * np.eye(4)
    both = -0.5 * np.linalg.slogdet(2 * np.pi * np.e * correlation)[1]  # minus the entropy
    one = -0.5 * np.linalg.slogdet(2 * np.pi * np.e * correlation[:2, :2])[1]
    # A sub-pattern keeps both modalities in a quarter of the cases, else one.
    assert found == pytest.approx(0.75 * (both - one), abs=0.1)


def test_the_same_seed_gives_the_same_result_and_draws_nothing_global(elliptical_only):
    z = clustered(200)
    before = torch.random.get_rng_state()
    first, same = (sklar.Joint.fit(z, copula="auto", components=1, seed=3) for _ in range(2))
    assert torch.equal(before, torch.random.get_rng_state())
    assert first.report == same.report
    assert torch.equal(first.log_prob(z), same.log_prob(z))


def test_every_copula_of_the_registry_is_tried_with_its_natural_coupling():
    z = {name: x[:, :1] for name, x in elliptical(50, None).items()}
    joint = sklar.Joint.fit({name: x.astype(np.float32) for name, x in z.items()}, copula="auto", components=1)
    assert set(joint.report) == set(COPULAS) - {"independence"} | {"mixture"}
    assert all(np.isfinite(score) for score in joint.report.values())
    assert joint.log_prob(z).dtype == torch.float32


@pytest.mark.parametrize(("marginal", "coupling"), [("mixture", None), ("mixture", "full"), ("independent", "paired")])
def test_couplings_that_a_copula_lacks_are_left_out(elliptical_only, marginal, coupling):
    z = elliptical(150, None)
    joint = sklar.Joint.fit(z, marginal=marginal, copula="auto", coupling=coupling, components=1)
    assert ("student" in joint.report) == (coupling != "full")
    assert {"gaussian", "mixture"} <= set(joint.report)


def test_the_natural_coupling():
    assert Joint({"a": 2, "b": 2}).coupling == "full"
    assert Joint({"a": 2, "b": 2}, copula="independence").coupling == "full"
    assert Joint({"a": 2, "b": 2}, copula="student").coupling == "full"
    assert Joint({"a": 2, "b": 2}, "mixture", "student").coupling == "paired"
    for copula in {"vine", "factor"} & set(COPULAS):
        assert Joint({"a": 2, "b": 2}, copula=copula).coupling == "paired"
    if "vine" in COPULAS:
        with pytest.raises(ValueError, match='coupling="paired"'):
            Joint({"a": 2, "b": 2}, copula="vine", coupling="full")


@pytest.mark.parametrize(
    ("z", "observed", "settings", "error", "message"),
    [
        ({"a": np.zeros((4, 2)), "b": np.zeros(4)}, None, {}, ValueError, "'b': embeddings must be"),
        ({"a": np.zeros((4, 2)), "b": np.zeros((4, 1))}, np.ones((4, 2)), {}, TypeError, "boolean"),
        ({}, None, {}, ValueError, "at least one modality"),
        ({"a": np.zeros((2, 1)), "b": np.zeros((2, 1))}, None, {}, ValueError, "2 rows are too few"),
        (clustered(40), None, {"marginal": "kernel"}, ValueError, "unknown marginal 'kernel'"),
        (clustered(40), None, {"coupling": "none"}, ValueError, "unknown coupling 'none'"),
    ],
)
def test_errors(z, observed, settings, error, message):
    with pytest.raises(error, match=message):
        sklar.Joint.fit(z, observed, copula="auto", **settings)


def test_a_candidate_that_fails_is_left_out(elliptical_only, monkeypatch):
    def fail(*_, **__):
        raise torch.linalg.LinAlgError("no factor")

    z = elliptical(100, None)
    monkeypatch.setattr(COPULAS["student"], "fit", fail)
    with pytest.warns(UserWarning, match=r"left out: student \(no factor\)"):
        joint = Joint.fit(z, copula="auto", components=1)
    assert joint.report["student"] == -np.inf
    assert np.isfinite(joint.report["gaussian"])
    monkeypatch.setattr(COPULAS["gaussian"], "fit", fail)
    monkeypatch.setattr(JointMixture, "fit", fail)
    with pytest.raises(ValueError, match=r"none of the candidates could be fitted.*mixture"):
        Joint.fit(z, copula="auto", components=1)


def test_a_winner_that_fails_on_all_rows_gives_way_to_the_next(elliptical_only, monkeypatch):
    z, own = clustered(200), JointMixture.fit

    def fail_on_all(z, observed=None, *arguments, **settings):
        if len(z["a"]) == 200:
            raise RuntimeError("too many")
        return own(z, observed, *arguments, **settings)

    monkeypatch.setattr(JointMixture, "fit", fail_on_all)
    with pytest.warns(UserWarning, match=r"left out: mixture \(too many\)"):
        joint = Joint.fit(z, copula="auto", components=1)
    assert isinstance(joint, Joint)
    assert joint.report["mixture"] == -np.inf


@pytest.mark.filterwarnings("ignore:candidates left out")
@pytest.mark.parametrize("rows", [3, 4, 5, 8])
def test_very_few_rows(elliptical_only, rows):
    z = {name: torch.randn(rows, 1, generator=torch.Generator().manual_seed(k)) for k, name in enumerate("abc")}
    joint = Joint.fit(z, copula="auto")
    assert np.isfinite(joint.report["mixture"]) == (rows > 3)
    assert torch.isfinite(joint.log_prob(z)).all()


@pytest.mark.parametrize("copula", ["vine", "factor", "auto"])
def test_a_single_modality(copula):
    x = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    assert torch.isfinite(Joint.fit({"a": x}, copula=copula).log_prob({"a": x})).all()
