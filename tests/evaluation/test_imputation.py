"""Scores of draws against closed forms."""

import math

import numpy as np
import pytest
import torch

from sklar.evaluation.imputation import imputation_scores, transforms


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_calibrated_draws_cover_as_they_say():
    """Normal draws for normal truths: nominal coverage, the closed form's CRPS, uniform transforms."""
    truth, draws = normal(4000, 3), normal(199, 4000, 3, seed=1)
    scores = imputation_scores(draws, truth)
    for level in (50, 80, 95):
        assert scores[f"coverage_{level}"] == pytest.approx(level / 100, abs=0.015)
    # E|X - x| - E|X - X'| / 2 averaged over x: half of E|X - X'|, 1 / sqrt(pi) for standard normals
    assert scores["crps"] == pytest.approx(1 / math.sqrt(math.pi), abs=0.01)
    assert scores["width_80"] == pytest.approx(2 * 1.2816, abs=0.03)
    assert scores["pit"] < 0.01


@pytest.mark.parametrize(("scale", "shift"), [(0.5, 0.0), (2.0, 0.0), (1.0, 1.0)])
def test_draws_that_are_wrong_score_worse(scale, shift):
    truth, draws = normal(2000, 2), normal(199, 2000, 2, seed=1)
    right, wrong = imputation_scores(draws, truth), imputation_scores(scale * draws + shift, truth)
    assert wrong["crps"] > right["crps"]
    assert wrong["energy"] > right["energy"]
    assert wrong["pit"] > 3 * right["pit"]
    assert abs(wrong["coverage_80"] - 0.8) > 3 * abs(right["coverage_80"] - 0.8)


def test_crps_and_energy_as_double_sums():
    truth, draws = normal(5, 3).numpy(), normal(20, 5, 3, seed=1).numpy()
    pairs = [(s, t) for s in range(20) for t in range(20) if s != t]
    crps = np.mean([
        np.mean([abs(draws[s, n, f] - truth[n, f]) for s in range(20)])
        - 0.5 * np.mean([abs(draws[s, n, f] - draws[t, n, f]) for s, t in pairs])
        for n in range(5) for f in range(3)
    ])  # fmt: skip
    energy = np.mean([
        np.mean([np.linalg.norm(draws[s, n] - truth[n]) for s in range(20)])
        - 0.5 * np.mean([np.linalg.norm(draws[s, n] - draws[t, n]) for s, t in pairs])
        for n in range(5)
    ])  # fmt: skip
    scores = imputation_scores(torch.from_numpy(draws), torch.from_numpy(truth))
    assert scores["crps"] == pytest.approx(crps, rel=1e-10)
    assert scores["energy"] == pytest.approx(energy, rel=1e-10)


def test_transforms_stand_among_equal_draws():
    draws = torch.tensor([0.0, 0.0, 1.0, 2.0])[:, None, None]
    places = [transforms(draws, torch.tensor([[0.0]]), seed).item() for seed in range(300)]
    assert 0 < min(places) < 0.03
    assert 0.57 < max(places) < 0.6  # the two draws and its own place, of five
    assert 0 < transforms(draws, torch.tensor([[-1.0]])).item() < 0.2
    assert 0.8 < transforms(draws, torch.tensor([[3.0]])).item() < 1


def test_draws_of_counts_cover_as_they_say():
    """A discrete distribution has no interval of exactly half of it; ends that count in proportion make up for that."""
    g = torch.Generator().manual_seed(0)
    truth, draws = (torch.poisson(torch.full(shape, 0.7), generator=g) for shape in ((4000, 3), (199, 4000, 3)))
    scores = imputation_scores(draws, truth)
    for level in (50, 80, 95):
        assert scores[f"coverage_{level}"] == pytest.approx(level / 100, abs=0.015)
    assert scores["pit"] < 0.01
