"""What a study is measured against: logistic regression on summaries, and on which modalities are there alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from sklar.data import Dataset
from sklar.encoders import make_encoder
from sklar.training.inputs import model_inputs

STATISTICS = ("mean", "minimum", "maximum", "last", "count")
PENALTIES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)  # C of scikit-learn


def summary_features(dataset: Dataset) -> np.ndarray:
    """A row's modalities as one vector ``(n, F)``, NaN where nothing is known: no statistic is learned from the rows.

    Vectors and tables as they are (categories as 0/1 columns), statistics a variable of series and events, log counts
    of hashed words of texts.
    """
    specifications = model_inputs(dataset)
    batch, parts = dataset[:], []
    for m, name in enumerate(dataset.names):
        specification = dict(specifications[name])
        if specification["kind"] == "summary":
            specification["statistics"] = STATISTICS
        encoder, shown = make_encoder(specification, 1), dataset.observed[:, m]
        features = encoder.describe(encoder.read(batch.inputs[name], shown, name)).clone()
        features[~shown] = torch.nan
        parts.append(features)
    return torch.cat(parts, 1).numpy()


def logistic(features: np.ndarray, target: np.ndarray, folds: Sequence[np.ndarray], test: np.ndarray) -> np.ndarray:
    """Probability of class 1 of test rows, ``(k,)``, by penalised logistic regression.

    The penalty, and whether missing cells get indicators, are chosen by log-loss over the folds; then all rows are
    fitted.

    Args:
        features: of the learning rows ``(n, F)``, NaN where unknown (the column's mean is taken).
        target: 0 or 1, ``(n,)``.
        folds: bool ``(n,)`` each, the rows held out.
        test: features ``(k, F)``.
    """
    from sklearn.metrics import log_loss

    def loss(penalty: float, indicator: bool) -> float:
        return sum(
            log_loss(target[held], _pipeline(penalty, indicator).fit(features[~held], target[~held])
                     .predict_proba(features[held])[:, 1], labels=[0, 1])
            for held in folds
        )  # fmt: skip

    best = min(((c, flag) for c in PENALTIES for flag in (False, True)), key=lambda choice: loss(*choice))
    probability: np.ndarray = _pipeline(*best).fit(features, target).predict_proba(test)[:, 1]
    return probability


def _pipeline(penalty: float, indicator: bool) -> Any:
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        SimpleImputer(add_indicator=indicator, keep_empty_features=True),
        StandardScaler(),
        LogisticRegression(C=penalty, max_iter=2000),
    )
