"""Squeeze and excitation across modalities, against the paper's equations written out row by row."""

import pytest
import torch
from token_cases import INPUTS, case, embed, outputs, rows, tokens


def test_outputs_are_the_papers_equations():
    model, batch = case("mmtm"), rows()
    widths = {name: model.encoder(name).token_width for name in INPUTS}
    assert model.squeeze.out_features == sum(widths.values()) // 4
    found = outputs(model, batch)
    for row in range(len(batch)):
        seen = tokens(model, batch, row)
        squeezed = [seen[name].mean(0) if name in seen else torch.zeros(widths[name]).double() for name in INPUTS]
        joint = (model.squeeze.weight @ torch.cat(squeezed) + model.squeeze.bias).clamp(min=0)
        pooled = []
        for name, excite in zip(INPUTS, model.excite, strict=True):
            gate = 2 / (1 + torch.exp(-(excite.weight @ joint + excite.bias)))
            pooled.append(embed(model, name, seen[name] * gate) if name in seen else torch.zeros(4).double())
        expected = model.head.weight @ torch.cat(pooled) + model.head.bias
        assert torch.allclose(found[row], expected, atol=1e-10)


def test_gates_of_one_leave_the_encoders_embeddings():
    model, batch = case("mmtm"), rows()
    with torch.no_grad():
        for excite in model.excite:
            excite.weight.zero_()
            excite.bias.zero_()
    code = model.encode(model.check(batch))
    expected = model.head(torch.cat([each.mean for each in code], -1))
    assert torch.allclose(outputs(model, batch), expected, atol=1e-10)


def test_no_ratio_below_one():
    with pytest.raises(ValueError, match="ratio must be at least 1"):
        case("mmtm", ratio=0)
