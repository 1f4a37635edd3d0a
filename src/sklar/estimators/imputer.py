"""A scikit-learn imputer: the missing cells of a table from the joint distribution of its columns."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sklar.estimators.columns import Columns, support
from sklar.estimators.normals import Cells, Normals
from sklar.estimators.stretch import Stretch
from sklar.estimators.table import TableModel, fit_table
from sklar.joint import JointMixture
from sklar.marginals.univariate import mixture_quantile
from sklar.training.files import renamed

try:
    from sklearn.base import BaseEstimator, TransformerMixin
    from sklearn.utils import Tags, check_random_state
    from sklearn.utils.validation import _check_feature_names_in, check_is_fitted, validate_data
except ImportError as error:
    raise ImportError("sklar.estimators needs scikit-learn 1.6 or newer: pip install 'sklar[train]'") from error

LARGE = 1e100  # magnitudes whose squares a double cannot hold are far beyond; the same for their inverses
SETTINGS, ARRAYS = "imputer.json", "imputer.safetensors"
DRAWN_AT_ONCE = 2**22  # cells
LARGEST = float(np.finfo(np.float64).max)


class CopulaImputer(TransformerMixin, BaseEstimator):
    """Missing cells from the joint distribution of all columns: means or medians, draws, and calibrated intervals.

    Every column is bent by one smooth monotone map until it is nearly normal (or left straight), and the bent columns
    are tied by a Gaussian copula or a small mixture of them, fitted by expectation-maximisation to whatever each row
    shows. Marginals, number of components and regularisation are chosen by the held-out density of a cell given the
    rest of its row; the spread of predictions is then calibrated on all rows, held out by fifths. What is imputed lies
    within the observed range extended by a quarter, and on the side of zero where a column was seen.

    Nothing needs tuning. Columns must be numbers: code categories as 0/1 columns. Discrete ones (two values, or up to
    twenty whole numbers) are drawn from the values seen, and so are their medians and intervals; means are not rounded.
    A row without any observed cell gets the columns' own distributions: their means, or draws from the joint.
    A constant column is imputed by its constant. Time grows with ``n D^3`` where every row has a pattern of its own.

    Args:
        groups: lists of columns (indices or names) that go missing together; columns in none are each a group. It
            matters for choice and calibration alone: a held-out cell is said without the others of its group. A group
            may be partly missing.
        marginal: ``"power"`` (Yeo & Johnson's transformation a column), ``"normal"``, or ``"auto"``.
        components: of the mixture, one for a Gaussian copula; ``"auto"`` compares 1, 2 and 3.
        statistic: what `transform` imputes: ``"mean"`` or ``"median"``, of the conditional distribution.
        keep_empty_features: columns of which fitting saw nothing are imputed by 0 if true, else dropped.
        random_state: of the held-out rows and of the starts.

    Attributes:
        joint_: the fitted `sklar.JointMixture` over the bent columns that vary; None where none does.
        report_: held-out log density of a cell in nats (of standardised columns), by candidate.
        n_features_in_: number of columns.
        feature_names_in_: their names, where all are strings.

    References:
        Yeo & Johnson (2000); Hoff, "Extending the rank likelihood for semiparametric copula estimation" (2007);
        Ghahramani & Jordan (1994) for mixtures with missing cells.
    """

    def __init__(
        self,
        groups: Sequence[Sequence[int | str]] | None = None,
        *,
        marginal: str = "auto",
        components: int | str = "auto",
        statistic: str = "mean",
        keep_empty_features: bool = False,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.groups = groups
        self.marginal = marginal
        self.components = components
        self.statistic = statistic
        self.keep_empty_features = keep_empty_features
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> CopulaImputer:
        """Learn the joint distribution of the columns.

        Args:
            X: ``(n, F)`` with NaN where missing.
            y: ignored.

        Raises:
            ValueError: settings out of range, infinity, columns in two groups. KeyError: an unknown column in a group.
        """
        X = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan")
        _choose("marginal", self.marginal, ("auto", "power", "normal"))
        _choose("statistic", self.statistic, ("mean", "median"))
        if self.components != "auto" and not (isinstance(self.components, int | np.integer) and self.components >= 1):
            raise ValueError(f'components must be a positive integer or "auto", got {self.components!r}')
        groups = self._groups()
        observed = ~np.isnan(X)
        seen = observed.any(0)
        top, bottom = np.zeros(X.shape[1]), np.zeros(X.shape[1])
        top[seen], bottom[seen] = np.nanmax(X[:, seen], 0), np.nanmin(X[:, seen], 0)
        self._kept = np.flatnonzero(seen | self.keep_empty_features)
        self._constants = top
        self._model: TableModel | None = None
        # Of values that agree in all but their last digits no spread can be computed.
        size = np.maximum(abs(top), abs(bottom))
        self._live = np.flatnonzero(seen & (top / 2 - bottom / 2 > 1e-12 * (size / 2)))
        self._units = _units(size[self._live])
        self.joint_: JointMixture | None = None
        self.report_: dict[str, float] = {}
        self._values: list[Tensor | None] = []
        self._cuts: list[Tensor | None] = []
        if not len(self._live):
            return self
        x, mask = self._tensors(X)
        x, mask = x[mask.any(-1)], mask[mask.any(-1)]
        self._values = [support(x[mask[:, j], j]) for j in range(x.shape[1])]
        discrete = torch.tensor([values is not None for values in self._values])
        place = {int(column): j for j, column in enumerate(self._live)}
        within = [[place[column] for column in group if column in place] for group in groups]
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        number = None if self.components == "auto" else int(self.components)
        model = fit_table(x, mask, discrete, [group for group in within if group], self.marginal, number, seed)
        self._cuts = [None if v is None else _cuts(model, j, x[mask[:, j], j], v) for j, v in enumerate(self._values)]
        self._model, self.report_ = model, model.report
        self.joint_ = model.normals.joint(self._names())
        return self

    def transform(self, X: Any) -> np.ndarray:
        """``X`` with its missing cells at their conditional means or medians; the observed ones untouched.

        Args:
            X: ``(n, F)``.

        Returns:
            ``(n, F')``, float32 for float32, else float64; columns that fitting never saw are left out.

        Raises:
            ValueError: a number so far from those of fitting that nothing can be computed from it; column and row are
                named.
        """
        X = self._validated(X)
        if self.statistic == "median":
            return self._at_scores(X, torch.zeros(1, dtype=torch.float64))[0]
        model = self._model
        if model is None:
            return self._filled(X, None, None)
        cells = model.missing(*self._tensors(X))
        return self._filled(X, cells, self._in_units(cells, model.means(cells)))

    def interval(self, X: Any, coverage: float = 0.8) -> tuple[np.ndarray, np.ndarray]:
        """Central intervals of the missing cells in the columns' units; an observed cell is both its ends.

        Args:
            X: ``(n, F)``.
            coverage: probability that the value lies between, in (0, 1).

        Returns:
            Lower and upper ends, ``(n, F')`` each.
        """
        if not 0 < coverage < 1:
            raise ValueError(f"coverage must be in (0, 1), got {coverage}")
        half = torch.special.ndtri(torch.tensor(0.5 + 0.5 * coverage, dtype=torch.float64))
        lower, upper = self._at_scores(self._validated(X), torch.stack([-half, half]))
        return lower, upper

    def sample(
        self, X: Any, num_samples: int = 1, random_state: int | np.random.RandomState | None = None
    ) -> np.ndarray:
        """Multiple imputation: draws of the missing cells given the observed ones, those of a row together.

        Args:
            X: ``(n, F)``.
            num_samples: number of draws ``S``.
            random_state: of the draws; None means new ones every time.

        Returns:
            ``(S, n, F')``.
        """
        X = self._validated(X)
        if num_samples < 1:
            raise ValueError(f"num_samples must be at least 1, got {num_samples}")
        generator = torch.Generator().manual_seed(int(check_random_state(random_state).randint(2**31 - 1)))
        model, joint = self._model, self.joint_
        if model is None or joint is None:
            return np.stack([self._filled(X, None, None)] * num_samples)
        x, mask = self._tensors(X)
        cells = model.missing(x, mask)
        step, result = max(1, DRAWN_AT_ONCE // max(1, x.numel())), []
        for start in range(0, num_samples, step):
            count = min(step, num_samples - start)
            drawn = self._columns_units(cells, model.draws(joint, x, mask, count, generator))
            result += [self._filled(X, cells, value) for value in drawn]
        return np.stack(result)

    def score_samples(self, X: Any) -> np.ndarray:
        """Log density of what each row shows of the columns that vary, nats, ``(n,)``; zero where it shows nothing."""
        X = self._validated(X)
        if self._model is None or self.joint_ is None:
            return np.zeros(len(X))
        x, mask = self._tensors(X)
        return (self._model.log_prob(self.joint_, x, mask) - torch.where(mask, self._units.log(), 0.0).sum(-1)).numpy()

    def score(self, X: Any, y: Any = None) -> float:
        """Mean of `score_samples`."""
        return float(self.score_samples(X).mean())

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Names of the columns of `transform`'s result."""
        check_is_fitted(self, "report_")
        return np.asarray(_check_feature_names_in(self, input_features)[self._kept], dtype=object)

    def save(self, folder: str | Path) -> Path:
        """Write the fitted imputer into a folder, as JSON and safetensors, each under a temporary name, then renamed.

        Raises:
            TypeError: a ``random_state`` that is neither an integer nor None.
        """
        from safetensors.torch import save_file

        check_is_fitted(self, "report_")
        settings = self.get_params(deep=False)
        if not isinstance(settings["random_state"], int | np.integer | None):
            raise TypeError("an imputer is saved with an integer random_state or None; set_params(random_state=0)")
        model, names = self._model, getattr(self, "feature_names_in_", None)
        arrays: dict[str, Tensor] = {"constants": torch.as_tensor(self._constants), "units": self._units}
        if model is not None:
            for part in (model.columns, model.normals, model.stretch):
                arrays |= {_key(type(part), field): value for field, value in zip(part._fields, part, strict=True)}
            for kind, each in (("values", self._values), ("cuts", self._cuts)):
                arrays |= {f"{kind}.{j}": value for j, value in enumerate(each) if value is not None}
        description = {
            "format": 1, "settings": settings, "features": self.n_features_in_,
            "names": None if names is None else list(names), "kept": self._kept.tolist(), "live": self._live.tolist(),
            "report": self.report_,
        }  # fmt: skip
        folder = Path(folder)
        with renamed(folder / SETTINGS) as settings_file, renamed(folder / ARRAYS) as arrays_file:  # last to first
            save_file({key: value.contiguous().clone() for key, value in arrays.items()}, arrays_file)
            settings_file.write_text(json.dumps(description, indent=1, default=_plain))
        return folder

    @classmethod
    def load(cls, folder: str | Path) -> CopulaImputer:
        """Read an imputer back.

        Raises:
            FileNotFoundError: a file is missing. ValueError: a damaged file; it is named.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        folder = Path(folder)
        for name in (SETTINGS, ARRAYS):
            if not (folder / name).is_file():
                raise FileNotFoundError(f"{folder / name} is missing: this is no complete imputer; save it again")
        try:
            description = json.loads((folder / SETTINGS).read_text())
            imputer = cls(**description["settings"])
            arrays = load_file(folder / ARRAYS)
            imputer.n_features_in_, imputer.report_ = int(description["features"]), description["report"]
            if description["names"] is not None:
                imputer.feature_names_in_ = np.asarray(description["names"], dtype=object)
            imputer._kept, imputer._live = (np.asarray(description[key], dtype=int) for key in ("kept", "live"))
            imputer._constants, imputer._units = arrays["constants"].numpy(), arrays["units"]
            imputer._model, imputer.joint_, imputer._values, imputer._cuts = None, None, [], []
            if len(imputer._live):
                columns = Columns(*(arrays[_key(Columns, field)] for field in Columns._fields))
                normals = Normals(*(arrays[_key(Normals, field)] for field in Normals._fields))
                stretch = Stretch(*(arrays[_key(Stretch, field)] for field in Stretch._fields))
                imputer._model = TableModel(columns, normals, stretch, imputer.report_)
                imputer._values, imputer._cuts = (
                    [arrays.get(f"{kind}.{j}") for j in range(len(imputer._live))] for kind in ("values", "cuts")
                )
                imputer.joint_ = normals.joint(imputer._names())
        except (json.JSONDecodeError, UnicodeDecodeError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{folder} holds a damaged imputer ({error}); save it again") from error
        return imputer

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _validated(self, X: Any) -> np.ndarray:
        check_is_fitted(self, "report_")
        return validate_data(self, X, dtype=[np.float64, np.float32], ensure_all_finite="allow-nan", reset=False)

    def _groups(self) -> list[list[int]]:
        """A partition of the columns, as indices."""
        names = list(getattr(self, "feature_names_in_", []))
        result, taken = [], set()
        for group in self.groups or []:
            columns = []
            for column in [group] if isinstance(group, str) else group:
                if column not in names and (isinstance(column, str) or not 0 <= column < self.n_features_in_):
                    raise KeyError(f"groups name column {column!r}; X has {names or self.n_features_in_} columns")
                index = names.index(column) if column in names else int(column)
                if index in taken:
                    raise ValueError(f"column {column!r} is in groups twice")
                taken.add(index)
                columns.append(index)
            result.append(columns)
        return result + [[column] for column in range(self.n_features_in_) if column not in taken]

    def _names(self) -> list[str]:
        names = getattr(self, "feature_names_in_", [f"x{j}" for j in range(self.n_features_in_)])
        return [str(names[j]) for j in self._live]

    def _tensors(self, X: np.ndarray) -> tuple[Tensor, Tensor]:
        """The columns that vary, in their units, zero where missing, and their mask."""
        x = torch.from_numpy(X[:, self._live].astype(np.float64))
        mask = ~torch.isnan(x)
        x = torch.where(mask, x / self._units, 0.0)
        if self._model is not None:
            far = mask & ~(self._model.columns.bend(x).abs() < LARGE)
            if bool(far.any()):
                row, column = far.nonzero()[0].tolist()
                raise ValueError(
                    f"column {self._names()[column]!r}, row {row}: {X[row, self._live[column]]:g} is too far from what "
                    "fitting saw; correct it, or mark it as missing (NaN)"
                )
        return x, mask

    def _at_scores(self, X: np.ndarray, scores: Tensor) -> list[np.ndarray]:
        """``X`` filled with the quantiles at the given normal scores."""
        model = self._model
        if model is None:
            return [self._filled(X, None, None)] * len(scores)
        cells = model.missing(*self._tensors(X))
        each = [model.bent_quantiles(cells, score.expand(len(cells.row))) for score in scores]
        return [self._filled(X, cells, value) for value in self._columns_units(cells, torch.stack(each))]

    def _columns_units(self, cells: Cells, bent: Tensor) -> Tensor:
        """Values ``(S, N)`` back in the columns' units, those of discrete columns among the values seen."""
        assert self._model is not None
        value = self._model.columns.take(cells.column).straighten(bent)
        for j, (values, cuts) in enumerate(zip(self._values, self._cuts, strict=True)):
            if values is not None and cuts is not None:
                place = cells.column == j
                value[:, place] = values[torch.searchsorted(cuts, bent[:, place].contiguous())]
        return self._in_units(cells, value)

    def _in_units(self, cells: Cells, value: Tensor) -> Tensor:
        """Values ``(..., N)`` of cells as `_tensors` scales them, as they were given."""
        return (value * self._units[cells.column]).clamp(-LARGEST, LARGEST)

    def _filled(self, X: np.ndarray, cells: Cells | None, value: Tensor | None) -> np.ndarray:
        """``X`` with the cells' values and the constants."""
        filled = np.where(np.isnan(X), self._constants.astype(X.dtype), X)
        if cells is not None and value is not None:
            filled[cells.row.numpy(), self._live[cells.column.numpy()]] = value.numpy()
        return filled[:, self._kept]


def _units(size: np.ndarray) -> Tensor:
    """What columns of the given magnitudes are divided by, ``(D,)``: one, or a power of two for the extreme ones."""
    extreme = (size > LARGE) | (size < 1 / LARGE)
    exponent = np.clip(np.frexp(size)[1], -1021, 1023)
    return torch.from_numpy(np.where(extreme, np.ldexp(1.0, exponent), 1.0))


def _cuts(model: TableModel, column: int, x: Tensor, values: Tensor) -> Tensor:
    """Where one value of a discrete column ends and the next begins, in bent units, so that draws have its shares."""
    share = (x[:, None] == values).double().mean(0).cumsum(0)[:-1]
    normals = model.normals
    spread = normals.covariance[:, column, column].sqrt().log()
    return mixture_quantile(torch.special.ndtri(share), normals.log_weights, normals.mean[:, column], spread)


def _choose(what: str, value: Any, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ValueError(f"unknown {what} {value!r}; choose one of {list(known)}")


def _key(part: type, field: str) -> str:
    return f"{part.__name__.lower()}.{field}"


def _plain(value: Any) -> Any:
    if isinstance(value, np.integer | np.ndarray):
        return value.tolist()
    raise TypeError(f"{value!r} cannot be saved")
