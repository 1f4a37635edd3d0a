"""Classifiers of single views, pooled: python benchmarks/pooled.py configs/benchmark/mfeat-six.yaml

One scikit-learn classifier a view, fitted to the training rows that have it; a prediction is the mean of the observed
views' log probabilities, calibrated on the validation rows as every model is. Rows, missing values, tests and seeds are
those of the comparison. Nothing is searched: this is what an afternoon without a network gives.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from jsonargparse import ArgumentParser
from sklearn.base import ClassifierMixin
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from torch import Tensor

from sklar.benchmark.grid import Arm, BenchmarkConfig, trials
from sklar.benchmark.trial import predictions, scored
from sklar.data import Batch, Rows, open_dataset
from sklar.evaluation import estimate, prediction_scores
from sklar.models import NO_RECIPE
from sklar.models.base import FusionModel, Source, tensor
from sklar.models.code import Code, Encoded, present
from sklar.training.run import prepare_run

CLASSIFIERS: dict[str, Callable[[], ClassifierMixin]] = {
    "linear discriminant": lambda: LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    "logistic regression": lambda: LogisticRegression(C=0.1, max_iter=1000),
}
LEAST = 1e-6  # probability of a class that a view's classifier was never shown, or rules out


class Pooled(FusionModel):
    """One classifier a view on standardised vectors, their log probabilities averaged."""

    def __init__(self, inputs: Mapping[str, int | Mapping[str, Any]], classes: int, kind: str) -> None:
        super().__init__(inputs, classes, dim=classes, recipe=NO_RECIPE)
        self.classifiers = {name: CLASSIFIERS[kind]() for name in self.names}

    def fit(self, rows: Rows) -> Pooled:
        """Fit every view's classifier; returns itself."""
        batch = self.check(rows[:])
        for m, name in enumerate(self.names):
            kept = batch.observed[:, m] & self.outcome.labelled(self._target(batch))
            x = self.encoder(name).scaling(tensor(batch, name)[kept])
            self.classifiers[name].fit(x.numpy(), self._target(batch)[kept].numpy())
        return self

    def encode(self, batch: Batch) -> Code:
        """Log probabilities of the classes in the place of an embedding's mean."""
        code = []
        for name in self.names:
            x = self.encoder(name).scaling(tensor(batch, name)).numpy()
            found = np.full((len(batch), self.dim), LEAST)
            found[:, self.classifiers[name].classes_] = self.classifiers[name].predict_proba(x).clip(LEAST)
            mean = torch.from_numpy(np.log(found)).float()
            code.append(Encoded(mean, torch.zeros_like(mean)))
        return code

    def outputs(self, code: Code, observed: Tensor, draws: int, source: Source) -> Tensor:
        """The mean over what is observed, ``(1, B, C)``."""
        return (present(code, observed).sum(1) / observed.sum(1, keepdim=True))[None]


def main() -> None:
    """Fit and score under every seed, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", help="of `sklar benchmark`")
    reader = ArgumentParser()
    reader.add_class_arguments(BenchmarkConfig, None)
    config = reader.instantiate_classes(reader.parse_path(parser.parse_args().config))
    shared = {"run": config.run, "seeds": config.seeds, "tests": config.tests, "patterns": config.patterns,
              "split": config.split}  # fmt: skip
    config = BenchmarkConfig(**shared, models={"concat": Arm("concat")}, reference="concat", trials=1)
    dataset = open_dataset(config.run.data)
    found: dict[tuple[str, str, str], list[float]] = {}
    for trial in trials(config):
        untrained, rows, validation = prepare_run(dataset, trial.run)
        part, target = scored(dataset, untrained.names, trial.split, trial.run.matched)
        for kind in CLASSIFIERS:
            model = Pooled(untrained.inputs, untrained.settings["classes"], kind)
            model.start(rows, trial.seed)
            model.fit(rows).calibrate(validation, trial.seed)
            scores: dict[tuple[str, str], list[float]] = {}
            for said in predictions(model, part, trial):
                found_here = prediction_scores(said.mean, target[said.rows])
                for metric in ("accuracy", "log_loss"):
                    scores.setdefault((said.setting, metric), []).append(found_here[metric])
            for key, values in scores.items():
                found.setdefault((kind, *key), []).append(sum(values) / len(values))
    print(f"{config.seeds} seeds, mean +- standard error")
    for (kind, setting, metric), values in found.items():
        print(f"{kind:20s} {setting:9s} {metric:9s} {estimate(values)}")


if __name__ == "__main__":
    main()
