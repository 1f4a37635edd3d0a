import numpy as np
import pytest
import torch
from scipy import optimize
from scipy.special import softmax

from sklar.joint import Calibration, Joint, marginalize


@pytest.mark.parametrize("offsets", [0, 3])
def test_fit_is_the_minimum_of_the_penalised_log_loss(offsets):
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(3), size=600)
    y = np.array([rng.choice(3, p=row) for row in p**0.5 / (p**0.5).sum(1, keepdims=True)])
    y[:100] = 0  # predictions that are off by more than a scale
    observed = rng.random((600, 4)) < 0.6
    observed[~observed.any(1)] = True

    def scaled(parameters):
        power = np.exp(parameters[0] + parameters[1] * np.log(observed.sum(1)))
        return np.log(p) * power[:, None] + (parameters[2:] if offsets else 0)

    def objective(parameters):
        each = scaled(parameters)
        loss = np.log(np.exp(each).sum(1)) - each[np.arange(600), y]
        return loss.mean() + 0.02 * (parameters**2).sum()

    best = optimize.minimize(objective, np.zeros(2 + offsets), tol=1e-12).x
    found = Calibration(offsets or None).double()
    found.fit(torch.from_numpy(p), torch.from_numpy(observed), torch.from_numpy(y))
    numbers = [float(found.a), float(found.b), *found.offset.flatten().tolist()[:offsets]]
    assert numbers == pytest.approx(best.tolist(), abs=1e-4)
    calibrated = found(torch.from_numpy(p), torch.from_numpy(observed)).numpy()
    assert calibrated == pytest.approx(softmax(scaled(best), axis=1), abs=1e-4)


def test_binary_probabilities_are_two_classes():
    p = torch.rand(50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    observed = torch.ones(50, 2, dtype=torch.bool)
    y = (p > 0.4).long()
    one = Calibration().double().fit(p, observed, y)
    two = Calibration().double().fit(torch.stack([1 - p, p], -1), observed, y)
    assert float(one.a) == float(two.a)
    assert torch.equal(one(p, observed), two(torch.stack([1 - p, p], -1), observed)[:, 1])
    assert torch.allclose(Calibration().double()(p, observed), p)


@pytest.mark.parametrize(
    ("predict", "y", "message"),
    [
        (lambda z: 3 * torch.cat([z["a"], z["b"]], -1), [0, 1, 0], "not logits"),
        (lambda z: 5 * z["a"][:, 0], [0, 1, 0], "not logits"),
        (lambda z: z["a"].softmax(-1), [0, 1, 2], "class index below 2"),
        (lambda z: z["a"].softmax(-1), [0, -1, 1], "class index below 2"),
    ],
)
def test_what_cannot_be_calibrated(predict, y, message):
    z = {"a": torch.tensor([[1.0, -2.0], [0.5, 3.0], [2.0, 2.0]]), "b": torch.ones(3, 1)}
    with pytest.raises(ValueError, match=message):
        marginalize(predict, Joint({"a": 2, "b": 1}), 4).calibrate(z, y)


def test_the_seed_decides_the_draws():
    joint, z = Joint({"a": 1, "b": 1}, correlation=0.5), {"a": torch.ones(2, 1)}
    observed = torch.tensor([[True, False]]).expand(2, -1)
    first, same, other = (marginalize(lambda z: z["b"][:, 0], joint, 8, seed)(z, observed) for seed in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_hard_predictions_are_calibrated_alike_in_both_types():
    generator = torch.Generator().manual_seed(0)
    truth = torch.randint(0, 2, (4000,), generator=generator)
    said = torch.where(torch.rand(4000, generator=generator) < 0.9, truth, 1 - truth)
    observed = torch.ones(4000, 2, dtype=torch.bool)
    for dtype in (torch.float32, torch.float64):
        probabilities = torch.nn.functional.one_hot(said, 2).to(dtype)
        calibrated = Calibration().to(dtype).fit(probabilities, observed, truth)(probabilities, observed)
        # The best constant answer to a classifier that is right nine times in ten.
        assert calibrated.amax(-1).mean() == pytest.approx(0.9, abs=0.03)
