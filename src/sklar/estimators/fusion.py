"""scikit-learn estimators that predict from several modalities, any of which a row may lack."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, r2_score
from sklearn.utils.multiclass import check_classification_targets

from sklar.estimators.fusion_base import CopulaFusion
from sklar.estimators.spread import fit_spread
from sklar.estimators.targets import class_labels, values_of
from sklar.evaluation import predict_rows


class CopulaFusionClassifier(ClassifierMixin, CopulaFusion):
    """A class from any of several modalities: embeddings tied by a copula, missing ones drawn given those observed.

    Encoders give an embedding a modality, a copula says how the embeddings depend, and the class is predicted from all
    of them, averaged over draws of those that a row lacks. Rows without a label train the joint distribution.
    Probabilities are calibrated on held-out rows, depending on how many modalities a row has. See
    `sklar.models.VariationalCopula`, which this trains.

    Nothing needs tuning.

    Args:
        modalities: ``{name: [columns]}`` (indices or names) where X is a plain array or DataFrame rather than a dict,
            so that scikit-learn's own tools can split its rows. None takes such an X as one modality ``"x"``.
        copula: a name in `sklar.copulas.COPULAS`: ``"gaussian"``, ``"student"``, ``"factor"``, ``"vine"``,
            ``"independence"``.
        dim: width of the embeddings.
        hidden: hidden units of encoders, decoders and head.
        dropout: rate on every hidden layer.
        weight: of the generative part of the objective.
        encoders: encoders by modality where the default is not wanted, ``{"note": {"kind": "text", "model": ...}}``
            (see docs/encoders.md); what the arrays say (channels, columns, size) is filled in.
        max_steps: most optimiser steps; None for what suits the number of rows.
        learning_rate: peak of AdamW's.
        validation_fraction: share of the labelled rows that is held out, stratified, for early stopping and
            calibration.
        patience: validations without improvement before training stops.
        random_state: of everything random; the same one gives the same predictions.
        verbose: show a progress bar.
        hardware: on what to train, a `sklar.training.Hardware`; None for one GPU if there is one, else the CPU.

    Attributes:
        classes_: labels, sorted.
        views_: what fitting learned of each modality's input, see `sklar.estimators.views.View`.
        model_: the trained `sklar.models.VariationalCopula`.
        validation_loss_: best mean negative log-likelihood of a held-out label, nats.
        n_features_in_, feature_names_in_: where X was a plain table.
    """

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Learn from rows, some of which may have no label.

        Args:
            X: ``{name: rows}``. Rows are an array ``(n, F)`` (NaN cells make it a table), a series ``(n, T, C)`` with
                NaN where nothing was measured, images ``(n, C, H, W)`` (uint8, or floats in [0, 1]), a DataFrame
                (texts and categoricals are categories), or a list: of texts, of lists of texts, or of one array a row
                (series of different lengths). A row that lacks the modality is NaN throughout, or None in a list. Or a
                plain table, see ``modalities``.
            y: class labels ``(n,)``, integers or strings; -1, None or NaN where there is none.
            groups: of each row (the person), ``(n,)``; a group is held out as a whole.

        Raises:
            ValueError, TypeError: a row with nothing at all, one class only, fewer than 10 labelled rows, different
                lengths, values out of range: modality and row are named.
        """
        parts = self._parts(X, True)
        labels, known = class_labels(y)
        if known.any():
            check_classification_targets(labels[known])
        self.classes_, index = np.unique(labels[known], return_inverse=True)
        if len(self.classes_) == 1:
            raise ValueError(
                f"y has one class only, {self.classes_[0]!r}, where classification needs two (-1 means no label)"
            )
        target = np.full(len(labels), np.nan)
        target[known] = index
        self._train(parts, target, max(2, len(self.classes_)), groups)
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Calibrated probabilities of ``classes_``, ``(n, C)``.

        Args:
            X: rows as in `fit`; a modality that none of them has may be left out.
        """
        batch = self._batch(X)
        return predict_rows(self.model_, batch).mean.double().numpy()

    def predict(self, X: Any) -> np.ndarray:
        """The most probable class of each row, ``(n,)``."""
        chosen = self.predict_proba(X).argmax(1)
        return self.classes_[chosen]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Accuracy on the labelled rows."""
        predicted = self.predict(X)
        labels, known = class_labels(y)
        weight = None if sample_weight is None else np.asarray(sample_weight)[known]
        true = labels[known].astype(self.classes_.dtype, copy=False)
        return float(accuracy_score(true, predicted[known], sample_weight=weight))


class CopulaFusionRegressor(RegressorMixin, CopulaFusion):
    """A value from any of several modalities; `CopulaFusionClassifier` says how, and what the parameters are.

    Attributes:
        views_, model_, validation_loss_, n_features_in_, feature_names_in_: as there.
        y_mean_, y_scale_: by which the target is standardised.
        spread_: the `sklar.estimators.spread.Spread` of the standardised target, by what a row shows, from held-out
            rows.
    """

    def fit(self, X: Any, y: Any, groups: Any = None) -> Self:
        """Learn from rows, some of which may have no label.

        Args:
            X: see `CopulaFusionClassifier.fit`.
            y: values ``(n,)``, NaN where there is none.
            groups: of each row (the person), ``(n,)``; a group is held out as a whole.

        Raises:
            ValueError, TypeError: see `CopulaFusionClassifier.fit`.
        """
        parts = self._parts(X, True)
        validation = self._train(parts, values_of(y), None, groups)
        self.spread_ = fit_spread(self.model_, validation, self._seed)
        return self

    def predict(self, X: Any, return_std: bool = False) -> np.ndarray | tuple[np.ndarray, np.ndarray]:
        """The mean of each row's value, ``(n,)``, and its standard deviation if wanted.

        Args:
            X: rows as in `fit`; a modality that none of them has may be left out.
            return_std: also give the standard deviation of the value around the mean: what the draws of the missing
                embeddings leave open, and noise that depends on which modalities a row lacks, both as large as the
                errors on held-out rows were.
        """
        batch = self._batch(X)
        prediction = predict_rows(self.model_, batch)
        mean = prediction.mean.double().numpy() * self.y_scale_ + self.y_mean_
        if not return_std:
            return mean
        return mean, self.spread_.deviation(prediction.spread, batch.observed).numpy() * self.y_scale_

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Coefficient of determination on the labelled rows."""
        predicted, values = self.predict(X), values_of(y)
        known = ~np.isnan(values)
        weight = None if sample_weight is None else np.asarray(sample_weight)[known]
        return float(r2_score(values[known], predicted[known], sample_weight=weight))
