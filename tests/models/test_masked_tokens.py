"""Tokens that a row does not have, in every model that looks inside its encoders."""

import pytest
import torch
from token_cases import INPUTS, case, outputs, rows

from sklar.data import Batch
from sklar.models import MODELS
from sklar.models.masked_tokens import Tokens, average, pool, shown

INSIDE = ("mmtm", "daft", "lsmt", "interleaved", "drfuse")
IMAGE = {"kind": "convnet", "channels": 1, "size": 8}  # its pooling knows the number of its tokens


def with_images(batch):
    g = torch.Generator().manual_seed(2)
    images = torch.rand(len(batch), 1, 8, 8, generator=g).double()
    seen = torch.arange(len(batch)) % 2 == 0
    return Batch({**batch.inputs, "image": images}, torch.cat([batch.observed, seen[:, None]], 1), batch.target)


@pytest.mark.parametrize("name", INSIDE)
def test_a_modality_that_no_row_of_a_batch_has(name):
    model, batch = case(name, inputs={**INPUTS, "image": IMAGE}), with_images(rows())
    without = batch[1::2]
    assert not without.observed[:, -1].any()
    assert (model.predict(without) - model.predict(batch)[1::2]).abs().max() < 1e-12
    assert torch.isfinite(model.loss(without)["loss"])


@pytest.mark.parametrize("name", INSIDE)
def test_what_stands_in_hidden_and_padded_tokens_never_matters(name):
    model, batch = case(name), rows()
    assert model.card is MODELS[name].card
    assert model.card.needs == "tokens"
    code = model.encode(model.check(batch.see(torch.ones_like(batch.observed))))
    results = []
    for poison in (0.0, torch.nan):
        poisoned = []
        for one, there in zip(code, batch.observed.T, strict=True):
            blank = one.padding | ~there[:, None]
            filled = torch.where(blank[..., None], poison, one.tokens).detach().requires_grad_()
            poisoned.append(one._replace(tokens=filled))
        found = model.outputs(poisoned, batch.observed, 1, None)
        wanted = [one.tokens for one in poisoned] + list(model.parameters())
        gradients = torch.autograd.grad(found.square().sum(), wanted, allow_unused=True)
        results.append([found, *(g for g in gradients if g is not None)])
    for plain, poisoned in zip(*results, strict=True):
        assert torch.equal(plain, poisoned)


def test_average_and_pool_of_nothing_are_zero():
    model, batch = case("mmtm"), rows()
    code = model.encode(model.check(batch))
    for name, there, one, tokens in zip(INPUTS, batch.observed.T, code, shown(code, batch.observed), strict=True):
        found = pool(model.encoder(name), tokens)
        assert torch.allclose(found, torch.where(there[:, None], one.mean, 0.0), atol=1e-12)
        assert (average(tokens)[~there] == 0).all()
        nothing = Tokens(tokens.values, torch.ones_like(tokens.padding))
        assert (pool(model.encoder(name), nothing) == 0).all()
        assert torch.equal(nothing.attendable, torch.zeros_like(nothing.padding))
    assert torch.isfinite(outputs(model, batch)).all()
