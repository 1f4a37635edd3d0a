"""The product of experts, against its formula row by row."""

import torch
from latent_cases import case, divergence, encoded, experts, misfit, product, rows

from sklar.copulas.patterns import random_subpattern
from sklar.numerics import quasi_normal


def test_outputs_are_the_head_on_draws_of_the_product():
    model, batch = case("mvae"), rows()
    checked, code = encoded(model, batch)
    found = model.outputs(code, checked.observed, 6, None)
    points = quasi_normal(6, (1, 4), dtype=torch.float64)
    for row in range(len(batch)):
        mean, sd = product(list(experts(model, batch, row).values()))
        for draw in range(6):
            assert torch.allclose(found[draw, row], model.head(mean + sd * points[draw, 0]), atol=1e-10)


def test_the_posterior_is_the_normalised_product_of_the_densities():
    model, batch = case("mvae"), rows()
    checked, code = encoded(model, batch)
    mean, log_scale = model.components(code, checked.observed, 1, None)
    normal = torch.distributions.Normal
    z = torch.linspace(-2, 2, 9).double()[:, None]
    for row in range(len(batch)):
        unnormalised = normal(0.0, 1.0).log_prob(z)
        for each in experts(model, batch, row).values():
            unnormalised = unnormalised + normal(*each).log_prob(z)
        ratio = unnormalised - normal(mean[0, row], log_scale[0, row].exp()).log_prob(z)
        assert torch.allclose(ratio, ratio[:1].expand_as(ratio), atol=1e-9)  # a constant of each coordinate


def test_generative_terms():
    model, batch = case("mvae", weight=0.7, reconstruction=0.3), rows(3)
    with torch.no_grad():
        for decoder in model.decoders:
            decoder.log_scale.normal_(generator=torch.Generator().manual_seed(0))
    checked, code = encoded(model, batch)
    found = model.regularizer(checked, code, torch.Generator().manual_seed(5))
    same = torch.Generator().manual_seed(5)
    subset = random_subpattern(batch.observed, 0.5, order=torch.rand(batch.observed.shape, generator=same))
    noise = torch.randn(2, len(batch), 4, generator=same, dtype=torch.float64)
    for row in range(len(batch)):
        own = experts(model, batch, row)
        mean, sd = product(list(own.values()))
        error, density = misfit(model, batch, row, mean + sd * noise[0, row])
        part = product([own[name] for name, shown in zip("abc", subset[row], strict=True) if shown])
        cross, _ = misfit(model, batch, row, part[0] + part[1] * noise[1, row])  # all of O from the subset
        expected = {"reconstruction": 0.21 * error, "cross_reconstruction": 0.21 * cross,
                    "decoder_scale": 0.7 * density, "divergence": 0.7 * divergence(mean, sd)}  # fmt: skip
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert torch.allclose(found[key][row], value, atol=1e-9), key


def test_more_evidence_is_more_certain():
    model, batch = case("mvae"), rows()
    checked, code = encoded(model, batch)
    every = model.components(code, torch.ones_like(checked.observed), 1, None)[1]
    assert bool((every <= model.components(code, checked.observed, 1, None)[1]).all())
