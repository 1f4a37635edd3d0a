"""Scales and shifts given the other modalities, against the paper's equation written out row by row."""

import pytest
import torch
from token_cases import INPUTS, case, embed, outputs, rows, tokens


def test_outputs_are_the_papers_equation():
    model, batch = case("daft", bottleneck=5), rows()
    found = outputs(model, batch)
    for row in range(len(batch)):
        seen = tokens(model, batch, row)
        squeezed = torch.cat(
            [
                seen[name].mean(0) if name in seen else torch.zeros(model.encoder(name).token_width).double()
                for name in INPUTS
            ]
        )
        pooled = []
        for name, (first, _, second) in zip(INPUTS, model.affine, strict=True):
            if name not in seen:
                pooled.append(torch.zeros(4).double())
                continue
            both = second.weight @ (first.weight @ squeezed).clamp(min=0)
            alpha, beta = both[: len(both) // 2], both[len(both) // 2 :]
            changed = (1 + alpha) * seen[name] + beta if len(seen) > 1 else seen[name]
            pooled.append(embed(model, name, changed))
        expected = model.head.weight @ torch.cat(pooled) + model.head.bias
        assert torch.allclose(found[row], expected, atol=1e-10)


def test_alone_a_modality_stays_as_it_is_and_in_company_it_does_not():
    model, batch = case("daft"), rows()
    plain = model.head(torch.cat([each.mean for each in model.encode(model.check(batch))], -1))
    same = (outputs(model, batch) - plain).abs().amax(-1) < 1e-10
    assert torch.equal(same, batch.observed.sum(-1) == 1)


def test_no_biases():
    assert not [name for name, _ in case("daft").affine.named_parameters() if "bias" in name]
    with pytest.raises(ValueError, match="bottleneck must be at least 1"):
        case("daft", bottleneck=0)
