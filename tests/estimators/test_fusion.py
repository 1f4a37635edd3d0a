import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

from sklar.encoders import make_encoder
from sklar.estimators import CopulaFusionClassifier, CopulaFusionRegressor
from sklar.estimators.split import held_out
from sklar.estimators.views import View, read_batch

SMALL = {"dim": 4, "hidden": 16, "max_steps": 60, "learning_rate": 1e-2}  # quick, not good
WORDS = np.array(["calm", "steady", "worse", "dire"])


def rows(number: int, seed: int = 0) -> tuple[dict[str, object], np.ndarray]:
    """One latent number seen as a vector, a series and a note, each absent from about a third of the rows."""
    generator = np.random.default_rng(seed)
    latent = generator.normal(size=number)
    labs = latent[:, None] * [1.0, -2.0, 0.5] + 0.3 * generator.normal(size=(number, 3)) + [0, 10, 100]
    curve = latent[:, None, None] + 0.3 * generator.normal(size=(number, 6, 2))
    curve[generator.random(curve.shape) < 0.3] = np.nan
    notes = [f"{WORDS[i]} today" for i in np.digitize(latent, [-0.7, 0.0, 0.7])]
    seen = generator.random((number, 3)) < 0.67
    seen[~seen.any(1), 0] = True
    labs[~seen[:, 0]], curve[~seen[:, 1]] = np.nan, np.nan
    return {
        "labs": labs,
        "curve": curve,
        "note": [t if there else None for t, there in zip(notes, seen[:, 2], strict=True)],
    }, latent


def named(latent: np.ndarray) -> np.ndarray:
    return np.where(latent > 0, "ill", "well").astype(object)


@pytest.fixture(scope="module")
def classifier() -> CopulaFusionClassifier:
    X, latent = rows(300)
    y = named(latent)
    y[:30] = None
    return CopulaFusionClassifier(**SMALL).fit(X, y)


@pytest.fixture(scope="module")
def regressor() -> CopulaFusionRegressor:
    X, latent = rows(300)
    y = 50 + 20 * latent
    y[:30] = np.nan
    return CopulaFusionRegressor(**SMALL | {"max_steps": 150}).fit(X, y)


def test_kinds_and_classes(classifier):
    assert [(view.name, view.kind) for view in classifier.views_] == [
        ("labs", "vector"), ("curve", "series"), ("note", "text"),
    ]  # fmt: skip
    assert list(classifier.classes_) == ["ill", "well"]


@pytest.mark.parametrize("alone", ["labs", "curve", "note"])
def test_any_modality_alone_predicts(classifier, alone):
    X, latent = rows(200, 1)
    there = classifier.views_[[v.name for v in classifier.views_].index(alone)].read(X[alone])[1]
    one = {alone: [v for v, t in zip(X[alone], there, strict=True) if t]}
    probability = classifier.predict_proba(one)
    assert probability.shape == (there.sum(), 2)
    assert probability.sum(1) == pytest.approx(np.ones(len(probability)), abs=1e-6)
    predicted = classifier.classes_[probability.argmax(1)]
    assert accuracy_score(named(latent)[there].astype(str), predicted.astype(str)) > 0.8
    assert (predicted == classifier.predict(one)).all()


def test_left_out_is_the_same_as_absent_from_all_rows(classifier):
    X, _ = rows(40, 2)
    seen = ~np.isnan(X["labs"]).all(1)
    alone = {"labs": X["labs"][seen]}
    blank = alone | {"curve": np.full((seen.sum(), 6, 2), np.nan), "note": [None] * seen.sum()}
    expected = classifier.predict_proba(alone)
    assert classifier.predict_proba(blank) == pytest.approx(expected, abs=1e-7)
    listed = {
        "labs": [row if there else None for row, there in zip(X["labs"], seen, strict=True)],
        "note": ["calm"] * 40,
    }
    given = {"labs": X["labs"], "note": ["calm"] * 40}
    assert (classifier.predict_proba(listed) == classifier.predict_proba(given)).all()


def test_score_counts_labelled_rows_alone(classifier):
    X, latent = rows(100, 3)
    y = named(latent)
    known = np.arange(100) % 2 == 0
    expected = accuracy_score(y[known].astype(str), classifier.predict(X)[known].astype(str))
    y[~known] = None
    assert classifier.score(X, y) == expected


def test_the_same_random_state_gives_the_same_predictions():
    X, latent = rows(60)
    y = (latent > 0).astype(int)
    fits = [CopulaFusionClassifier(**SMALL | {"max_steps": 10}, random_state=seed).fit(X, y) for seed in (3, 3, 4)]
    first, second, third = (fit.predict_proba(X) for fit in fits)
    assert (first == second).all()
    assert (first != third).any()
    assert fits[0].classes_.dtype.kind == "i"


def test_unlabelled_rows_train_but_are_no_class():
    X, latent = rows(60)
    y = (latent > 0).astype(int)
    y[::3] = -1
    fitted = CopulaFusionClassifier(**SMALL | {"max_steps": 5}).fit(X, y)
    assert list(fitted.classes_) == [0, 1]
    floats = np.where(y == -1, np.nan, y)
    assert (CopulaFusionClassifier(**SMALL | {"max_steps": 5}).fit(X, floats).predict_proba(X)
            == fitted.predict_proba(X)).all()  # fmt: skip
    labelled = np.flatnonzero(y >= 0)
    fewer = {name: [value[i] for i in labelled] for name, value in X.items()}
    without = CopulaFusionClassifier(**SMALL | {"max_steps": 5}).fit(fewer, y[labelled])
    assert (without.predict_proba(X) != fitted.predict_proba(X)).any()


def test_regression_is_near_least_squares_and_knows_its_error(regressor):
    X, latent = rows(600, 4)
    train, target = rows(300)
    seen, trained = ~np.isnan(X["labs"]).all(1), ~np.isnan(train["labs"]).all(1)
    line = LinearRegression().fit(train["labs"][trained], 50 + 20 * target[trained])
    y = 50 + 20 * latent
    alone = {"labs": X["labs"][seen]}
    assert regressor.score(alone, y[seen]) > line.score(X["labs"][seen], y[seen]) - 0.06
    mean, deviation = regressor.predict(X, return_std=True)
    assert (mean == regressor.predict(X)).all()
    covered = np.abs(y - mean) < 1.2816 * deviation
    assert 0.68 < covered.mean() < 0.92
    hidden = y.copy()
    hidden[::2] = np.nan
    known = ~np.isnan(hidden)
    expected = 1 - ((y - mean)[known] ** 2).sum() / ((y - y[known].mean())[known] ** 2).sum()
    assert regressor.score(X, hidden) == pytest.approx(expected)


def test_impute_draws_what_is_missing_and_repeats_what_is_there(regressor):
    X, latent = rows(200, 5)
    draws = regressor.impute(X, 8)
    names = {view.name: len(regressor.feature_names(view.name)) for view in regressor.views_}
    assert {name: value.shape for name, value in draws.items()} == {name: (8, 200, f) for name, f in names.items()}
    seen = ~np.isnan(X["labs"]).all(1)
    assert (draws["labs"][:, seen] == X["labs"][seen].astype(np.float32)).all()
    missing = draws["labs"][:, ~seen]
    assert np.corrcoef(missing[..., 1].mean(0), 10 - 2 * latent[~seen])[0, 1] > 0.7
    assert (missing.std(0) > 0).all()
    embeddings = regressor.impute(X, 3, embeddings=True)
    assert embeddings["note"].shape == (3, 200, 4)
    assert (regressor.impute(X, 8)["labs"] == draws["labs"]).all()
    assert (regressor.impute(X, 8, random_state=1)["labs"][:, ~seen] != missing).any()


def test_match_is_the_log_ratio_of_the_joint_density(classifier):
    X, _ = rows(60, 6)
    score = classifier.match(X, "labs", "note")
    seen = ~np.isnan(X["labs"]).all(1) & np.array([note is not None for note in X["note"]])
    assert (np.isnan(score) == ~seen).all()
    model = classifier.model_
    with torch.no_grad():
        batch = model.check(read_batch(classifier.views_, X)[torch.from_numpy(seen)])
        z = {name: each.mean for name, each in zip(model.names, model.encode(batch), strict=True)}
        both, labs, note = (
            model.joint.log_prob(z, torch.tensor([mask]).expand(len(batch), 3))
            for mask in ([True, False, True], [True, False, False], [False, False, True])
        )
    assert score[seen] == pytest.approx((both - labs - note).numpy(), abs=1e-4)
    pairs = classifier.match({"labs": X["labs"][:20], "note": X["note"]}, "labs", "note", pairwise=True)
    assert pairs.shape == (20, 60)
    assert np.diag(pairs)[seen[:20]] == pytest.approx(score[:20][seen[:20]], abs=1e-4)
    assert np.isnan(pairs[~seen[:20]]).sum() > 0
    assert np.nanmean(score) > np.nanmean(pairs) + 0.1  # rows fit themselves better than one another


def test_save_and_load(classifier, regressor, tmp_path):
    X, _ = rows(30, 7)
    for number, fitted in enumerate((classifier, regressor)):
        folder = fitted.save(tmp_path / str(number))
        fitted.save(folder)  # over itself
        read = type(fitted).load(folder)
        assert (read.predict(X) == fitted.predict(X)).all()
        assert read.get_params() == fitted.get_params()
        assert read.views_ == fitted.views_
    assert (CopulaFusionClassifier.load(tmp_path / "0").predict_proba(X) == classifier.predict_proba(X)).all()
    assert (
        CopulaFusionRegressor.load(tmp_path / "1").predict(X, return_std=True)[1]
        == regressor.predict(X, return_std=True)[1]
    ).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1"]
    with pytest.raises(ValueError, match="CopulaFusionRegressor, not a CopulaFusionClassifier"):
        CopulaFusionClassifier.load(tmp_path / "1")
    (tmp_path / "0" / "mine.txt").touch()
    with pytest.raises(FileExistsError, match="something else"):
        classifier.save(tmp_path / "0")
    text = (tmp_path / "1" / "estimator.json").read_text()
    fewer = json.loads(text)
    fewer["fitted"]["spread_"][2].pop()
    for damaged in (text[:-20], text.replace('"views"', '"vistas"'), json.dumps([1]), json.dumps(fewer)):
        (tmp_path / "1" / "estimator.json").write_text(damaged)
        with pytest.raises(ValueError, match=r"estimator\.json"):
            CopulaFusionRegressor.load(tmp_path / "1")
    (tmp_path / "1" / "estimator.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"estimator\.json"):
        CopulaFusionRegressor.load(tmp_path / "1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X: X | {"film": X["labs"]}, "unknown modality 'film'"),
        (lambda X: {"labs": X["labs"][:, :2]}, r"'labs'.*\(3,\) a row, now a row is \(2,\)"),
        (lambda X: {"curve": X["curve"][..., :1]}, r"'curve'.*\(6, 1\)"),
        (lambda X: X | {"labs": X["labs"][:-1]}, "different numbers of rows"),
        (lambda X: {"labs": X["labs"] * np.nan}, "20 rows have no modality at all"),
        (lambda X: {"labs": np.where(np.arange(20)[:, None] == 7, [1, np.nan, 2], 0.0)}, "'labs', row 7: a missing"),
        (lambda X: {"labs": np.where(np.arange(20)[:, None] == 7, [0, np.inf, 0], 0.0)}, "'labs', row 7: infinity"),
        (lambda X: {}, "no modality"),
        (lambda X: {"labs": np.zeros((0, 3))}, "0 rows"),
        (lambda X: {"labs": ["calm"] * 20}, "saw numbers, now these are texts"),
        (lambda X: {"note": np.zeros((20, 3))}, "saw texts, now these are numbers"),
        (lambda X: {"note": ["calm"] * 19 + [3]}, "'note', row 19: expected a text"),
        (lambda X: {"note": "calm"}, "'note'.*got str"),
        (lambda X: {"labs": 3}, "'labs': expected rows, got int"),
        (lambda X: {"labs": [[1, 2, 3]] * 19 + [[1, 2]]}, "'labs': its rows have different shapes"),
    ],
)
def test_rows_that_are_not_like_those_of_fitting_are_refused(classifier, change, message):
    X, _ = rows(20, 8)
    X["labs"][0] = 0.0
    with pytest.raises((ValueError, TypeError), match=message):
        classifier.predict(change(X))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X, y[:-1]), "X has 40 rows, y has 39"),
        (lambda X, y: (X, np.where(np.arange(40) < 9, y, -1)), "at least 10 labelled rows, got 9"),
        (lambda X, y: (X, np.ones(40, int)), "one class only"),
        (lambda X, y: (X, None), "requires y"),
        (lambda X, y: (X, np.linspace(0, 1, 40)), "continuous"),
        (lambda X, y: (X | {"film": [None] * 40}, y), "'film': no training row has it"),
        (lambda X, y: (X | {"film": np.zeros((40, 1, 2, 3, 4))}, y), r"'film': shape \(40, 1, 2, 3, 4\)"),
        (lambda X, y: (X | {"film": np.full((40, 1, 2, 2), 9.0)}, y), r"'film', row 0: pixels outside \[0, 1\]"),
        (lambda X, y: ({"labs": np.where(np.arange(40)[:, None] == 3, np.nan, np.ones((40, 2)))}, y), "1 rows have no"),
        (lambda X, y: ({"x": np.array([["2020-01-01"]] * 40, "M8[D]")}, y), "'x': datetime64"),
    ],
)
def test_rows_that_cannot_be_learned_from_are_refused(change, message):
    X, latent = rows(40)
    with pytest.raises((ValueError, TypeError), match=message):
        CopulaFusionClassifier(**SMALL).fit(*change(X, (latent > 0).astype(int)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"validation_fraction": 1.0}, "validation_fraction"),
        ({"encoders": {"film": {"kind": "convnet"}}}, "encoders names 'film'"),
        ({"modalities": {"a": [0]}}, "X is a dict"),
        ({"copula": "nonsense"}, "nonsense"),
        ({"hidden": 0}, "hidden"),
        ({"dim": 0}, "dim"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    X, latent = rows(40)
    with pytest.raises((ValueError, KeyError), match=message):
        CopulaFusionClassifier(**SMALL | settings).fit(X, (latent > 0).astype(int))


def test_unfitted(tmp_path):
    X, _ = rows(5)
    for call in (
        lambda e: e.predict(X),
        lambda e: e.impute(X),
        lambda e: e.match(X, "labs", "note"),
        lambda e: e.save(tmp_path),
    ):
        with pytest.raises(NotFittedError):
            call(CopulaFusionRegressor())


@pytest.mark.parametrize(
    ("pair", "message"), [(("labs", "labs"), "twice"), (("labs", "film"), "film"), (("labs", "note"), "no modality")]
)
def test_pairs_that_cannot_be_matched(classifier, pair, message):
    X, _ = rows(5)
    with pytest.raises(ValueError, match=message):
        classifier.match({"labs": X["labs"]}, *pair)


@pytest.mark.parametrize(
    ("value", "kind", "absent"),
    [
        (np.array([[1.0, 2.0], [np.nan, np.nan]]), "vector", [1]),
        (np.array([[1.0, np.nan], [np.nan, np.nan]]), "table", [1]),
        (np.array([1.0, np.nan]), "vector", [1]),
        ([1.0, None], "vector", [1]),
        ([[1, 2], None], "vector", [1]),
        (np.array([[1, 2], [3, 4]]), "vector", []),
        (np.array([["m", 3.5], [None, None]], dtype=object), "table", [1]),
        ([np.ones((3, 2)), None, np.ones((1, 2))], "series", [1]),
        (np.full((2, 1, 4, 4), 255, np.uint8), "image", []),
        ([np.full((1, 4, 4), 255, np.uint8), None], "image", [1]),
        (["a b", None, ""], "text", [1]),
        ([["a", "b"], [], ("c",)], "text", [1]),
        (np.array(["a", np.nan, "b"], dtype=object), "text", [1]),
        (torch.ones(2, 3), "vector", []),
    ],
)
def test_what_an_input_is_and_which_rows_lack_it(value, kind, absent):
    view = View.learn("m", value)
    content, present = view.read(value)
    assert view.kind == kind
    assert np.flatnonzero(~present).tolist() == absent
    if kind == "image":
        encoder = make_encoder(view.specification(), 2)
        assert encoder.read(content, torch.from_numpy(present), "m")[torch.from_numpy(present)].eq(1).all()


def test_images_tables_and_an_encoder_of_ones_choice():
    _, latent = rows(40)
    grey = np.clip(128 + 60 * latent, 0, 255).astype(np.uint8)
    images = [np.full((1, 6, 6), value) if i % 2 else None for i, value in enumerate(grey)]
    table = np.array([["high" if v > 0 else "low", v if i % 3 else None] for i, v in enumerate(latent)], dtype=object)
    series = [np.full((1 + i % 4, 2), v) for i, v in enumerate(latent)]
    estimator = CopulaFusionRegressor(**SMALL | {"max_steps": 3}, encoders={"curve": {"kind": "lstm", "layers": 1}})
    estimator.fit({"film": images, "table": table, "curve": series}, latent)
    assert [encoder.kind for encoder in estimator.model_.encoders] == ["convnet", "table", "lstm"]
    assert np.isfinite(estimator.predict({"film": np.full((3, 1, 9, 9), 128, np.uint8)})).all()
    assert estimator.feature_names("table") == ["column 0 = high", "column 0 = low", "column 1"]
    assert np.isnan(estimator.impute({"table": table}, 2)["table"]).any(axis=(0, 2)).nonzero()[0].tolist() == list(
        range(0, 40, 3)
    )


def test_series_of_different_lengths_end_in_nan():
    view = View.learn("m", [np.ones((3, 2)), None, np.ones((1, 2))])
    content, _ = view.read([np.ones((1, 2)), np.full((4, 2), 2.0)])
    assert content.shape == (2, 4, 2)
    assert content[0, 1:].isnan().all()
    assert (content[1] == 2).all()


def test_categories_become_indices_and_unknown_ones_missing_cells():
    cells = np.array([["m", 3.5, True], ["f", None, False], [None, 1.0, True]], dtype=object)
    view = View.learn("m", cells)
    assert view.categories == (("f", "m"), None, None)
    assert view.specification()["kind"] == "table"
    expected = torch.tensor([[1, 3.5, 1], [0, torch.nan, 0], [torch.nan, 1, 1]])
    assert torch.equal(view.read(cells)[0].nan_to_num(-7), expected.nan_to_num(-7))
    with pytest.warns(UserWarning, match="1 cells hold categories that fitting never saw"):
        assert torch.isnan(view.read(np.array([["x", 1.0, True]], dtype=object))[0][0, 0])


def test_dataframes_go_by_their_columns_names():
    pd = pytest.importorskip("pandas")
    table = pd.DataFrame({"age": [40, 50, 60], "ward": pd.Categorical(["b", None, "a"], ["c", "b", "a"])})
    view = View.learn("m", table)
    assert (view.columns, view.categories) == (("age", "ward"), (None, ("c", "b", "a")))
    expected = torch.tensor([[40.0, 1], [50, torch.nan], [60, 2]])
    assert torch.equal(view.read(table[["ward", "age"]])[0].nan_to_num(-7), expected.nan_to_num(-7))
    with pytest.raises(ValueError, match="lacks column 'ward'"):
        view.read(table[["age"]])
    with pytest.raises(ValueError, match="has column 'new', which fitting never saw"):
        view.read(table.assign(new=1))
    dates = table.assign(age=pd.to_datetime(["2020-01-01"] * 3))
    with pytest.raises(TypeError, match="'age'"):
        View.learn("m", dates)
    assert View.learn("m", pd.Series(["one", None, "two"])).kind == "text"
    fit = CopulaFusionClassifier({"a": ["age"], "b": ["ward"]}, **SMALL | {"max_steps": 3})
    many = pd.concat([table] * 10, ignore_index=True)
    fit.fit(many, pd.Series([0, 1, 1] * 10))
    assert list(fit.feature_names_in_) == ["age", "ward"]
    assert fit.predict_proba(many).shape == (30, 2)


def test_encoders_are_chosen_by_name_and_completed():
    assert View.learn("m", np.ones((3, 5))).specification({"kind": "precomputed"}) == {
        "kind": "precomputed", "inputs": 5,
    }  # fmt: skip
    lstm = View.learn("m", np.ones((3, 4, 2))).specification({"kind": "lstm", "layers": 1})
    assert lstm["kind"] == "lstm"
    assert len(lstm["channels"]) == 2
    assert len(View.learn("m", np.ones((3, 5))).specification({"kind": "table"})["columns"]) == 5


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_held_out_rows_have_every_class_in_proportion(share):
    target = np.repeat([0.0, 1.0, np.nan], [100, 20, 50])
    chosen = held_out(target, share, np.random.RandomState(0))
    assert not chosen[np.isnan(target)].any()
    for label, number in ((0, 100), (1, 20)):
        assert abs(chosen[target == label].sum() - share * number) <= 1
    value = np.arange(100.0)
    assert np.abs(np.sort(value[held_out(value, 0.2, np.random.RandomState(1))]) - np.arange(2, 100, 5)).max() <= 5


def test_held_out_groups_stay_together():
    groups = np.repeat(np.arange(20), 5)
    target = np.where(np.arange(100) % 5 == 0, np.nan, groups % 2)
    chosen = held_out(target, 0.2, np.random.RandomState(0), groups)
    assert {tuple(chosen[groups == group].tolist()) for group in range(20)} == {(True,) * 5, (False,) * 5}
    assert chosen.sum() == 20
    with pytest.raises(ValueError, match="one group"):
        held_out(target, 0.2, np.random.RandomState(0), np.zeros(100))
    with pytest.raises(ValueError, match="groups have the shape"):
        held_out(target, 0.2, np.random.RandomState(0), groups[:-1])


def test_columns_of_a_plain_array_work_with_scikit_learns_tools():
    X, latent = rows(90)
    flat = np.concatenate([X["labs"], X["curve"][:, 0]], 1)
    seen = ~np.isnan(flat).all(1)
    flat, y = flat[seen], named(latent[seen])
    estimator = CopulaFusionClassifier({"labs": [0, 1, 2], "curve": [3, 4]}, **SMALL)
    scores = cross_val_score(make_pipeline(StandardScaler(), estimator), flat, y, cv=2)
    assert scores.min() > 0.6
    search = GridSearchCV(clone(estimator).set_params(max_steps=3), {"dropout": [0.0, 0.2]}, cv=2).fit(flat, y)
    assert search.best_params_["dropout"] in (0.0, 0.2)
    with pytest.raises(ValueError, match="names column 9"):
        clone(estimator).set_params(modalities={"a": [9]}).fit(flat, y)
    with pytest.raises(ValueError, match="4 features"):
        search.predict(flat[:, :4])


CHECKS = {
    "check_parameters_default_constructible", "check_no_attributes_set_in_init",
    "check_do_not_raise_errors_in_init_or_set_param", "check_get_params_invariance", "check_set_params",
    "check_estimators_unfitted", "check_estimators_dtypes", "check_dict_unchanged",
    "check_dont_overwrite_attributes", "check_n_features_in", "check_n_features_in_after_fitting",
    "check_estimators_fit_returns_self", "check_fit2d_1sample", "check_fit2d_1feature", "check_fit1d",
    "check_requires_y_none", "check_supervised_y_no_nan", "check_supervised_y_2d", "check_complex_data",
    "check_dtype_object", "check_estimator_sparse_array", "check_fit_idempotent", "check_readonly_memmap_input",
    "check_estimators_overwrite_params", "check_classifiers_one_label", "check_classifiers_regression_target",
    "check_regressors_int", "check_estimator_cloneable", "check_estimator_repr", "check_mixin_order",
    "check_estimator_tags_renamed", "check_valid_tag_types", "check_positive_only_tag_during_fit",
}  # fmt: skip
SCIKIT_LEARNS = [
    (estimator, check)
    for kind in (CopulaFusionClassifier, CopulaFusionRegressor)
    for estimator, check in estimator_checks_generator(kind(max_steps=2, dim=2, hidden=4), mark=None)
    if getattr(check, "func", check).__name__ in CHECKS
]


@pytest.mark.parametrize(
    ("estimator", "check"),
    SCIKIT_LEARNS,
    ids=[f"{type(e).__name__}-{getattr(c, 'func', c).__name__}" for e, c in SCIKIT_LEARNS],
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_the_example_of_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parents[2] / "docs" / "estimators.md").read_text()
    example = page.split("```python\n")[1].split("```")[0].replace("CopulaFusionClassifier()", "Small")
    names = {"Small": CopulaFusionClassifier(max_steps=3)}
    exec(example, names)
    assert names["nats"].shape == (200,)
    assert names["draws"]["labs"].shape == (8, 200, 5)
