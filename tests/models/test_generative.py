"""Draws of what is missing and their features, by the models with one latent."""

import pytest
import torch
from latent_cases import WIDTHS, case, encoded, rows

NAMES = ("mvae", "mmvae", "mopoe")


@pytest.mark.parametrize("name", NAMES)
def test_draws_have_the_moments_of_the_posterior(name):
    model, batch = case(name), rows()
    checked, code = encoded(model, batch)
    mean, log_scale = model.components(code, checked.observed, 4200, None)  # a multiple of the numbers of components
    expected = mean.mean(0)
    variance = (log_scale.exp() ** 2 + (mean - expected) ** 2).mean(0)
    drawn = model.impute(batch, 4000, torch.Generator().manual_seed(0))
    for m, key in enumerate(WIDTHS):
        assert torch.equal(drawn[key], drawn["a"]), m  # one latent for all
    assert ((drawn["a"].mean(0) - expected).abs() < 4.5 * (variance / 4000).sqrt()).all()
    assert (drawn["a"].var(0) / variance - 1).abs().max() < 0.2
    evenly = model.impute(batch, 4200)
    assert ((evenly["a"].mean(0) - expected).abs() < 0.2 * (variance / 4200).sqrt() + 1e-3).all()


@pytest.mark.parametrize("name", NAMES)
def test_features_are_decoded_in_original_units_and_the_observed_repeated(name):
    model, batch = case(name), rows()
    for key in WIDTHS:
        model.encoder(key).scaling.fit(3 + 5 * batch.inputs[key])
    drawn, features = model.impute_and_generate(batch, 3, torch.Generator().manual_seed(0))
    plain = model.generate(batch, 3)
    for m, (key, decoder) in enumerate(zip(WIDTHS, model.decoders, strict=True)):
        seen = batch.observed[:, m]
        scaling = model.encoder(key).scaling
        means = scaling.mean + scaling.scale * decoder(model.impute(batch, 3)[key])
        assert torch.allclose(plain[key][:, ~seen], means[:, ~seen])
        assert torch.equal(features[key][:, seen], batch.inputs[key][seen].expand(3, -1, -1))
        noise = (features[key] - scaling.mean) / scaling.scale - decoder(drawn[key])
        assert noise[:, ~seen].std() > 0.5  # the decoder's own, of standard deviation 1


def test_errors():
    model, batch = case("mvae"), rows()
    with pytest.raises(ValueError, match="noise needs a generator"):
        model.generate(batch, noise=True)
    with pytest.raises(ValueError, match="num_samples must be at least 1"):
        model.impute(batch, 0)
