"""What the classifier and the regressor of several modalities share: fitting, imputing, matching, keeping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from sklar.data import Batch
from sklar.estimators.saving import read_estimator, write_estimator
from sklar.estimators.split import held_out
from sklar.estimators.views import View, number_of_rows, read_batch
from sklar.models import VariationalCopula
from sklar.models.base import ROWS_AT_ONCE, evaluating
from sklar.training import Hardware, Schedule, train
from sklar.training.schedule import seed_of

FEWEST = 10  # labelled rows
STEPS_TO_CHECK = 15  # at least, between two validations
WEIGHTS, TRAINING = range(2)  # streams of randomness


class CopulaFusion(BaseEstimator):
    """What `CopulaFusionClassifier` and `CopulaFusionRegressor` share; see there."""

    def __init__(
        self,
        modalities: Mapping[str, Sequence[int | str]] | None = None,
        *,
        copula: str = "gaussian",
        dim: int = 16,
        hidden: int = 256,
        dropout: float = 0.2,
        weight: float = 0.1,
        encoders: Mapping[str, Mapping[str, Any]] | None = None,
        max_steps: int | None = None,
        learning_rate: float = 3e-3,
        validation_fraction: float = 0.2,
        patience: int = 8,
        random_state: int | np.random.RandomState | None = 0,
        verbose: bool = False,
        hardware: Hardware | None = None,
    ) -> None:
        self.modalities = modalities
        self.copula = copula
        self.dim = dim
        self.hidden = hidden
        self.dropout = dropout
        self.weight = weight
        self.encoders = encoders
        self.max_steps = max_steps
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.random_state = random_state
        self.verbose = verbose
        self.hardware = hardware

    # Fitting.

    def _train(self, parts: Mapping[str, Any], target: np.ndarray, classes: int | None, groups: Any) -> Batch:
        """Fit to rows and targets (class indices or values, NaN where unlabelled); returns the held-out rows."""
        if not 0 < self.validation_fraction < 1:
            raise ValueError(f"validation_fraction must be between 0 and 1, got {self.validation_fraction}")
        rows, known = number_of_rows(parts), ~np.isnan(target)
        if len(target) != rows:
            raise ValueError(f"X has {rows} rows, y has {len(target)}")
        if known.sum() < FEWEST:
            raise ValueError(f"fitting needs at least {FEWEST} labelled rows, got {known.sum()} (n_samples = {rows})")
        if not np.isfinite(target[known]).all():
            raise ValueError("y holds infinity; NaN marks rows without a label")
        encoders = dict(self.encoders or {})
        unknown = [name for name in encoders if name not in parts]
        if unknown:
            raise ValueError(f"encoders names {unknown[0]!r}, which is no modality; X has {list(parts)}")
        self.views_ = [View.learn(name, value) for name, value in parts.items()]
        batch = read_batch(self.views_, parts)
        rng = check_random_state(self.random_state)
        self._seed = seed = int(rng.randint(2**31 - 1))
        out = held_out(target, self.validation_fraction, rng, groups)
        if classes is not None and groups is None:
            out &= np.isin(target, target[known & ~out])  # the only row of its class stays
        if not out.any():
            raise ValueError("y has no class with two labelled rows, of which one could be held out")
        if classes is None:
            learned = target[known & ~out]
            self.y_mean_, self.y_scale_ = float(learned.mean()), float(learned.std()) or 1.0
            batch = Batch(
                batch.inputs, batch.observed, torch.from_numpy((target - self.y_mean_) / self.y_scale_).float()
            )
        else:
            batch = Batch(batch.inputs, batch.observed, torch.from_numpy(np.where(known, target, -1)).long())
        with torch.random.fork_rng():
            torch.manual_seed(seed_of(seed, WEIGHTS))
            model = VariationalCopula(
                {view.name: view.specification(encoders.get(view.name)) for view in self.views_},
                copula=self.copula, weight=self.weight, classes=classes,
                task="regression" if classes is None else "classification",
                dim=self.dim, hidden=self.hidden, dropout=self.dropout,
            )  # fmt: skip
        learning, validation = batch[torch.from_numpy(~out)], batch[torch.from_numpy(out & known)]
        schedule = default_schedule(len(learning), self.max_steps, self.learning_rate, self.patience)
        self.validation_loss_ = train(
            model, learning, validation, schedule, seed_of(seed, TRAINING), self.verbose, hardware=self.hardware
        )
        self.model_ = model
        return validation

    def _parts(self, X: Any, fitting: bool) -> dict[str, Any]:
        """The modalities of X: those of a dict, or the columns of a table that ``modalities`` names."""
        if isinstance(X, Mapping) and not hasattr(X, "shape"):  # which a sparse array has
            if self.modalities is not None:
                raise ValueError("modalities names columns of a plain table, but X is a dict of modalities already")
            return dict(X)
        if hasattr(X, "iloc") and hasattr(X, "columns"):
            validate_data(self, X, reset=fitting, skip_check_array=True)
        else:
            X = validate_data(self, X, reset=fitting, dtype=None, ensure_all_finite="allow-nan")
        if self.modalities is None:
            return {"x": X}
        return {name: _columns(X, name, columns) for name, columns in self.modalities.items()}

    # What both say of rows.

    def _batch(self, X: Any) -> Batch:
        check_is_fitted(self, "model_")
        return read_batch(self.views_, self._parts(X, False))

    def impute(
        self, X: Any, num_samples: int = 16, *, embeddings: bool = False, random_state: int | None = 0
    ) -> dict[str, np.ndarray]:
        """Draws of what is missing given what each row has.

        Args:
            X: rows as in `fit`.
            num_samples: number of draws ``S``.
            embeddings: give the embeddings ``{name: (S, n, dim)}`` instead of the inputs.
            random_state: of the draws; None means new ones every time.

        Returns:
            ``{name: (S, n, F)}``: the input itself for vectors, one 0/1 column a category for tables, features that
            stand for it otherwise (names: `feature_names`), from the decoder with its noise. Where a modality is
            there its own are repeated, with NaN in a table's missing cells.
        """
        batch = self._batch(X)
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        generator = torch.Generator().manual_seed(int(check_random_state(random_state).randint(2**31 - 1)))
        found: list[dict[str, Tensor]] = []
        for rows in torch.arange(len(batch)).split(ROWS_AT_ONCE):
            drawn, decoded = self.model_.impute_and_generate(batch[rows], num_samples, generator)
            found.append(drawn if embeddings else decoded)
        return {view.name: torch.cat([part[view.name] for part in found], 1).cpu().numpy() for view in self.views_}

    def feature_names(self, modality: str) -> list[str]:
        """Names of the ``F`` features that `impute` gives of a modality."""
        check_is_fitted(self, "model_")
        self._view(modality)
        return self.model_.encoder(modality).feature_names()

    def match(self, X: Mapping[str, Any], i: str, j: str, pairwise: bool = False) -> np.ndarray:
        """How much better two modalities' inputs fit together than apart, in nats.

        ``log p(z_i, z_j) - log p(z_i) - log p(z_j)`` under the joint density of the embeddings, at their means.

        Args:
            X: at least the modalities ``i`` and ``j``.
            i: a modality.
            j: another modality.
            pairwise: compare every row of ``i`` with every row of ``j``; their numbers may differ then.

        Returns:
            ``(n,)``, or ``(n_i, n_j)`` when ``pairwise``; NaN where a row lacks one of the two.

        Raises:
            ValueError: an unknown modality, twice the same one, one that X lacks.
        """
        check_is_fitted(self, "model_")
        if i == j:
            raise ValueError(f"match needs two different modalities, got {i!r} twice")
        parts = self._parts(X, False)
        lacking = [name for name in (i, j) if self._view(name) and name not in parts]
        if lacking:
            raise ValueError(f"X has no modality {lacking[0]!r} to match")
        if not pairwise:
            number_of_rows({name: parts[name] for name in (i, j)})
        (first, has_first), (second, has_second) = (self._means(name, parts[name]) for name in (i, j))
        if pairwise:
            result: np.ndarray = np.full((len(has_first), len(has_second)), np.nan)
            place: Any = np.ix_(has_first, has_second)
            z = {i: first[torch.from_numpy(has_first)], j: second[torch.from_numpy(has_second)]}
        else:
            both = has_first & has_second
            result, place = np.full(len(both), np.nan), both
            z = {i: first[torch.from_numpy(both)], j: second[torch.from_numpy(both)]}
        if len(z[i]) and len(z[j]):
            with torch.no_grad():
                result[place] = self.model_.joint.match(z, i, j, pairwise).cpu().numpy()
        return result

    def _view(self, name: str) -> View:
        for view in self.views_:
            if view.name == name:
                return view
        raise ValueError(f"unknown modality {name!r}; this estimator has {[view.name for view in self.views_]}")

    def _means(self, name: str, value: Any) -> tuple[Tensor, np.ndarray]:
        """Means of a modality's embedding ``(n, d)``, and which rows have it."""
        rows, got = number_of_rows({name: value}), self._view(name).read(value)
        means = self.model_.anchor.new_zeros(rows, self.model_.dim)
        if got is None:
            return means, np.zeros(rows, bool)
        x, present = got
        at = [view.name for view in self.views_].index(name)
        with torch.no_grad(), evaluating(self.model_):
            for chosen in torch.from_numpy(np.flatnonzero(present)).split(ROWS_AT_ONCE):
                observed = torch.zeros(len(chosen), len(self.views_), dtype=torch.bool)
                observed[:, at] = True
                code = self.model_.encode(self.model_.check(Batch({name: x[chosen]}, observed)))
                means[chosen] = code[at].mean
        return means, present

    # Keeping.

    def save(self, folder: str | Path) -> Path:
        """Write the fitted estimator into a folder of its own, as JSON and safetensors, whole or not at all.

        Raises:
            TypeError: a ``random_state`` that is neither an integer nor None. FileExistsError: the folder holds
                something else.
        """
        check_is_fitted(self, "model_")
        return write_estimator(self, folder)

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read an estimator back.

        Raises:
            FileNotFoundError: a file is missing. ValueError: a damaged file, or another kind of estimator; it is named.
        """
        return read_estimator(cls, folder)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        tags.input_tags.dict = True
        return tags


def default_schedule(rows: int, max_steps: int | None, learning_rate: float, patience: int) -> Schedule:
    """How long and in what batches a number of training rows is learned."""
    batch = int(np.clip(rows // 4, 32, 128))
    epoch = -(-rows // batch)
    steps = int(np.clip(100 * epoch, 300, 5000)) if max_steps is None else max_steps
    check_every = -(-STEPS_TO_CHECK // epoch)
    return Schedule(steps, batch, learning_rate, warmup=min(20, steps), check_every=check_every, patience=patience)


def _columns(X: Any, name: str, columns: Sequence[int | str]) -> Any:
    """A modality's columns of a plain table."""
    names = list(X.columns) if hasattr(X, "iloc") else []
    places = []
    for column in columns:
        if column in names:
            places.append(names.index(column))
        elif isinstance(column, int | np.integer) and not isinstance(column, bool) and 0 <= column < X.shape[1]:
            places.append(int(column))
        else:
            raise ValueError(f"modalities: {name!r} names column {column!r}; X has {names or X.shape[1]} columns")
    if not places:
        raise ValueError(f"modalities: {name!r} has no columns")
    return X.iloc[:, places] if names else X[:, places]
