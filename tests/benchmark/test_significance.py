"""Differences between arms from what they said of every row."""

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.metrics import roc_auc_score

from sklar.benchmark.predictions import Said, read_predictions, write_predictions
from sklar.benchmark.significance import differences
from sklar.evaluation.delong import delong
from sklar.report.comparison import difference_tables

ROWS, SEEDS = 300, 4


def answers(rng, worth, target, tests=("whole", "half")):
    """Probabilities of two classes that know the truth more or less well, the half test less."""
    found = {}
    for label, share in zip(tests, (1.0, 0.5), strict=False):
        logit = share * worth * (2 * target - 1) + rng.normal(size=len(target))
        p = 1 / (1 + np.exp(-logit))
        mean = torch.from_numpy(np.stack([1 - p, p], 1))
        found[label] = Said("tests", label, torch.arange(len(target)), mean)
    return found


def test_differences_are_those_of_scores_and_the_intervals_those_of_theory():
    """The mean over tests and seeds; with persons' noise far above the seeds' the error is that of persons' means."""
    rng = np.random.default_rng(0)
    target = rng.integers(2, size=ROWS)
    said = {arm: [answers(rng, worth, target) for _ in range(SEEDS)] for arm, worth in {"a": 2, "b": 1, "c": 2}.items()}
    persons = np.arange(ROWS)
    found = differences(said, "a", "classification", [(torch.from_numpy(target), persons)] * len(said["a"]))
    assert {(r["model"], r["metric"]) for r in found} == {
        (arm, metric) for arm in "bc" for metric in ("accuracy", "log_loss", "brier", "auroc")
    }

    def mean(arm, score):
        return np.mean([score(each.mean[:, 1].numpy()) for seed in said[arm] for each in seed.values()])

    scores = {
        "auroc": lambda p: roc_auc_score(target, p),
        "accuracy": lambda p: ((p > 0.5) == target).mean(),
        "log_loss": lambda p: -np.log(np.where(target == 1, p, 1 - p)).mean(),
        "brier": lambda p: 2 * ((p - target) ** 2).mean(),
    }
    for r in found:
        expected = mean(r["model"], scores[r["metric"]]) - mean("a", scores[r["metric"]])
        assert r["value"] == pytest.approx(expected)
        assert r["p"] <= r["p_holm"] <= min(1, 2 * r["p"])
    by_name = {(r["model"], r["metric"]): r for r in found}
    assert by_name["b", "log_loss"]["p_holm"] < 0.001
    assert by_name["b", "auroc"]["high"] < 0
    assert by_name["c", "log_loss"]["p_holm"] > 0.01
    one = {arm: [{"whole": said[arm][0]["whole"]}] * 2 for arm in "ab"}  # one model twice: DeLong's own test
    (check,) = (r for r in differences(one, "a", "classification", [(torch.from_numpy(target), persons)] * 2)
                if r["metric"] == "auroc")  # fmt: skip
    plain = delong(*(one[arm][0]["whole"].mean[:, 1].numpy() for arm in "ba"), target == 1)
    assert check["delong"] == pytest.approx({k: v for k, v in plain._asdict().items() if k != "value"})
    assert [r["model"] for r in found if "delong" in r] == ["b", "c"]
    (table,) = (t for t in difference_tables([{"setting": "tests"} | r for r in found], "a") if "DeLong" in t.title)
    assert [row[0] for row in table.rows] == ["c", "b"]
    losses = [[-np.log(each.mean[persons, target].numpy()) for each in seed.values()] for seed in said["b"]]
    others = [[-np.log(each.mean[persons, target].numpy()) for each in seed.values()] for seed in said["a"]]
    gap = np.mean(losses, 1) - np.mean(others, 1)  # seeds x rows
    together = np.cov(gap)[~np.eye(SEEDS, dtype=bool)].mean() / ROWS  # of two seeds, through the persons
    error = (stats.sem(gap.mean(1)) ** 2 + together) ** 0.5
    assert by_name["b", "log_loss"]["error"] == pytest.approx(error, rel=0.1)


def test_persons_with_many_rows_are_fewer_witnesses():
    """Each person's rows say the same: the interval is wider than that of as many independent rows."""
    rng = np.random.default_rng(1)
    target = np.repeat(rng.integers(2, size=30), 10)
    said = {}
    for arm in "ab":
        logit = np.repeat(rng.normal(size=30), 10) + target
        p = 1 / (1 + np.exp(-logit))
        mean = torch.from_numpy(np.stack([1 - p, p], 1))
        said[arm] = [{"whole": Said("tests", "whole", torch.arange(300), mean)}] * 3
    few, many = (
        differences(said, "a", "classification", [(torch.from_numpy(target), persons)] * len(said["a"]))[1]
        for persons in (np.repeat(np.arange(30), 10), np.arange(300))
    )
    assert few["metric"] == many["metric"] == "log_loss"
    assert few["error"] == pytest.approx(many["error"] * 10**0.5, rel=0.2)


def test_of_values_and_of_labels():
    """The root mean squared error, and a log-loss over the known answers of two labels, pooled."""
    rng = np.random.default_rng(3)
    value = torch.from_numpy(rng.normal(size=40))
    said = {arm: [{"x": Said("tests", "x", torch.arange(40), value[:, None] + 0.1 * k)}] * 2 for k, arm in
            enumerate("ab")}  # fmt: skip
    found = {r["metric"]: r for r in differences(said, "a", "regression", [(value, np.arange(40))] * len(said["a"]))}
    assert found["rmse"]["value"] == pytest.approx(0.1)
    assert found["mae"]["value"] == pytest.approx(0.1)
    labels = torch.ones(40, 2).double()
    labels[:30, 1] = torch.nan
    said = {arm: [{"x": Said("tests", "x", torch.arange(40), torch.tensor([[p, 0.9]]).expand(40, 2))}] * 2 for arm, p in
            {"a": 0.9, "b": 0.5}.items()}  # fmt: skip
    found = {r["metric"]: r for r in differences(said, "a", "multilabel", [(labels, np.arange(40))] * len(said["a"]))}
    assert found["log_loss"]["value"] == pytest.approx(40 * np.log(0.9 / 0.5) / 50, rel=1e-5)


def test_other_rows_and_single_seeds():
    rng = np.random.default_rng(2)
    target = rng.integers(2, size=20)
    said = {arm: [answers(rng, 1, target) for _ in range(2)] for arm in "ab"}
    assert differences({arm: each[:1] for arm, each in said.items()}, "a", "classification", []) == []
    said["b"] = [answers(rng, 1, target[:10]) for _ in range(2)]
    with pytest.raises(ValueError, match="b was scored on other rows"):
        differences(said, "a", "classification", [(torch.from_numpy(target), np.arange(20))] * len(said["a"]))


@pytest.mark.parametrize("shape", [(5, 3), (5,)])
def test_predictions_survive_their_file(shape, tmp_path):
    said = [Said("tests", label, torch.arange(5), torch.rand(shape)) for label in ("0%", "p+q")]
    said += [Said("patterns", "p", torch.tensor([1, 4]), torch.rand(2, *shape[1:]))]
    write_predictions(tmp_path / "x.parquet", said)
    assert [f.name for f in tmp_path.iterdir()] == ["x.parquet"]
    for setting in ("tests", "patterns"):
        found = read_predictions(tmp_path / "x.parquet", setting)
        given = {each.pattern: each for each in said if each.setting == setting}
        assert list(found) == list(given)
        for label, each in found.items():
            assert torch.equal(each.rows, given[label].rows)
            assert torch.equal(each.mean, given[label].mean.reshape(len(each.rows), -1))
    assert read_predictions(tmp_path / "x.parquet", "else") == {}
