"""Regression of embeddings on embeddings, against its formula row by row."""

import pytest
import torch
from latent_cases import WIDTHS, case, encoded, rows

from sklar.copulas.patterns import random_subpattern
from sklar.models import make_model


def completed(model, batch, row, mask):
    """Embeddings ``{name: (d,)}``: the encoder's mean where the mask is set, the network's word elsewhere."""
    own = {
        name: model.encoder(name)(batch.inputs[name][row : row + 1])[0][0] if mask[m] else torch.zeros(4).double()
        for m, name in enumerate(WIDTHS)
    }
    said = model.expectation(torch.cat([*own.values(), mask.double()])[None])[0].view(3, 4)
    return {name: own[name] if mask[m] else said[m] for m, name in enumerate(WIDTHS)}


def test_outputs_are_the_head_on_completed_embeddings_and_decoders_see_the_same():
    model, batch = case("conditional_mean"), rows()
    checked, code = encoded(model, batch)
    found, drawn = model.outputs(code, checked.observed, 6, None), model.impute(batch, 3)
    assert found.shape == (1, len(batch), 3)
    for row in range(len(batch)):
        z = completed(model, batch, row, batch.observed[row])
        assert torch.allclose(found[0, row], model.head(torch.cat(list(z.values()))[None])[0], atol=1e-10)
        for name, value in z.items():
            assert torch.allclose(drawn[name][:, row], value.expand(3, 4), atol=1e-10)


def test_generative_terms():
    model, batch = case("conditional_mean", weight=0.7, reconstruction=0.3, cross_drop=0.5), rows(3)
    with torch.no_grad():
        for decoder in model.decoders:
            decoder.log_scale.normal_(generator=torch.Generator().manual_seed(0))
    checked, code = encoded(model, batch)
    found = model.regularizer(checked, code, torch.Generator().manual_seed(5))
    same = torch.Generator().manual_seed(5)
    subset = random_subpattern(batch.observed, 0.5, order=torch.rand(batch.observed.shape, generator=same))
    assert (subset & ~batch.observed).sum() == 0
    for row in range(len(batch)):
        whole, part = (completed(model, batch, row, mask[row]) for mask in (batch.observed, subset))
        expected = {"reconstruction": 0.0, "cross_reconstruction": 0.0, "decoder_scale": 0.0}
        for m, (name, decoder) in enumerate(zip(WIDTHS, model.decoders, strict=True)):
            if not batch.observed[row, m]:
                continue
            own, crossed = decoder.network(whole[name]), decoder.network(part[name])
            x, held = batch.inputs[name][row], not subset[row, m]
            expected["reconstruction"] += 0.21 * 0.5 * ((x - own) ** 2).sum()
            expected["cross_reconstruction"] += 0.21 * held * 0.5 * ((x - crossed) ** 2).sum()
            normal = torch.distributions.Normal(crossed if held else own, decoder.log_scale.exp())
            expected["decoder_scale"] -= 0.7 * normal.log_prob(x).sum()
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert torch.allclose(found[key][row], torch.as_tensor(value).double(), atol=1e-9), key


def test_a_wrong_setting_is_refused():
    with pytest.raises(ValueError, match=r"cross_drop must lie in \[0, 1\], got 2"):
        make_model("conditional_mean", inputs=WIDTHS, classes=3, cross_drop=2)
