"""A model on rows as they are: predictions in parts, scores over all of them and by what was observed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sklar.copulas.patterns import Patterns
from sklar.data import Rows
from sklar.evaluation.metrics import SCORES
from sklar.evaluation.patterns import Record, pattern_name
from sklar.models import FusionModel
from sklar.models.base import ROWS_AT_ONCE, Prediction

FEWEST = 20  # labelled rows for scores of their own


def predict_rows(
    model: FusionModel,
    rows: Rows,
    num_samples: int | None = None,
    tick: Callable[[int], Any] | None = None,
) -> Prediction:
    """`FusionModel.predict_with_spread` over rows that need not fit in memory; results on the CPU.

    Args:
        model: a trained model.
        rows: a `Batch` or a `Dataset`.
        num_samples: draws to average over.
        tick: called with the number of rows done, after each part.

    Raises:
        ValueError: no rows.
    """
    if len(rows) == 0:
        raise ValueError("there are no rows to predict")
    found = []
    for part in torch.arange(len(rows)).split(ROWS_AT_ONCE):
        prediction = model.predict_with_spread(rows[part], num_samples)
        found.append(Prediction(prediction.mean.cpu(), prediction.spread.cpu()))
        if tick is not None:
            tick(len(part))
    return Prediction(torch.cat([p.mean for p in found]), torch.cat([p.spread for p in found]))


def evaluate_rows(model: FusionModel, rows: Rows) -> list[Record]:
    """Scores of a model on labelled rows as they are.

    Args:
        model: a trained model.
        rows: of which the labelled ones count.

    Returns:
        Records ``{"rows": scope, "number": labelled rows, scores...}``: scope ``all``, then ``1 observed`` and so on,
        then each pattern, most frequent first; a scope of fewer than 20 labelled rows has none of its own.

    Raises:
        ValueError: no labelled rows.
    """
    if rows.target is None or not bool((known := model.outcome.labelled(rows.target)).any()):
        raise ValueError("evaluation needs labelled rows, and none of these has a label")
    mean = predict_rows(model, rows).mean[known]
    target, observed = rows.target[known].cpu(), rows.observed[known].cpu()
    score = SCORES[model.settings["task"]]

    def record(scope: str, chosen: Tensor) -> Record:
        return {"rows": scope, "number": int(chosen.sum()), **score(mean[chosen], target[chosen])}

    records = [record("all", torch.ones(len(target), dtype=torch.bool))]
    count = observed.sum(-1)
    patterns = Patterns(observed, 1)
    often = patterns.counts.argsort(descending=True, stable=True).tolist()
    scopes = [(f"{seen} observed", count == seen) for seen in range(1, observed.shape[1] + 1)]
    scopes += [(pattern_name(model.names, patterns.masks[k]), patterns.index == k) for k in often]
    return records + [record(scope, rows) for scope, rows in scopes if int(rows.sum()) >= FEWEST]
