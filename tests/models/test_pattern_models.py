"""A head a pattern, and a head that sees nothing but the pattern."""

import numpy as np
import pytest
import torch

from sklar.copulas.patterns import all_patterns
from sklar.data import Batch, completely_at_random
from sklar.models import make_model
from sklar.models.code import Encoded
from sklar.training import Schedule, train

D = 3
EVERY_TASK = pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])


def observed_only(trained, task="classification"):
    """Random heads for the given patterns (as tuples of places), untrained ones for the others; evaluation mode."""
    torch.manual_seed(0)
    classes = None if task == "regression" else 3
    inputs = {"a": 2, "b": 2, "c": 2}
    model = make_model("observed_only", inputs=inputs, classes=classes, task=task, dim=D, hidden=5).double().eval()
    with torch.no_grad():
        for mask, head in zip(model.masks, model.heads, strict=True):
            if tuple(mask.nonzero().flatten().tolist()) in trained:
                for parameter in head.parameters():
                    parameter.copy_(torch.randn_like(parameter))
    return model


def answer(model, z, shown, pattern):
    """What the head of a pattern says of one row's embeddings ``(M, d)``, zeros where the row lacks one."""
    (place,) = [i for i, mask in enumerate(model.masks.tolist()) if tuple(np.flatnonzero(mask)) == pattern]
    first, last = model.heads[place][0], model.heads[place][-1]
    x = np.concatenate([z[m].numpy() * (m in shown) for m in pattern])
    hidden = np.maximum(first.weight.detach().numpy() @ x + first.bias.detach().numpy(), 0)
    return last.weight.detach().numpy() @ hidden + last.bias.detach().numpy()


def outputs(model, z, observed):
    hidden = torch.where(observed[..., None], z, torch.nan)
    given = [Encoded(value, torch.zeros_like(value)) for value in hidden.unbind(1)]
    return model.outputs(given, observed, 1, None)[0].detach()


EVERY_PATTERN = [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)]


@EVERY_TASK
def test_every_pattern_is_answered_by_its_own_head(task):
    model = observed_only(EVERY_PATTERN, task)
    observed = completely_at_random(40, 3, 0.5, torch.Generator().manual_seed(0))
    z = torch.randn(40, 3, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = outputs(model, z, observed)
    for i, row in enumerate(observed.tolist()):
        pattern = tuple(np.flatnonzero(row).tolist())
        np.testing.assert_allclose(found[i], answer(model, z[i], pattern, pattern), rtol=1e-10)


@pytest.mark.parametrize(
    ("trained", "pattern", "answering"),
    [
        ([(0,), (1,), (2,)], (0, 1), [(0,), (1,)]),  # the largest sub-patterns together
        ([(0,), (0, 1)], (0, 1, 2), [(0, 1)]),  # not the smaller one
        ([(0, 1), (1, 2), (0,)], (0, 1, 2), [(0, 1), (1, 2)]),
        ([(0, 1, 2)], (1,), [(0, 1, 2)]),  # complete rows alone were seen: zeros for what is lacking
        ([(0, 1), (0, 1, 2)], (1,), [(0, 1)]),  # which lacks less
        ([(0,), (0, 1, 2)], (0, 2), [(0,)]),  # which lacks nothing
    ],
)
def test_an_untrained_pattern_is_answered_by_the_nearest_trained_ones(trained, pattern, answering):
    model = observed_only(trained)
    z = torch.randn(1, 3, D, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    observed = torch.tensor([[m in pattern for m in range(3)]])
    each = np.array([answer(model, z[0], pattern, head) for head in answering])
    probabilities = (np.exp(each) / np.exp(each).sum(-1, keepdims=True)).mean(0)
    np.testing.assert_allclose(torch.softmax(outputs(model, z, observed)[0], -1), probabilities, rtol=1e-10)


def test_training_moves_the_heads_of_the_patterns_shown_alone():
    model = observed_only([])
    assert not bool(model.trained.any())
    patterns = torch.tensor([[True, False, False], [True, True, True]])
    generator = torch.Generator().manual_seed(0)
    batch = Batch({n: torch.randn(2, 2, generator=generator).double() for n in "abc"}, patterns, torch.tensor([0, 2]))
    model.train()
    model.recipe = type(model.recipe)(second_pass=0.0, consistency=0.0, single=0.0)
    optimizer = torch.optim.AdamW(model.parameters())
    model.loss(batch, generator)["loss"].backward()
    optimizer.step()
    assert [model.masks[i].tolist() for i in model.trained.nonzero().flatten()] == patterns.tolist()


def test_a_head_a_pattern_for_eight_modalities_at_most():
    eight = make_model("observed_only", inputs={f"m{i}": 1 for i in range(8)}, classes=2, dim=1, hidden=1)
    assert len(eight.heads) == 255
    with pytest.raises(ValueError, match=r"9 modalities have 511 patterns.*at most 8 modalities.*concat"):
        make_model("observed_only", inputs={f"m{i}": 1 for i in range(9)}, classes=2)


def blind(task="classification", **settings):
    torch.manual_seed(0)
    classes = None if task == "regression" else 2
    return make_model("missingness_only", inputs={"a": 2, "b": 3}, classes=classes, task=task, **settings)


def rows(count, seed):
    """Inputs of noise; the class is whether b is there."""
    generator = torch.Generator().manual_seed(seed)
    inputs = {"a": torch.randn(count, 2, generator=generator), "b": torch.randn(count, 3, generator=generator)}
    observed = completely_at_random(count, 2, 0.4, generator)
    return Batch(inputs, observed, observed[:, 1].long())


@EVERY_TASK
def test_the_pattern_is_all_that_a_prediction_depends_on(task):
    model, batch = blind(task), rows(60, 0)
    moved = Batch({name: 100 * x + 7 for name, x in batch.inputs.items()}, batch.observed)
    assert torch.equal(model.predict(batch), model.predict(moved))
    found = model.predict(Batch(moved.inputs, torch.tensor([[True, False], [True, True]]).repeat(30, 1)))
    assert torch.equal(found, found[:2].repeat(30, *[1] * (found.ndim - 1)))
    assert not torch.allclose(found[0], found[1])


def test_its_head_sees_plus_and_minus_one():
    model = blind().double().eval()
    first, last = model.head[0], model.head[-1]
    observed = all_patterns(2)
    blank = torch.full((3, model.dim), torch.nan)
    found = model.outputs([Encoded(blank, blank)] * 2, observed, 1, None)[0]
    for row, value in zip(observed, found, strict=True):
        signs = torch.tensor([1.0 if seen else -1.0 for seen in row], dtype=torch.float64)
        plain = last.weight @ (first.weight @ signs + first.bias).clamp(min=0) + last.bias
        torch.testing.assert_close(value, plain)


def test_it_learns_a_label_that_the_mask_tells():
    model, held_out = blind(), rows(80, 1)
    train(model, rows(200, 0), held_out, Schedule(steps=150, patience=20), progress=False)
    right = model.predict(held_out).gather(1, held_out.target[:, None])
    assert right.min() > 0.9


def test_it_is_calibrated_under_the_rows_own_patterns_alone():
    one, other = blind(), blind()
    batch = rows(80, 1)
    one.calibrate(batch, seed=0, subpatterns=4)
    other.calibrate(batch, seed=1, subpatterns=0)
    states = [model.outcome.calibration.state_dict() for model in (one, other)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


def test_it_takes_neither_alignment_nor_the_recipe():
    with pytest.raises(ValueError, match="no embeddings that could be aligned"):
        blind(alignment="moments")
    model = blind(recipe={"second_pass": 0.7, "auxiliary": 1.0, "draws": 3})
    recipe = model.settings["recipe"]
    assert (recipe["second_pass"], recipe["auxiliary"], recipe["draws"]) == (0.0, 0.0, 3)
    assert not hasattr(model, "auxiliary")
