import json
from dataclasses import asdict

import pytest
import torch
from torch import Tensor

from sklar.data import Texts, completely_at_random
from sklar.data.missingness import MECHANISMS, Missingness

ROWS = 6000
REMOVING = [mechanism for mechanism in MECHANISMS if mechanism != "natural"]


@pytest.fixture(scope="module")
def inputs() -> dict[str, Tensor | Texts]:
    """Four modalities with one number each behind them, of which the second and third are correlated."""
    generator = torch.Generator().manual_seed(7)
    z = torch.randn(ROWS, 4, generator=generator)
    z[:, 2] += z[:, 1]
    series = z[:, 1, None, None] + 0.1 * torch.randn(ROWS, 5, 2, generator=generator)
    series[:, 3:, 0] = torch.nan
    words = (10 * torch.exp(0.5 * z[:, 3])).long() + 1
    return {
        "vector": z[:, :1],
        "series": series,
        "image": z[:, 2, None, None, None].expand(-1, 1, 2, 2),
        "note": Texts([["word " * int(count)] for count in words]),
    }


@pytest.fixture(scope="module")
def drive() -> Tensor:
    """The numbers that move each modality's content, standardised, up to sign: ``(n, 4)``."""
    generator = torch.Generator().manual_seed(7)
    z = torch.randn(ROWS, 4, generator=generator)
    z[:, 2] += z[:, 1]
    return z / z.std(0)


@pytest.fixture(scope="module")
def label(drive: Tensor) -> Tensor:
    return (drive[:, 0] + 0.5 * torch.randn(ROWS, generator=torch.Generator().manual_seed(8)) > 0.5).long()


def correlation(a: Tensor, b: Tensor) -> float:
    return float(torch.corrcoef(torch.stack([a.double(), b.double()]))[0, 1])


NOISE = 4 / ROWS**0.5  # four standard errors of a correlation of zero


@pytest.mark.parametrize("rate", [0.1, 0.4, {"series": 0.6, "note": 0.2}, {"vector": 0.5, "series": 0.5, "image": 0.5}])
@pytest.mark.parametrize("mechanism", REMOVING)
def test_each_modality_is_missing_at_its_rate(mechanism, rate, inputs, label):
    everything = torch.ones(ROWS, 4, dtype=torch.bool)
    mask = Missingness(mechanism, rate, seed=1)(inputs, everything, label)
    for m, name in enumerate(inputs):
        wanted = rate.get(name, 0.0) if isinstance(rate, dict) else rate
        missing = float((~mask[:, m]).double().mean())
        assert abs(missing - wanted) <= 4 * (wanted * (1 - wanted) / ROWS) ** 0.5


@pytest.mark.parametrize("mechanism", REMOVING)
def test_only_what_is_there_is_removed_and_never_all_of_a_row(mechanism, inputs, label):
    there = completely_at_random(ROWS, 4, 0.4, torch.Generator().manual_seed(2))
    hidden = {
        name: x if isinstance(x, Texts) else torch.where(rows.view(-1, *[1] * (x.ndim - 1)), x, torch.nan)
        for (name, x), rows in zip(inputs.items(), there.T, strict=True)
    }
    mask = Missingness(mechanism, 0.4, seed=3)(hidden, there, label)
    assert not bool((mask & ~there).any())
    assert bool(mask.any(-1).all())
    several = there.sum(-1) > 1
    assert torch.equal(mask[~several], there[~several])
    for m in range(4):  # the share of those that have the modality beside another
        rows = there[:, m] & several
        assert abs(float((~mask[rows, m]).double().mean()) - 0.4) <= 4 * (0.24 / int(rows.sum())) ** 0.5


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_same_seed_same_mask_and_what_a_missing_row_holds_never_matters(mechanism, inputs, label):
    there = completely_at_random(ROWS, 4, 0.3, torch.Generator().manual_seed(4))
    first = Missingness(mechanism, 0.3, seed=5)(inputs, there, label)
    other = {
        name: x if isinstance(x, Texts) else torch.where(rows.view(-1, *[1] * (x.ndim - 1)), x, 1e6)
        for (name, x), rows in zip(inputs.items(), there.T, strict=True)
    }
    assert torch.equal(first, Missingness(mechanism, 0.3, seed=5)(other, there, label))
    changed = Missingness(mechanism, 0.3, seed=6)(inputs, there, label)
    assert torch.equal(first, changed) == (mechanism == "natural")
    assert torch.equal(first, there) == (mechanism == "natural")


def test_completely_at_random_depends_on_no_content(inputs, drive, label):
    mask = Missingness("mcar", 0.3)(inputs, torch.ones(ROWS, 4, dtype=torch.bool))
    for m in range(4):
        assert max(abs(correlation(mask[:, m], drive[:, k])) for k in range(4)) < NOISE
        assert abs(correlation(mask[:, m], label)) < NOISE
        assert all(abs(correlation(mask[:, m], mask[:, k])) < 2 * NOISE for k in range(m))


def test_at_random_depends_on_the_driver_and_given_it_on_nothing_else(inputs, drive):
    # The only modality of rate zero stays; the image is correlated with it, the others are not.
    rate = {"vector": 0.3, "image": 0.3, "note": 0.3}
    mask = Missingness("mar", rate, strength=1.5, seed=2)(inputs, torch.ones(ROWS, 4, dtype=torch.bool))
    assert bool(mask[:, 1].all())
    for m in (0, 2, 3):
        assert abs(correlation(mask[:, m], drive[:, 1])) > 0.3
        # Within narrow bins of the driver nothing else matters, the modality's own content included.
        order = drive[:, 1].argsort()
        kept, own = mask[order, m].double().view(60, -1), drive[order].view(60, -1, 4)
        residual = (kept - kept.mean(1, keepdim=True)).flatten()
        for k in range(4):
            rest = (own[..., k] - own[..., k].mean(1, keepdim=True)).flatten()
            assert abs(correlation(residual, rest)) < NOISE


def test_at_random_the_log_odds_rise_by_the_strength_a_standard_deviation(inputs, drive):
    mask = Missingness("mar", {"note": 0.3}, strength=1.5)(
        {name: inputs[name] for name in ("vector", "note")}, torch.ones(ROWS, 2, dtype=torch.bool)
    )
    x, gone = drive[:, 0].double(), (~mask[:, 1]).double()
    slope = torch.zeros(2, dtype=torch.float64)
    design = torch.stack([torch.ones_like(x), x], -1)
    for _ in range(30):  # logistic regression by Newton's method
        p = torch.sigmoid(design @ slope)
        information = design.T @ (design * (p * (1 - p))[:, None])
        slope = slope + torch.linalg.solve(information, design.T @ (gone - p))
    error = float(torch.linalg.inv(information)[1, 1].sqrt())
    assert abs(abs(float(slope[1])) - 1.5) < 4 * error


def test_without_a_fixed_driver_no_missing_content_moves_the_mask():
    # Two binary modalities, so that by Bayes' formula the mask's probability must not depend on the missing one:
    # P(mask shows a alone | a, b) is the same for both values of b.
    generator = torch.Generator().manual_seed(5)
    a = (torch.rand(40_000, generator=generator) < 0.5).float()
    b = torch.where(torch.rand(40_000, generator=generator) < 0.8, a, 1 - a)
    there = torch.ones(40_000, 2, dtype=torch.bool)
    mask = Missingness("mar", 0.3, strength=2.0, seed=9)({"a": a[:, None], "b": b[:, None]}, there)
    for m, (shown, hidden) in enumerate([(a, b), (b, a)]):
        alone = mask[:, m] & ~mask[:, 1 - m]
        share = {(x, y): alone[(shown == x) & (hidden == y)].double() for x in (0, 1) for y in (0, 1)}
        for x in (0, 1):
            first, second = share[x, 0], share[x, 1]
            error = (first.var() / len(first) + second.var() / len(second)).sqrt()
            assert abs(first.mean() - second.mean()) < 4 * error
        assert abs(share[0, 0].mean() - share[1, 0].mean()) > 0.1


@pytest.mark.parametrize("mechanism", ["mnar", "label"])
def test_not_at_random_depends_on_its_own_content_or_the_label(mechanism, inputs, drive, label):
    rate = {"vector": 0.3, "image": 0.3}
    mask = Missingness(mechanism, rate, seed=2)(inputs, torch.ones(ROWS, 4, dtype=torch.bool), label)
    for m in (0, 2):
        own = drive[:, m] if mechanism == "mnar" else label
        assert abs(correlation(mask[:, m], own)) > 0.25
    if mechanism == "label":  # positive strength: the higher label loses more
        assert float(mask[label == 1, 2].double().mean()) < float(mask[label == 0, 2].double().mean()) - 0.1
        unknown = Missingness("label", 0.3)(inputs, torch.ones(ROWS, 4, dtype=torch.bool), torch.full((ROWS,), -1))
        assert abs(correlation(unknown[:, 0], label)) < NOISE


@pytest.mark.parametrize(
    "target",
    [torch.arange(ROWS) % 3, torch.linspace(0, 1, ROWS), (torch.arange(2 * ROWS) % 7 < 3).float().view(ROWS, 2)],
    ids=["classes", "values", "labels"],
)
def test_labels_of_every_task_move_the_mask(target, inputs):
    mask = Missingness("label", 0.3, strength=2, seed=4)(inputs, torch.ones(ROWS, 4, dtype=torch.bool), target)
    summary = target.double() if target.ndim == 1 else target.double().mean(-1)
    bins = (3 * summary / (summary.max() + 1e-9)).floor() if len(summary.unique()) > 3 else summary
    means = torch.stack([mask[bins == value, 0].double().mean() for value in bins.unique()])
    assert float(means.max() - means.min()) > 0.1


def test_another_draw_of_the_same_mechanism(inputs, drive):
    """Other rows lose a modality, in the same direction of its content."""
    mechanism, whole = Missingness("mnar", 0.3, seed=2), torch.ones(ROWS, 4, dtype=torch.bool)
    first, second = mechanism(inputs, whole), mechanism(inputs, whole, draw=1)
    assert not torch.equal(first, second)
    assert torch.equal(second, mechanism(inputs, whole, draw=1))
    tells = [correlation(mask[:, 0], drive[:, 0]) for mask in (first, second)]
    assert abs(tells[0]) > 0.25
    assert tells[0] * tells[1] > 0
    assert correlation(first[:, 0], second[:, 0]) < 0.5  # shared through the content alone


def test_a_missingness_is_json():
    one = Missingness("mar", {"note": 0.3}, 2.0, 7)
    assert Missingness(**json.loads(json.dumps(asdict(one)))) == one


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"mechanism": "random"}, ValueError, "unknown mechanism"),
        ({"mechanism": "mcar", "rate": 1.0}, ValueError, r"\[0, 1\)"),
        ({"mechanism": "mcar", "rate": {"note": -0.1}}, ValueError, "note"),
        ({"mechanism": "mar", "strength": 0.0}, ValueError, "strength"),
        ({"mechanism": "mcar", "rate": {"film": 0.1}}, KeyError, "film"),
        ({"mechanism": "mcar", "rate": 0.9}, ValueError, "keeps something"),
        ({"mechanism": "mar", "rate": 0.8}, ValueError, "keeps something"),
        ({"mechanism": "label"}, ValueError, "target"),
    ],
)
def test_what_cannot_be_done_is_refused(settings, error, match, inputs):
    with pytest.raises(error, match=match):
        Missingness(**settings)(inputs, torch.ones(ROWS, 4, dtype=torch.bool))


def test_a_mask_of_another_shape_is_refused(inputs):
    with pytest.raises(ValueError, match="a column a modality"):
        Missingness("mcar")(inputs, torch.ones(ROWS, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="rows"):
        Missingness("mnar")({"a": torch.zeros(3, 1), "b": torch.zeros(4, 1)}, torch.ones(3, 2, dtype=torch.bool))
