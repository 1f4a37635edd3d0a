import numpy as np
import pytest
import torch

import sklar
from sklar.joint import Calibration
from sklar.joint import marginalize as module_function


@pytest.fixture(scope="module")
def world():
    rng = np.random.default_rng(0)
    a = rng.normal(size=(4000, 2))
    b = 0.8 * a + 0.6 * rng.normal(size=(4000, 2))
    return {"a": a, "b": b}, sklar.Joint.fit({"a": a, "b": b}, components=1)


def test_linear_predictor_gives_the_conditional_mean_and_spread(world):
    z, joint = world
    predictor = sklar.marginalize(lambda z: z["a"][:, 0] + z["b"][:, 0], joint, num_samples=4096)
    part = {name: x[:50] for name, x in z.items()}
    mean, spread = predictor.predict(part, np.tile([True, False], (50, 1)))
    covariance = np.cov(np.hstack([z["a"], z["b"]]).T)
    gain = covariance[2:, :2] @ np.linalg.inv(covariance[:2, :2])
    expected = part["a"][:, 0] + (z["b"].mean(0) + (part["a"] - z["a"].mean(0)) @ gain.T)[:, 0]
    rest = (covariance[2:, 2:] - gain @ covariance[:2, 2:])[0, 0] ** 0.5
    assert np.abs(mean.numpy() - expected).max() < 0.02
    assert np.abs(spread.numpy() / rest - 1).max() < 0.02


def test_complete_rows_and_batches(world):
    z, joint = world
    predictor = sklar.marginalize(lambda z: torch.sigmoid(z["a"] @ z["b"].mT).diagonal()[:, None], joint, 16)
    observed = torch.tensor([[True, True], [True, False], [False, True]] * 5)
    part = {name: x[:15] for name, x in z.items()}

    def function(z):
        return torch.sigmoid((z["a"] * z["b"]).sum(-1))

    predictor = sklar.marginalize(function, joint, 16)
    mean, spread = predictor.predict(part, observed)
    complete = observed.all(-1)
    whole = function({name: torch.as_tensor(x) for name, x in part.items()})
    assert torch.equal(mean[complete], whole[complete])
    assert float(spread[complete].abs().max()) == 0
    assert float(spread[~complete].min()) > 0
    again = sklar.marginalize(function, joint, 16)(part, observed)
    assert torch.equal(mean, again)
    alone = torch.cat([predictor({n: x[i : i + 1] for n, x in part.items()}, observed[i : i + 1]) for i in range(15)])
    assert (alone - mean).abs().max() < 1e-6


def test_calibration_recovers_a_known_temperature():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(20000, 4, generator=generator)
    target = torch.multinomial(logits.softmax(-1), 1, generator=generator)[:, 0]
    observed = torch.ones(20000, 3, dtype=torch.bool)
    observed[:10000, 1:] = False
    power = torch.where(observed.all(-1), 3.0, 2.0)
    confident = (logits * power[:, None]).softmax(-1)
    calibration = Calibration().fit(confident, observed, target)
    assert (calibration(confident, observed) - logits.softmax(-1)).abs().max() < 0.03
    with pytest.raises(ValueError, match="not logits"):
        Calibration().fit(logits, observed, target)


def test_calibrate_lowers_the_log_loss_of_an_over_confident_classifier(world):
    z, joint = world
    rng = np.random.default_rng(1)
    y = (rng.random(4000) < 1 / (1 + np.exp(-(z["a"] + z["b"])[:, 0]))).astype(int)
    predictor = module_function(lambda z: torch.sigmoid(4 * (z["a"] + z["b"])[:, 0]), joint)
    fit, held_out = ({name: x[rows] for name, x in z.items()} for rows in (slice(0, 2000), slice(2000, None)))
    observed = np.tile([[True, False], [True, True]], (1000, 1))
    loss = torch.nn.functional.binary_cross_entropy
    truth = torch.as_tensor(y[2000:], dtype=torch.float64)
    before = loss(predictor(held_out, observed), truth)
    after = loss(predictor.calibrate(fit, y[:2000])(held_out, observed), truth)
    assert after < before - 0.1


def test_a_predictor_that_does_not_answer_every_row(world):
    z, joint = world
    with pytest.raises(ValueError, match="one prediction a row"):
        sklar.marginalize(lambda z: torch.zeros(1), joint)({name: x[:5] for name, x in z.items()})
