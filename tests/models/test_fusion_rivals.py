"""Each rival's arithmetic as a plain formula, row by row and modality by modality."""

import numpy as np
import pytest
import torch

from sklar.copulas.patterns import all_patterns
from sklar.models import LateFusion, make_model
from sklar.models.code import Encoded
from sklar.models.outcome import make_outcome

D = 4
TASKS = ("classification", "multilabel", "regression")
EVERY_TASK = pytest.mark.parametrize("task", TASKS)


def case(name, modalities=3, task="classification", **settings):
    """A model with random weights, embeddings for every pattern, and the patterns."""
    torch.manual_seed(0)
    inputs = {f"m{m}": 2 for m in range(modalities)}
    classes = None if task == "regression" else 3
    model = make_model(name, inputs=inputs, classes=classes, task=task, dim=D, hidden=5, **settings).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    observed = all_patterns(modalities)
    z = torch.randn(len(observed), modalities, D, dtype=torch.float64)
    return model, z, observed


def outputs(model, z, observed):
    """``(B, k)``; what stands in a missing place is NaN, which must not matter."""
    hidden = torch.where(observed[..., None], z, torch.nan)
    given = model.outputs([Encoded(mean, torch.zeros_like(mean)) for mean in hidden.unbind(1)], observed, 2, None)
    assert len(given) == 1
    return given[0].detach().numpy()


def weights(layer):
    """Of a linear layer, as arrays."""
    return layer.weight.detach().numpy(), layer.bias.detach().numpy()


def linear(layer, x):
    w, b = weights(layer)
    return w @ x + b


def two_layers(head, x):
    return linear(head[-1], np.maximum(linear(head[0], x), 0))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    return np.exp(x) / np.exp(x).sum()


def rows(z, observed):
    """Each row as the numbers and the embeddings of the modalities that it has."""
    for values, shown in zip(z.numpy(), observed.numpy(), strict=True):
        yield {m: values[m] for m in range(len(shown)) if shown[m]}


@EVERY_TASK
def test_concat_is_a_network_on_what_is_there_and_on_what_is_not(task):
    model, z, observed = case("concat", task=task)
    places = zip(rows(z, observed), observed.double().numpy(), outputs(model, z, observed), strict=True)
    for row, mask, found in places:
        x = np.concatenate([row.get(m, np.zeros(D)) for m in range(3)] + [mask])
        np.testing.assert_allclose(found, two_layers(model.head, x), rtol=1e-12)


@EVERY_TASK
def test_unified_is_one_linear_layer_on_what_is_there(task):
    model, z, observed = case("unified", task=task)
    w, b = weights(model.head)
    for row, found in zip(rows(z, observed), outputs(model, z, observed), strict=True):
        plain = b + sum(w[:, m * D : (m + 1) * D] @ value for m, value in row.items())
        np.testing.assert_allclose(found, plain, rtol=1e-12)


@EVERY_TASK
@pytest.mark.parametrize("modalities", [1, 2, 4])
def test_medfuse_is_an_lstm_over_what_is_there(modalities, task):
    model, z, observed = case("medfuse", modalities, task)
    lstm = model.fusion
    w, u, b, c = (x.detach().numpy() for x in (lstm.weight_ih_l0, lstm.weight_hh_l0, lstm.bias_ih_l0, lstm.bias_hh_l0))
    for row, found in zip(rows(z, observed), outputs(model, z, observed), strict=True):
        state = memory = np.zeros(5)
        for m in sorted(row):
            write, forget, new, read = np.split(w @ row[m] + b + u @ state + c, 4)
            memory = sigmoid(forget) * memory + sigmoid(write) * np.tanh(new)
            state = sigmoid(read) * np.tanh(memory)
        np.testing.assert_allclose(found, linear(model.head[-1], state), rtol=1e-10)


def pooled(rule, task, each):
    """Experts' raw outputs ``(n, k)`` as one prediction: probabilities, probabilities of labels, or the mean."""
    if task == "regression":
        return each.mean(0)
    if task == "classification":
        probabilities = np.array([softmax(one) for one in each])
        product = np.prod(probabilities, 0) / np.prod(probabilities, 0).sum()
    else:
        probabilities = sigmoid(each)
        yes, no = np.prod(probabilities, 0), np.prod(1 - probabilities, 0)
        product = yes / (yes + no)
    return probabilities.mean(0) if rule == "average" else product


def said(task, raw):
    """What raw outputs say."""
    return {"classification": softmax, "multilabel": sigmoid, "regression": lambda x: x}[task](raw)


@EVERY_TASK
@pytest.mark.parametrize("rule", ["average", "product"])
def test_late_fusion_pools_the_predictions_of_those_that_are_there(rule, task):
    model, z, observed = case(f"late_{rule}", task=task)
    for row, found in zip(rows(z, observed), outputs(model, z, observed), strict=True):
        each = np.array([two_layers(model.heads[m], value) for m, value in row.items()])
        np.testing.assert_allclose(said(task, found), pooled(rule, task, each), rtol=1e-10)


@EVERY_TASK
@pytest.mark.parametrize("rule", ["average", "product"])
def test_an_outcome_pools_experts_and_ignores_the_silent(rule, task):
    generator = torch.Generator().manual_seed(0)
    outcome = make_outcome(task, None if task == "regression" else 3)
    shown = all_patterns(4)
    raw = 3 * torch.randn(4, len(shown), outcome.size, generator=generator, dtype=torch.float64)
    silenced = torch.where(shown.T[..., None], raw, torch.nan).requires_grad_()
    found = getattr(outcome, rule)(silenced, shown)
    for i, (row, answer) in enumerate(zip(shown.numpy(), found.detach().numpy(), strict=True)):
        np.testing.assert_allclose(said(task, answer), pooled(rule, task, raw[:, i].numpy()[row]), rtol=1e-10)
        if task == "classification" and rule == "average":  # the outputs are log probabilities themselves
            np.testing.assert_allclose(np.exp(answer).sum(), 1, rtol=1e-10)
    (gradient,) = torch.autograd.grad(found.sin().sum(), silenced)
    assert bool((gradient[~shown.T] == 0).all())
    assert bool((gradient[shown.T] != 0).any())


@EVERY_TASK
@pytest.mark.parametrize("rule", ["average", "product"])
def test_pooled_experts_stay_finite_when_all_are_sure(rule, task):
    outcome = make_outcome(task, None if task == "regression" else 2)
    raw = torch.full((3, 1, outcome.size), 300.0)
    raw[1] = -300.0
    raw[0, 0, 0] = -300.0
    raw.requires_grad_()
    found = getattr(outcome, rule)(raw, torch.ones(1, 3, dtype=torch.bool))
    (gradient,) = torch.autograd.grad(found.sum(), raw)
    assert bool(torch.isfinite(found).all())
    assert bool(torch.isfinite(gradient).all())


@EVERY_TASK
@pytest.mark.parametrize(("modalities", "width"), [(1, 8), (2, 8), (3, 8), (3, 2)])
def test_tensor_fusion_is_a_layer_on_the_kronecker_product(modalities, width, task):
    model, z, observed = case("tensor_fusion", modalities, task, width=width)
    for row, found in zip(rows(z, observed), outputs(model, z, observed), strict=True):
        tensor = np.ones(1)
        for m in range(modalities):
            factor = np.zeros(1 + min(width, D))
            factor[0] = 1
            if m in row:
                factor[1:] = linear(model.fusion.projections[m], row[m]) if width < D else row[m]
            tensor = np.kron(tensor, factor)
        hidden = np.maximum(linear(model.fusion.linear, tensor), 0)
        np.testing.assert_allclose(found, linear(model.head[-1], hidden), rtol=1e-10)


@EVERY_TASK
def test_tensor_fusion_of_four_has_a_sum_of_rank_one_tensors_for_weights(task):
    model, z, observed = case("tensor_fusion", 4, task, rank=3)
    factors, bias = model.fusion.factors.detach().numpy(), model.fusion.bias.detach().numpy()
    # The whole weight tensor of each hidden unit, (1 + d)^4 numbers: the sum over r of w_1 x w_2 x w_3 x w_4.
    whole = np.einsum("roa,rob,roc,rod->oabcd", *factors)
    for row, found in zip(rows(z, observed), outputs(model, z, observed), strict=True):
        each = [np.concatenate([[1], row.get(m, np.zeros(D))]) for m in range(4)]
        hidden = np.maximum(np.einsum("oabcd,a,b,c,d->o", whole, *each) + bias, 0)
        np.testing.assert_allclose(found, linear(model.head[-1], hidden), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("setting", ["width", "rank"])
def test_tensor_fusion_refuses_sizes_below_one(setting):
    with pytest.raises(ValueError, match="width and rank must be at least 1"):
        case("tensor_fusion", **{setting: 0})


@EVERY_TASK
@pytest.mark.parametrize("modalities", [1, 3])
def test_attention_pool_is_a_weighted_mean_of_what_is_there(modalities, task):
    model, z, observed = case("attention_pool", modalities, task)
    kind, score = model.kind.detach().numpy(), model.score.weight.detach().numpy()[0]
    for row, found in zip(rows(z, observed), outputs(model, z, observed), strict=True):
        h = {m: value + kind[m] for m, value in row.items()}
        scores = [
            score @ (np.tanh(linear(model.direction, one)) * sigmoid(linear(model.gate, one))) for one in h.values()
        ]
        pooled = sum(share * one for share, one in zip(softmax(np.array(scores)), h.values(), strict=True))
        np.testing.assert_allclose(found, two_layers(model.head, pooled), rtol=1e-10)


def test_an_unknown_rule_is_refused():
    with pytest.raises(ValueError, match="unknown rule 'vote'; choose 'average' or 'product'"):
        LateFusion({"a": 2}, rule="vote", classes=2)
