import pickle

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, norm, yeojohnson, yeojohnson_llf
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklar.estimators import CopulaImputer
from sklar.estimators.columns import Columns, yeo_johnson
from sklar.estimators.normals import Normals, fit_normals, left_out_cells, log_density, missing_cells
from sklar.estimators.stretch import SCORES, Stretch

CORRELATION = np.array([[1.0, 0.8, 0.3], [0.8, 1.0, 0.5], [0.3, 0.5, 1.0]])


@parametrize_with_checks([CopulaImputer()])
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def normal_table(rows: int, seed: int = 0, rate: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    """Correlated normals with means and scales of their own, and the same with cells removed."""
    generator = np.random.default_rng(seed)
    x = generator.multivariate_normal(np.zeros(3), CORRELATION, rows) * [1, 10, 0.01] + [0, 100, -5]
    return x, np.where(generator.random(x.shape) < rate, np.nan, x)


@pytest.fixture(scope="module")
def fitted() -> CopulaImputer:
    return CopulaImputer(components=1, marginal="normal").fit(normal_table(4000)[1])


def test_of_normal_rows_the_conditional_means_are_the_regression(fitted):
    row = np.array([[1.5, np.nan, -5.004]])
    weights = np.linalg.solve(CORRELATION[np.ix_([0, 2], [0, 2])], CORRELATION[[0, 2], 1])
    expected, spread = weights @ [1.5, -0.4], np.sqrt(1 - weights @ CORRELATION[[0, 2], 1])
    assert fitted.transform(row)[0, 1] == pytest.approx(100 + 10 * expected, abs=0.6)
    lower, upper = fitted.interval(row, 0.9)
    assert lower[0, 1] == pytest.approx(100 + 10 * (expected - 1.645 * spread), abs=1)
    assert upper[0, 1] == pytest.approx(100 + 10 * (expected + 1.645 * spread), abs=1)
    draws = fitted.sample(row, 4000, random_state=1)
    assert draws[:, 0, 1].mean() == pytest.approx(100 + 10 * expected, abs=0.8)
    assert draws[:, 0, 1].std() == pytest.approx(10 * spread, rel=0.1)
    assert np.array_equal(draws[:, :, [0, 2]], np.broadcast_to(row[:, [0, 2]], (4000, 1, 2)))


def test_draws_of_a_row_hold_together_and_an_empty_row_is_drawn_from_the_joint(fitted):
    empty = np.full((1, 3), np.nan)
    draws = fitted.sample(np.vstack([empty, [[np.nan, np.nan, -5.0]]]), 5000, random_state=0)
    assert np.corrcoef(draws[:, 0].T) == pytest.approx(CORRELATION, abs=0.06)
    given = (0.8 - 0.3 * 0.5) / np.sqrt((1 - 0.3**2) * (1 - 0.5**2))  # partial correlation
    assert np.corrcoef(draws[:, 1, :2].T)[0, 1] == pytest.approx(given, abs=0.06)
    assert fitted.transform(empty)[0] == pytest.approx([0, 100, -5], abs=0.5)
    assert fitted.score_samples(empty) == pytest.approx([0.0])


def test_log_density_is_the_normals(fitted):
    x, _ = normal_table(200, seed=5)
    scales = np.array([1, 10, 0.01])
    exact = multivariate_normal([0, 100, -5], CORRELATION * scales[:, None] * scales).logpdf(x)
    assert fitted.score_samples(x).mean() == pytest.approx(exact.mean(), abs=0.05)
    assert fitted.score(x) == pytest.approx(fitted.score_samples(x).mean())


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_intervals_of_skewed_columns_cover(level):
    generator = np.random.default_rng(3)
    x = np.exp(generator.multivariate_normal(np.zeros(3), CORRELATION, 600))
    gone = generator.random(x.shape) < 0.3
    given = np.where(gone, np.nan, x)
    imputer = CopulaImputer().fit(given)
    lower, upper = imputer.interval(given, level)
    inside = ((lower <= x) & (x <= upper))[gone].mean()
    assert abs(inside - level) < 3 * np.sqrt(level * (1 - level) / gone.sum()) + 0.02
    draws = imputer.sample(given, 50, random_state=0)
    assert (draws >= 0).all()
    assert (lower >= 0).all()


def test_what_is_observed_is_untouched_and_the_median_is_the_intervals_middle():
    _, given = normal_table(150, seed=2)
    mean = CopulaImputer().fit(given)
    median = CopulaImputer(statistic="median").fit(given)
    seen = ~np.isnan(given)
    assert np.array_equal(mean.transform(given)[seen], given[seen])
    narrow = mean.interval(given, 1e-9)
    assert median.transform(given) == pytest.approx(narrow[0], rel=1e-4)
    assert all(np.array_equal(end[seen], given[seen]) for end in narrow)


def test_discrete_columns_are_drawn_from_their_values_in_their_shares():
    generator = np.random.default_rng(0)
    x = np.column_stack([generator.random(400) < 0.2, generator.poisson(2, 400), generator.normal(size=400)])
    given = np.where(generator.random(x.shape) < 0.3, np.nan, x)
    imputer = CopulaImputer().fit(given)
    draws = imputer.sample(given, 40, random_state=0)
    assert set(np.unique(draws[..., 0])) == {0.0, 1.0}
    assert set(np.unique(draws[..., 1])) <= set(np.unique(x[:, 1]))
    for j in (0, 1):
        hidden, seen = draws[:, np.isnan(given[:, j]), j], given[~np.isnan(given[:, j]), j]
        for value in (0, 1):
            assert (hidden == value).mean() == pytest.approx((seen == value).mean(), abs=0.05)


def test_constant_and_empty_columns():
    _, given = normal_table(60)
    table = np.column_stack([np.full(60, np.nan), given, np.full(60, 7.0)])
    table[3, 4] = np.nan
    dropped, kept = CopulaImputer().fit(table), CopulaImputer(keep_empty_features=True).fit(table)
    assert dropped.transform(table).shape == (60, 4)
    assert list(dropped.get_feature_names_out()) == ["x1", "x2", "x3", "x4"]
    assert dropped.transform(table)[3, 3] == 7
    assert np.array_equal(kept.transform(table)[:, 0], np.zeros(60))
    only = CopulaImputer().fit([[1.0], [np.nan], [1.0]])
    assert only.transform([[np.nan]])[0, 0] == 1
    assert only.sample([[np.nan]], 3).shape == (3, 1, 1)


@pytest.mark.parametrize("exponent", [665, -665, 1015])
def test_magnitudes_that_doubles_can_just_hold(exponent, tmp_path):
    _, given = normal_table(100)
    scale = 2.0**exponent
    plain, scaled = CopulaImputer().fit(given), CopulaImputer().fit(given * scale)
    scaled = CopulaImputer.load(scaled.save(tmp_path / "scaled"))
    assert scaled.transform(given * scale) / scale == pytest.approx(plain.transform(given), rel=1e-12)
    for one, other in zip(scaled.interval(given * scale), plain.interval(given), strict=True):
        assert one / scale == pytest.approx(other, rel=1e-12)
    draws = scaled.sample(given * scale, 2, random_state=0)
    assert draws / scale == pytest.approx(plain.sample(given, 2, random_state=0), rel=1e-12)
    shift = exponent * np.log(2) * (~np.isnan(given)).sum(1)
    assert scaled.score_samples(given * scale) + shift == pytest.approx(plain.score_samples(given), abs=1e-9)


def test_what_is_too_far_from_fitting_is_refused_by_column_and_row(fitted):
    far = np.array([[0.0, np.nan, -5.0], [np.nan, 1e200, -5.0]])
    for call in (fitted.transform, fitted.interval, fitted.sample, fitted.score_samples):
        with pytest.raises(ValueError, match=r"column 'x1', row 1: 1e\+200 is too far"):
            call(far)
    far[1, 1] = 1e6
    assert np.isfinite(fitted.transform(far)).all()


def test_groups_partition_the_columns_and_are_left_out_together():
    pandas = pytest.importorskip("pandas")
    _, given = normal_table(80)
    frame = pandas.DataFrame(given, columns=["a", "b", "c"])
    by_name, by_index = CopulaImputer([["a", "b"]]).fit(frame), CopulaImputer([[0, 1]]).fit(given)
    assert by_name.report_ == by_index.report_
    assert by_name.report_ != CopulaImputer().fit(given).report_
    with pytest.raises(ValueError, match="twice"):
        CopulaImputer([[0, 1], [1]]).fit(given)


def test_groups_must_name_columns():
    with pytest.raises(KeyError, match="9"):
        CopulaImputer([[0, 9]]).fit(normal_table(30)[1])


@pytest.mark.parametrize(
    "settings", [{"marginal": "beta"}, {"components": 0}, {"components": "many"}, {"statistic": "mode"}]
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match=next(iter(settings))):
        CopulaImputer(**settings).fit(normal_table(30)[1])


def test_it_comes_back_from_disk_and_from_a_pickle(tmp_path):
    _, given = normal_table(120, seed=4)
    given[:, 0] = np.round(given[:, 0])
    imputer = CopulaImputer([[0, 1]], random_state=3).fit(given)
    for other in (CopulaImputer.load(imputer.save(tmp_path / "one")), pickle.loads(pickle.dumps(imputer))):
        assert np.array_equal(other.transform(given), imputer.transform(given))
        assert np.array_equal(other.sample(given, 3, random_state=1), imputer.sample(given, 3, random_state=1))
        assert other.report_ == imputer.report_
        assert other.get_params() == imputer.get_params()
    arrays = tmp_path / "one" / "imputer.safetensors"
    arrays.write_bytes(arrays.read_bytes()[:100])
    with pytest.raises(ValueError, match="damaged"):
        CopulaImputer.load(tmp_path / "one")
    arrays.unlink()
    with pytest.raises(FileNotFoundError, match=r"imputer\.safetensors"):
        CopulaImputer.load(tmp_path / "one")


def two_normals() -> tuple[Normals, list[tuple[float, np.ndarray, np.ndarray]]]:
    parts = [(0.3, np.array([0.0, 1.0, -1.0]), CORRELATION), (0.7, np.array([2.0, 0.0, 0.5]), np.diag([0.5, 1.0, 2.0]))]
    weights, means, covariances = (torch.tensor(np.array(part)) for part in zip(*parts, strict=True))
    return Normals(weights.log(), means, covariances), parts


def test_a_cell_given_the_others_is_the_ratio_of_densities():
    normals, parts = two_normals()
    x = torch.tensor([[0.5, 0.2, -0.3], [1.0, 9.9, 0.7]], dtype=torch.float64)
    mask = torch.tensor([[True, True, True], [True, False, True]])

    def density(row: torch.Tensor, columns: list[int]) -> float:
        return sum(
            w * multivariate_normal(m[columns], s[np.ix_(columns, columns)]).pdf(row[columns]) if columns else w
            for w, m, s in parts
        )

    cells = left_out_cells(normals, x, mask, [[0], [1], [2]])
    exact = []
    for row, column in zip(cells.row.tolist(), cells.column.tolist(), strict=True):
        shown = mask[row].nonzero().flatten().tolist()
        exact.append(density(x[row], shown) / density(x[row], [j for j in shown if j != column]))
    assert len(exact) == 5
    assert log_density(cells, x[cells.row, cells.column]).exp().numpy() == pytest.approx(exact)
    together = left_out_cells(normals, x, mask, [[0, 1], [2]])
    both = (together.row == 0) & (together.column == 0)  # given the third column alone
    assert log_density(together, x[together.row, together.column])[both].exp().tolist() == pytest.approx(
        [density(x[0], [0, 2]) / density(x[0], [2])]
    )
    missing = missing_cells(normals, x, mask)
    assert (missing.row.tolist(), missing.column.tolist()) == ([1], [1])
    value = torch.tensor([0.4], dtype=torch.float64)
    filled = torch.tensor([1.0, 0.4, 0.7], dtype=torch.float64)
    assert float(log_density(missing, value).exp()) == pytest.approx(
        density(filled, [0, 1, 2]) / density(filled, [0, 2])
    )


def test_complete_rows_give_the_sample_covariance_shrunk_by_the_prior_rows():
    x = torch.tensor(np.random.default_rng(0).multivariate_normal(np.zeros(3), CORRELATION, 50))
    normals = fit_normals(x, torch.ones(50, 3, dtype=torch.bool), 1, 5.0, torch.Generator(), tolerance=1e-9)
    sample = np.cov(x.T.numpy(), bias=True)
    assert normals.mean[0].numpy() == pytest.approx(x.mean(0).numpy())
    assert normals.covariance[0].numpy() == pytest.approx((50 * sample + 5 * np.diag(np.diag(sample))) / 55, abs=1e-5)


@pytest.mark.parametrize("power", [-2.0, -0.5, 0.0, 1.0, 2.0, 3.5])
def test_powers_are_scipys(power):
    x = np.linspace(-4, 4, 41)
    assert yeo_johnson(torch.tensor(x), torch.tensor(power)).numpy() == pytest.approx(yeojohnson(x, power), rel=1e-10)


def test_columns_take_the_likeliest_power_and_come_back():
    generator = np.random.default_rng(1)
    x = np.exp(generator.normal(size=(300, 2))) * [1, 50]
    mask = torch.ones(300, 2, dtype=torch.bool)
    maps = Columns.fit(torch.tensor(x), mask, True, torch.zeros(2, dtype=torch.bool))
    z = (x - x.mean(0)) / x.std(0)
    powers = np.linspace(-3, 5, 81)
    for j in range(2):
        best = powers[np.argmax([yeojohnson_llf(p, z[:, j]) for p in powers])]
        assert float(maps.power[j]) == pytest.approx(best)
    w = maps.bend(torch.tensor(x))
    assert maps.straighten(w).numpy() == pytest.approx(x, rel=1e-9)
    assert w.std(0, correction=0).numpy() == pytest.approx([1, 1])
    far = maps.straighten(torch.tensor([[50.0, -50.0]], dtype=torch.float64))[0]
    assert float(far[0]) == pytest.approx(float(x[:, 0].max() + 0.25 * np.ptp(x[:, 0])))
    assert float(far[1]) == pytest.approx(max(0.0, float(x[:, 1].min() - 0.25 * np.ptp(x[:, 1]))), abs=1e-9)


def test_stretch_learns_the_scale_of_each_column():
    score = torch.randn(40_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    column = torch.arange(40_000) % 2
    stretch = Stretch.fit(torch.where(column == 0, 2.0, 0.5) * score, column, torch.zeros(2, dtype=torch.bool))
    for j, scale in enumerate((2.0, 0.5)):
        shown = stretch(torch.cat([-SCORES, SCORES]), torch.full((2 * len(SCORES),), j))
        assert shown.numpy() == pytest.approx(scale * torch.cat([-SCORES, SCORES]).numpy(), rel=0.05)
        beyond = float(stretch(torch.tensor([norm.ppf(0.999)], dtype=torch.float64), torch.tensor([j])))
        assert beyond == pytest.approx(scale * norm.ppf(0.999), rel=0.05)
    mixed = Stretch.fit(2 * score, column, torch.tensor([False, True]))
    assert torch.equal(mixed.knots[1], SCORES)
    assert torch.equal(Stretch.none(1)(SCORES, torch.zeros(len(SCORES), dtype=torch.long)), SCORES)
