"""Attention within and across modalities, against the paper's layers written out row by row."""

import pytest
import torch
from plain_attention import attend, linear, norm
from token_cases import INPUTS, case, outputs, rows, tokens


def network(module, x):
    return linear(module[3], linear(module[0], x).clamp(min=0))


def layer(parts, seen):
    own, cross = {}, {}
    for name, x in seen.items():
        part = parts[name]
        normal = norm(part.own_norm, x)
        own[name] = x + attend(part.own, normal, normal)
    for name, x in own.items():
        part = parts[name]
        others = [other for other in INPUTS if other != name]
        found = [
            attend(part.cross[others.index(other)], norm(part.cross_norm, x), norm(parts[other].cross_norm, own[other]))
            for other in own
            if other != name
        ]
        x = x + (sum(found) / len(found) if found else 0)
        cross[name] = x + network(part.network, norm(part.last_norm, x))
    return cross


def test_outputs_are_the_papers_layers():
    model, batch = case("interleaved"), rows()
    found = outputs(model, batch)
    for row in range(len(batch)):
        seen = tokens(model, batch, row)
        seen = {name: linear(model.project[list(INPUTS).index(name)], x) for name, x in seen.items()}
        for each in model.layers:
            seen = layer(dict(zip(INPUTS, each, strict=True)), seen)
        means = [
            norm(last, seen[name]).mean(0) if name in seen else torch.zeros(16).double()
            for name, last in zip(INPUTS, model.norms, strict=True)
        ]
        assert torch.allclose(found[row], network(model.head, torch.cat(means)), atol=1e-10)


def test_a_single_modality_is_a_transformer_of_its_own():
    one = {"lab": INPUTS["lab"]}
    model, batch = case("interleaved", inputs=one), rows()
    batch = type(batch)({"lab": batch.inputs["lab"]}, torch.ones(len(batch), 1, dtype=torch.bool), batch.target)
    assert not [name for name, _ in model.named_parameters() if "cross." in name]
    assert torch.isfinite(outputs(model, batch)).all()


@pytest.mark.parametrize("settings", [{"layers": 0}, {"heads": 3}])
def test_errors(settings):
    with pytest.raises(ValueError, match=r"layers must be at least 1|heads do not divide hidden"):
        case("interleaved", **settings)
