"""Scores of a model on rows as they are, against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn import metrics

from sklar.data import Batch
from sklar.evaluation import evaluate_rows, predict_rows
from sklar.evaluation import rows as module
from sklar.models import make_model

WIDTHS = {"a": 4, "b": 3, "c": 2}


def example(task, rows=300):
    """A model with random weights, and rows of random labels, of which some are unlabelled."""
    torch.manual_seed(1)
    classes = {"binary": 2, "multiclass": 4, "multilabel": 3, "regression": None}[task]
    kind = "classification" if task in ("binary", "multiclass") else task
    model = make_model("variational_copula", inputs=WIDTHS, classes=classes, task=kind, dim=3, hidden=8).eval()
    observed = torch.rand(rows, 3) < torch.tensor([0.8, 0.6, 0.3])
    observed[~observed.any(-1), 0] = True
    target = torch.randn(rows)
    if task == "multilabel":
        target = (torch.rand(rows, 3) < 0.4).float()
        target[torch.rand(rows, 3) < 0.2] = torch.nan
    elif classes is not None:
        target = torch.randint(classes, (rows,))
    target[::7] = -1 if classes and task != "multilabel" else torch.nan
    inputs = {name: 3 * torch.randn(rows, width) for name, width in WIDTHS.items()}
    return model, Batch(inputs, observed, target)


def expected(task, mean, target):
    p, y = mean.double().numpy(), target.numpy()
    if task in ("binary", "multiclass"):
        np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)
        p = p / p.sum(1, keepdims=True)  # single precision
    if task == "binary":
        one = p[:, 1]
        return {
            "auroc": metrics.roc_auc_score(y, one), "auprc": metrics.average_precision_score(y, one),
            "log_loss": metrics.log_loss(y, p), "brier": 2 * metrics.brier_score_loss(y, one),
            "accuracy": metrics.accuracy_score(y, p.argmax(1)),
        }  # fmt: skip
    if task == "multiclass":
        hot = np.eye(4)[y]
        return {
            "auroc": metrics.roc_auc_score(y, p, multi_class="ovr"),
            "auprc": metrics.average_precision_score(hot, p), "log_loss": metrics.log_loss(y, p),
            "accuracy": metrics.accuracy_score(y, p.argmax(1)), "brier": ((p - hot) ** 2).sum(1).mean(),
        }  # fmt: skip
    if task == "multilabel":
        known = ~np.isnan(y)
        each = [(y[known[:, k], k], p[known[:, k], k]) for k in range(3)]
        flat = (y[known], p[known])
        return {
            "auroc_macro": np.mean([metrics.roc_auc_score(*pair) for pair in each]),
            "auprc_macro": np.mean([metrics.average_precision_score(*pair) for pair in each]),
            "auroc_micro": metrics.roc_auc_score(*flat), "auprc_micro": metrics.average_precision_score(*flat),
            "log_loss": metrics.log_loss(*flat), "brier": metrics.brier_score_loss(*flat),
        }  # fmt: skip
    return {
        "rmse": metrics.mean_squared_error(y, p) ** 0.5, "mae": metrics.mean_absolute_error(y, p),
        "r2": metrics.r2_score(y, p),
    }  # fmt: skip


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
def test_scores_are_scikit_learn_s_in_every_scope(task):
    model, rows = example(task)
    records = {record["rows"]: record for record in evaluate_rows(model, rows)}
    known = model.outcome.labelled(rows.target)
    mean = model.predict(rows)
    names = [" + ".join(n for n, seen in zip(WIDTHS, row, strict=True) if seen).replace(" ", "") for row in
             rows.observed.tolist()]  # fmt: skip
    scopes = {"all": known}
    scopes |= {f"{k} observed": known & (rows.observed.sum(-1) == k) for k in (1, 2, 3)}
    scopes |= {name: known & torch.tensor([other == name for other in names]) for name in set(names)}
    scopes = {name: chosen for name, chosen in scopes.items() if name == "all" or int(chosen.sum()) >= 20}
    assert set(records) == set(scopes)
    assert len(scopes) >= 6
    for name, chosen in scopes.items():
        assert records[name]["number"] == int(chosen.sum())
        for score, value in expected(task, mean[chosen], rows.target[chosen]).items():
            assert records[name][score] == pytest.approx(value, abs=2e-6), (name, score)
    order = [name for name in records if name != "all" and "observed" not in name]
    counts = [records[name]["number"] for name in order]
    assert counts == sorted(counts, reverse=True)


@pytest.mark.parametrize("size", [1, 7, 299, 300, 512])
def test_rows_in_parts_are_predicted_as_together(monkeypatch, size):
    model, rows = example("multiclass")
    monkeypatch.setattr(module, "ROWS_AT_ONCE", size)
    seen = []
    found = predict_rows(model, rows, tick=seen.append)
    whole = model.predict_with_spread(rows)
    torch.testing.assert_close(found.mean, whole.mean, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.spread, whole.spread, rtol=0, atol=1e-6)
    assert sum(seen) == 300
    assert max(seen) == min(size, 300)


def test_what_has_no_score():
    model, rows = example("binary")
    with pytest.raises(ValueError, match="none of these has a label"):
        evaluate_rows(model, Batch(rows.inputs, rows.observed, torch.full((300,), -1)))
    with pytest.raises(ValueError, match="none of these has a label"):
        evaluate_rows(model, Batch(rows.inputs, rows.observed))
    with pytest.raises(ValueError, match="no rows to predict"):
        predict_rows(model, rows[:0])
    one_class = evaluate_rows(model, Batch(rows.inputs, rows.observed, torch.zeros(300, dtype=torch.long)))[0]
    assert np.isnan([one_class["auroc"], one_class["auprc"]]).all()
    assert np.isfinite(one_class["log_loss"])
