"""One transformer over all tokens, against the attention written out row by row."""

import pytest
import torch
from plain_attention import linear, transformer
from token_cases import INPUTS, case, outputs, rows, tokens


def test_outputs_are_a_transformer_over_what_a_row_has():
    model, batch = case("lsmt"), rows()
    found = outputs(model, batch)
    for row in range(len(batch)):
        sequence = [model.cls[None]]
        for name, values in tokens(model, batch, row).items():
            m = list(INPUTS).index(name)
            place = model.place(torch.arange(len(values)).double())
            sequence.append(linear(model.project[m], values) + model.kind[m] + place)
        states = transformer(model.transformer, torch.cat(sequence))
        assert torch.allclose(found[row], linear(model.head, states[0]), atol=1e-10)


def test_order_counts_within_a_modality():
    model, batch = case("lsmt"), rows()
    code = model.encode(model.check(batch.see(torch.ones_like(batch.observed))))
    turned = [one._replace(tokens=one.tokens.flip(1), padding=one.padding.flip(1)) for one in code]
    gap = model.outputs(code, batch.observed, 1, None) - model.outputs(turned, batch.observed, 1, None)
    several = batch.observed[:, :2].any(1)  # modalities of several tokens
    assert gap[0, several].abs().amax(-1).min() > 1e-6
    assert gap[0, ~several].abs().max() < 1e-10


@pytest.mark.parametrize("settings", [{"layers": 0}, {"heads": 3}])
def test_errors(settings):
    with pytest.raises(ValueError, match=r"layers must be at least 1|heads do not divide hidden"):
        case("lsmt", **settings)
