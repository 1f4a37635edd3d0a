"""Draws of what is missing and their features, by the models with one latent."""

import pytest
import torch
from latent_cases import WIDTHS, case, encoded, rows

from sklar.data import Batch

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


@pytest.mark.parametrize("name", [*NAMES, "variational_copula", "conditional_mean"])
def test_what_is_drawn_is_as_uncertain_as_held_out_rows_and_has_the_features_values(name):
    """Decoders that know nothing and are far too sure: after `finish` their draws have the features' distribution."""
    model = case(name)
    g = torch.Generator().manual_seed(3)
    inputs = {key: torch.poisson(torch.full((600, d), 2.0), generator=g).double() for key, d in WIDTHS.items()}
    batch = Batch(inputs, torch.ones(600, 3).bool(), torch.randint(3, (600,), generator=g))
    model.start(batch)
    with torch.no_grad():
        for decoder in model.decoders:
            decoder.log_scale.fill_(-1.0)
            for parameter in decoder.network.parameters():
                parameter.mul_(0.1)
    before = torch.random.get_rng_state()
    model.finish(batch[torch.arange(300)], batch[torch.arange(300, 600)], seed=0)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert (model.noise_factor * torch.exp(torch.tensor(-1.0)) - 1).abs().max() < 0.15
    pattern = torch.tensor([True, False, False])
    drawn = model.generate(batch.see(pattern), 20, torch.Generator().manual_seed(1), noise=True)["b"]
    assert float(drawn.mean()) == pytest.approx(2.0, abs=0.15)
    assert float(drawn.var()) == pytest.approx(2.0, abs=0.3)
    assert (drawn.remainder(1) == 0).double().mean() > 0.75  # the others lie between two quantiles that differ
    single = case(name).float()
    small = Batch({key: x.float() for key, x in inputs.items()}, batch.observed, batch.target)
    single.start(small)
    single.finish(small[torch.arange(300)], small[torch.arange(300, 600)], seed=0)
    drawn = single.generate(small.see(pattern), 20, torch.Generator().manual_seed(1), noise=True)["b"]
    assert (drawn.remainder(1) == 0).double().mean() > 0.75  # equal to the truth bit for bit
    assert bool(((drawn >= 0) & (drawn <= inputs["b"].max())).all())


def test_errors():
    model, batch = case("mvae"), rows()
    with pytest.raises(ValueError, match="noise needs a generator"):
        model.generate(batch, noise=True)
    with pytest.raises(ValueError, match="num_samples must be at least 1"):
        model.impute(batch, 0)
