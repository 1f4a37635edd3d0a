import numpy as np
import pytest
import torch
from sklearn import metrics as reference

from sklar.evaluation import by_seed, energy_score, paired_difference, prediction_scores


def test_prediction_scores_agree_with_scikit_learn():
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.randn(400, 4, generator=generator, dtype=torch.float64).softmax(-1)
    target = torch.randint(4, (400,), generator=generator)
    scores = prediction_scores(probabilities, target)
    p, y = probabilities.numpy(), target.numpy()
    assert scores["accuracy"] == pytest.approx(reference.accuracy_score(y, p.argmax(1)))
    assert scores["log_loss"] == pytest.approx(reference.log_loss(y, p))
    assert scores["brier"] == pytest.approx(((p - np.eye(4)[y]) ** 2).sum(1).mean())
    confidence, right = p.max(1), p.argmax(1) == y
    place = np.minimum((confidence * 15).astype(int), 14)
    gaps = [abs(confidence[place == k].mean() - right[place == k].mean()) * (place == k).mean() for k in set(place)]
    assert scores["ece"] == pytest.approx(sum(gaps), abs=1e-6)


def test_energy_score_is_the_plain_formula():
    rng = np.random.default_rng(0)
    draws, truth = rng.normal(size=(5, 7, 3)), rng.normal(size=(7, 3))
    total = 0.0
    for row in range(7):
        x = draws[:, row]
        near = np.mean([np.linalg.norm(a - truth[row]) for a in x])
        apart = np.mean([np.linalg.norm(x[i] - x[j]) for i in range(5) for j in range(5) if i != j])
        total += near - 0.5 * apart
    assert energy_score(torch.from_numpy(draws), torch.from_numpy(truth)) == pytest.approx(total / 7)


def test_paired_difference_over_seeds():
    records = [
        {
            "setting": "frozen",
            "model": model,
            "pattern": p,
            "seed": s,
            "log_loss": s + (model == "b") + 0.1 * s * (p == "y"),
        }
        for model in "ab"
        for p in "xy"
        for s in range(4)
    ]
    first, second = (by_seed(records, "frozen", model, "log_loss") for model in "ba")
    assert first[2] == pytest.approx(3.1)
    difference = paired_difference(first, second)
    assert difference.mean == pytest.approx(1)
    assert difference.error == pytest.approx(0, abs=1e-12)
