"""Shared and specific representations, against the paper's equations written out row by row."""

from itertools import combinations

import pytest
import torch
from plain_attention import linear, transformer
from token_cases import INPUTS, TASKS, case, outputs, rows, tokens

from sklar.data import Batch


def sigmoid(x):
    return 1 / (1 + torch.exp(-x))


def apart(model, seen):
    """Shared and specific representations ``(W,)`` of the modalities that a row has."""
    shared, specific = {}, {}
    for name, values in seen.items():
        m = list(INPUTS).index(name)
        x = linear(model.project[m], values)
        mean = transformer(model.to_shared[m], x).mean(0)
        shared[name] = linear(model.common[3], linear(model.common[0], mean).clamp(min=0))
        specific[name] = transformer(model.to_specific[m], x).mean(0)
    return shared, specific


def attended(model, items):
    """Outputs and weights ``(k, N)`` by the paper's attention, output after output."""
    width, count = items.shape[-1], model.outcome.size
    blocks = linear(model.attention, items).split(width, -1)
    query, value = blocks[0].mean(0), blocks[1]
    found, weights = [], []
    for c in range(count):
        score = blocks[2 + c] @ query / width**0.5
        weights.append(score.exp() / score.exp().sum())
        found.append(model.last.weight[c] @ (weights[c] @ value) + model.last.bias[c])
    return torch.stack(found), torch.stack(weights)


def losses(model, items, target, task):
    """Of each item's head: by label (none where unknown) or of the row; zero without a label. ``(N, k)``."""
    found = []
    for head, item in items:
        raw = linear(model.heads[head], item)
        if task == "multilabel":
            p = sigmoid(raw)
            found.append(torch.where(target.isnan(), 0.0, -(target * p.log() + (1 - target) * (1 - p).log())))
        elif task == "classification":
            loss = torch.logsumexp(raw, 0) - raw[target] if target >= 0 else torch.zeros(()).double()
            found.append(loss.expand(3))
        else:
            sd = model.outcome.log_scale.exp()
            normal = torch.distributions.Normal(raw[0], sd)
            found.append(torch.zeros(1).double() if target.isnan() else -normal.log_prob(target)[None])
    return torch.stack(found)


@pytest.mark.parametrize("task", TASKS)
def test_outputs_and_terms_are_the_papers_equations(task):
    weights = {"shared": 0.7, "specific": 0.6, "branches": 0.5, "ranking": 0.4}
    model, batch = case("drfuse", task, **weights), rows(task=task)
    found = outputs(model, batch)
    checked = model.check(batch)
    terms = model.regularizer(checked, model.encode(checked), None)
    for row in range(len(batch)):
        shared, specific = apart(model, tokens(model, batch, row))
        mean = torch.stack([sigmoid(x) for x in shared.values()]).mean(0)
        items = torch.stack([*specific.values(), torch.log(mean / (1 - mean))])
        expected, shares = attended(model, items)
        assert torch.allclose(found[row], expected, atol=1e-10)

        divergence = []
        for a, b in combinations(shared.values(), 2):
            p, q = torch.stack([sigmoid(a), sigmoid(-a)]), torch.stack([sigmoid(b), sigmoid(-b)])
            m = (p + q) / 2
            divergence.append(((p * (p / m).log()).sum() + (q * (q / m).log()).sum()) / 2)
        cosine = [
            (shared[name] @ specific[name]).abs() / (shared[name].norm() * specific[name].norm()) for name in shared
        ]
        places = [list(INPUTS).index(name) for name in specific] + [3]
        loss = losses(model, list(zip(places, items, strict=True)), batch.target[row], task)
        ranks = []
        for a, b in combinations(range(len(items)), 2):
            side = torch.sign(loss[b] - loss[a])  # positive: a has the smaller loss and should weigh more
            ranks.append((side * (shares[:, b] - shares[:, a])).clamp(min=0).mean())
        total = loss.sum(-1) if task == "multilabel" else loss[:, 0]
        plain = {
            "shared": sum(divergence) / max(len(divergence), 1),
            "specific": sum(cosine) / len(cosine),
            "branches": total.mean(),
            "ranking": sum(ranks) / len(ranks),
        }
        for name, value in plain.items():
            value = torch.as_tensor(weights[name] * value, dtype=torch.double)
            assert torch.allclose(terms[name][row], value, atol=1e-9), name


def test_terms_push_where_they_should():
    """Ranking moves the attention alone; rows with one modality have no shared term."""
    model, batch = case("drfuse"), rows()
    checked = model.check(batch)
    terms = model.regularizer(checked, model.encode(checked), None)
    assert torch.equal(terms["shared"] == 0, batch.observed.sum(-1) == 1)
    unlabelled = batch.target < 0
    assert (terms["ranking"][unlabelled] == 0).all()
    assert (terms["branches"][unlabelled] == 0).all()
    heads = torch.autograd.grad(terms["ranking"].sum(), list(model.heads.parameters()), allow_unused=True)
    assert all(g is None for g in heads)


def test_one_modality_has_nothing_to_share():
    model = case("drfuse", inputs={"age": 4})
    batch = Batch({"age": torch.randn(5, 4).double()}, torch.ones(5, 1, dtype=torch.bool), torch.zeros(5).long())
    assert "shared" not in model.loss(batch)


@pytest.mark.parametrize("settings", [{"layers": 0}, {"ranking": -1.0}])
def test_errors(settings):
    with pytest.raises(ValueError, match="layers must be at least 1 and weights at least 0"):
        case("drfuse", **settings)
