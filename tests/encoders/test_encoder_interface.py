"""What every kind of encoder must do."""

import json

import numpy as np
import pytest
import torch
from encoder_cases import CASES
from sklearn.metrics import roc_auc_score

from sklar.data import Batch, Texts
from sklar.encoders import ENCODERS, make_encoder
from sklar.models import VariationalCopula

EVERY = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def everyone(x):
    return torch.ones(len(x), dtype=torch.bool)


def started(case, networks, rows=24, **settings):
    """An encoder that knows its training rows, and the rows."""
    encoder, (x, _) = case.encoder(networks, **settings), case.rows(rows)
    encoder.start(encoder.read(x, everyone(x), "m"))
    return encoder, x


def outputs(encoder, x):
    """All that an encoder says of rows, as one tensor."""
    value = encoder.read(x, everyone(x), "m")
    return torch.cat([*encoder(value), *(part.to(encoder.anchor) for part in encoder.features(value))], -1)


def test_every_kind_is_tried(networks):
    assert {case.specification(networks)["kind"] for case in CASES.values()} == set(ENCODERS)


@EVERY
@pytest.mark.parametrize("training", [False, True])
def test_company_order_and_padding_change_nothing(case, networks, training):
    encoder, x = started(case, networks)
    encoder.train(training)  # without dropout
    whole = outputs(encoder, x)
    assert whole.isfinite().all()
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(1))
    assert (outputs(encoder, x[order]) - whole[order]).abs().max() < 1e-6
    alone = torch.cat([outputs(encoder, x[i : i + 1]) for i in range(len(x))])
    assert (alone - whole).abs().max() < 1e-6
    if case.pad is not None:
        assert (outputs(encoder, case.pad(x)) - whole).abs().max() < 1e-6


@EVERY
def test_what_stands_in_absent_rows_never_matters(case, networks):
    x, target = case.rows(12)
    observed = torch.ones(12, 2, dtype=torch.bool)
    observed[::3, 0] = False
    other = torch.randn(12, 2, generator=torch.Generator().manual_seed(3))
    results = []
    for poison in (False, True):
        torch.manual_seed(0)
        inputs = {"m": case.specification(networks), "other": 2}
        model = VariationalCopula(inputs, classes=2, dim=4, hidden=16, dropout=0.0)
        if not poison:
            value = x
        elif isinstance(x, Texts):
            value = Texts(
                [row if seen else ("shock again", "well") for row, seen in zip(x, observed[:, 0], strict=True)]
            )
            value.rows[0] = (None, 3)
        else:
            value = torch.where(observed[:, 0].reshape(-1, *[1] * (x.ndim - 1)), x, torch.nan)
        batch = Batch({"m": value, "other": other}, observed, target)
        model.start(batch)
        loss = model.loss(batch, torch.Generator().manual_seed(0))["loss"]
        loss.backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        results.append([loss, model.predict(batch), *gradients, *model.state_dict().values()])
    for plain, poisoned in zip(*results, strict=True):
        assert torch.equal(plain, poisoned)


@EVERY
def test_every_parameter_has_a_finite_gradient(case, networks):
    encoder, x = started(case, networks)
    mean, log_scale = encoder(encoder.read(x, everyone(x), "m"))
    (mean.square().sum() + log_scale.square().sum()).backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.any() or name.endswith("bias") or "in_proj" in name, name


@EVERY
def test_specification_and_weights_make_the_same_encoder(case, networks):
    encoder, x = started(case, networks)
    expected = outputs(encoder.eval(), x)
    torch.manual_seed(7)
    again = make_encoder(json.loads(json.dumps(case.specification(networks))), 4, 16, 0.0).eval()
    again.load_state_dict({name: value.clone() for name, value in encoder.state_dict().items()})
    assert torch.equal(outputs(again, x), expected)


@EVERY
def test_start_fits_the_statistics_of_the_features(case, networks):
    encoder, x = started(case, networks)
    features = encoder.describe(encoder.read(x, everyone(x), "m")).double().numpy()
    assert features.shape == (len(x), len(encoder.feature_names()))
    assert len(set(encoder.feature_names())) == features.shape[1]
    known = ~np.isnan(features).all(0)
    mean, sd = np.nanmean(features[:, known], 0), np.nanstd(features[:, known], 0)
    constant = sd <= 1e-6 * (1 + abs(mean))
    assert not constant.all()
    np.testing.assert_allclose(encoder.scaling.mean[known], mean, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(encoder.scaling.scale[known], np.where(constant, 1, sd), rtol=1e-4, atol=1e-5)
    assert (encoder.scaling.scale[~known] == 1).all()


@EVERY
def test_learns_a_tiny_task(case, networks):
    x, target = case.rows(140)
    g = torch.Generator().manual_seed(5)
    observed = torch.ones(140, 2, dtype=torch.bool)
    observed[:, 1] = torch.rand(140, generator=g) < 0.5
    batch = Batch({"m": x, "other": torch.randn(140, 2, generator=g)}, observed, target)
    torch.manual_seed(0)
    inputs = {"m": case.specification(networks), "other": 2}
    model = VariationalCopula(inputs, classes=2, dim=4, hidden=16, dropout=0.0)
    learn, test = batch[:80], batch[80:]
    model.start(learn)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for step in range(45):
        optimizer.zero_grad()
        loss = model.loss(learn, torch.Generator().manual_seed(step))["loss"]
        assert loss.isfinite()
        loss.backward()
        optimizer.step()
    assert roc_auc_score(test.target, model.predict(test)[:, 1]) > case.threshold


@EVERY
def test_mixed_precision_and_double_precision(case, networks):
    encoder, x = started(case, networks)
    expected = torch.cat(encoder(encoder.read(x, everyone(x), "m")), -1)
    with torch.autocast("cpu", torch.bfloat16):
        rough = torch.cat(encoder(encoder.read(x, everyone(x), "m")), -1)
    assert rough.isfinite().all()
    assert (rough - expected).abs().max() < 0.1 * (1 + expected.abs().max())
    fine = encoder.double()
    exact = torch.cat(fine(fine.read(x, everyone(x), "m")), -1)
    assert exact.dtype == torch.double
    assert (exact - expected).abs().max() < 1e-4


@EVERY
def test_the_number_of_rows_must_agree(case, networks):
    x, _ = case.rows(5)
    with pytest.raises(ValueError, match="'m'"):
        case.encoder(networks).read(x, torch.ones(4, dtype=torch.bool), "m")


@EVERY
@pytest.mark.parametrize("wrong", ["letters", Texts([("a",)] * 2), torch.zeros(2, 3, dtype=torch.complex64)])
def test_another_type_is_refused(case, networks, wrong):
    if isinstance(wrong, Texts) and isinstance(case.rows(1)[0], Texts):
        wrong = [1, 2]
    with pytest.raises((TypeError, ValueError), match="'m'"):
        case.encoder(networks).read(wrong, torch.ones(2, dtype=torch.bool), "m")
