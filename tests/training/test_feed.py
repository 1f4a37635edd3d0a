"""A trained model on folders that differ from the one it was trained on."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import QUICK, changed, permuted, tiny, with_presence, write

from sklar.data import Column, Image, Table, Vector, open_dataset
from sklar.data.missingness import MECHANISMS, Missingness
from sklar.evaluation import predict_rows
from sklar.training import Feed, RunConfig, Schedule, train_run
from sklar.training.apply import rows_of
from sklar.training.feed import remove


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("feed")
    write(folder / "data")
    schedule = Schedule(**QUICK["schedule"])
    return train_run(RunConfig(folder / "data", folder / "run", settings=QUICK["settings"], schedule=schedule), False)


def predictions(run, folder, content):
    """Of all rows, and what was warned about."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = predict_rows(run.model, rows_of(run, write(folder, content), None)).mean
    return found, " ".join(str(w.message) for w in caught)


def same(run, tmp_path, first, second):
    """The second content gives what the first does; returns the warnings of the second."""
    (one, _), (two, said) = (predictions(run, tmp_path / name, c) for name, c in (("one", first), ("two", second)))
    torch.testing.assert_close(two, one, rtol=0, atol=1e-6)
    return said


def test_the_order_of_modalities_columns_categories_channels_and_codes_does_not_matter(run, tmp_path):
    assert same(run, tmp_path, tiny(), permuted(tiny())) == ""


@pytest.mark.parametrize("name", ["vec", "labs", "vitals"])
def test_but_the_names_do(run, tmp_path, name):
    """The test above would pass with a model that looks at nothing."""
    content = tiny()
    value = content["modalities"][name]
    other = changed(content, name, values=value.values[..., [1, 0, *range(2, value.values.shape[-1])]])
    if name == "labs":
        other = changed(content, name, values=value.values[:, [0, 2, 1, 3]])
    one, two = (predictions(run, tmp_path / place, c)[0] for place, c in (("one", content), ("two", other)))
    assert (one - two).abs().max() > 1e-4


def without(content, *names):
    content = with_presence(content)
    for name in names:
        del content["modalities"][name]
        content["samples"].pop(f"has_{name}")
    return content


def absent(content, name):
    content = with_presence(content)
    content["samples"][f"has_{name}"] = [False] * len(content["samples"]["sample_id"])
    return content


def without_code(content, code):
    drugs = content["modalities"]["drugs"]
    kept = [i for i, name in enumerate(drugs.code) if name != code]
    columns = {key: [getattr(drugs, key)[i] for i in kept] for key in ("series_id", "time", "code", "value")}
    content = changed(content, "drugs", **columns)
    del content["samples"]["has_drugs"]  # some rows have none left
    return content


def cells(content, name, place, values):
    array = np.array(content["modalities"][name].values)
    array[..., place] = values
    return changed(content, name, values=array)


def unknown_category(content):
    labs = content["modalities"]["labs"]
    sex = replace(labs.columns[0], categories=("f", "m", "other"))
    return changed(content, "labs", columns=[sex, *labs.columns[1:]])


def x_is_nan(content):
    sex = np.array(content["modalities"]["labs"].values)[:, 0]
    return cells(content, "labs", 0, np.where(sex == 2, np.nan, sex))


def lacking(content, name, key, place):
    value = content["modalities"][name]
    columns = [column for k, column in enumerate(getattr(value, key)) if k != place]
    return changed(content, name, values=np.delete(value.values, place, -1), **{key: columns})


def extra(content, name, key):
    value = content["modalities"][name]
    more = np.ones((*value.values.shape[:-1], 1), np.float32)
    column = "more" if name == "vec" else Column("more")
    return changed(
        content, name, values=np.concatenate([more, value.values], -1), **{key: [column, *getattr(value, key)]}
    )


def renamed_code(content, old, new):
    drugs = content["modalities"]["drugs"]
    codes = [Column(new) if column.name == old else column for column in drugs.codes]
    return changed(content, "drugs", codes=codes, code=[new if code == old else code for code in drugs.code])


def another_modality(content):
    content = with_presence(content)
    content["modalities"] = {"ecg": Vector(np.ones((len(content["samples"]["sample_id"]), 2)))} | content["modalities"]
    return content


def only_sex(content, categories):
    """Nothing but the category in every table; in every third row it is the last one."""
    labs = content["modalities"]["labs"]
    values = np.full((60, 1), np.nan)
    values[:, 0] = [2 if i % 3 == 0 else i % 2 for i in range(60)]
    content = changed(content, "labs", values=values, columns=[replace(labs.columns[0], categories=categories)])
    if categories is None:
        values[::3] = np.nan
        content = changed(content, "labs", values=values, columns=[labs.columns[0]])
        del content["samples"]["has_labs"]
    return content


CHANGES = {
    "a modality less": (lambda c: without(c, "vec"), lambda c: absent(c, "vec"), "missing in all rows"),
    "texts less": (lambda c: without(c, "note"), lambda c: absent(c, "note"), "missing in all rows"),
    "a modality more": (another_modality, with_presence, "'ecg'] are not the run's and left out"),
    "an unknown category": (unknown_category, x_is_nan, "categories ['other'] are not known"),
    "an unknown code": (
        lambda c: renamed_code(c, "heparin", "warfarin"), lambda c: without_code(c, "heparin"), "'warfarin'",
    ),
    "a channel less": (
        lambda c: lacking(c, "vitals", "channels", 1), lambda c: cells(c, "vitals", 1, np.nan),
        "lacks the channels ['map']",
    ),
    "a column less": (
        lambda c: lacking(c, "labs", "columns", 1), lambda c: cells(c, "labs", 1, np.nan), "lacks the columns ['crp']",
    ),
    "a channel more": (lambda c: extra(c, "vitals", "channels"), with_presence, "1 channels not known"),
    "a column more": (lambda c: extra(c, "labs", "columns"), with_presence, "1 columns not known"),
    "a vector's column more": (lambda c: extra(c, "vec", "columns"), with_presence, "1 columns not known"),
    "a vector without names": (lambda c: changed(c, "vec", columns=None), with_presence, ""),
    "tables with nothing known": (
        lambda c: only_sex(c, ("f", "m", "other")), lambda c: only_sex(c, None), "categories ['other']",
    ),
    "no labels": (
        lambda c: {**c, "samples": {**c["samples"], "died": [None] * 60}}, with_presence, "",
    ),
    "another task": (
        lambda c: {**c, "task": "regression", "classes": None, "labels": ["x"],
                   "samples": {**c["samples"], "x": [1.5] * 60}}, with_presence, "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_change_means(run, tmp_path, change):
    new, old, warning = CHANGES[change]
    said = same(run, tmp_path, old(tiny()), new(tiny()))
    assert warning in said
    assert bool(said) == bool(warning)


def vector_of(content, name):
    return {**with_presence(content), "modalities": {**content["modalities"], name: Vector(np.ones((60, 3)))}}


REFUSED = {
    "another width": (lambda c: changed(c, "vec", values=c["modalities"]["vec"].values[:, :3], columns=None),
                      "modality 'vec': 3 features, the model has 4"),
    "a vector's column less": (lambda c: lacking(c, "vec", "columns", 2), "'vec' lacks the column 'v2'"),
    "other columns": (lambda c: changed(c, "vec", columns=list("abcd")), "none of its columns is known"),
    "another step": (lambda c: changed(c, "vitals", step=2.0), "bins of 2.0 hours.* in bins of 1.0 hours"),
    "another unit": (
        lambda c: changed(c, "vitals", channels=[Column("hr", "1/s"), *c["modalities"]["vitals"].channels[1:]]),
        "'hr': the unit is '1/s', the model was trained on '1/min'",
    ),
    "a category turned number": (
        lambda c: changed(c, "labs", columns=[Column("sex"), *c["modalities"]["labs"].columns[1:]]),
        "'sex': numbers and categories do not mix",
    ),
    "images of three channels": (
        lambda c: changed(c, "film", values=np.zeros((60, 3, 6, 6), np.uint8)), "'film'.*",
    ),
    **{f"{name} turned vector": (lambda c, name=name: vector_of(c, name), f"'{name}' is of kind vector, when .* it was")
       for name in ("labs", "vitals", "film", "note", "drugs")},
    "a vector turned image": (
        lambda c: {**with_presence(c), "modalities": {**c["modalities"], "vec": Image(np.zeros((60, 1, 2, 2)))}},
        "'vec' is of kind image",
    ),
}  # fmt: skip


@pytest.mark.parametrize("change", REFUSED)
def test_what_is_refused(run, tmp_path, change):
    new, message = REFUSED[change]
    with pytest.raises(ValueError, match=message):
        predictions(run, tmp_path / "data", new(tiny()))


def test_a_feed_alone_notices_another_kind(run, tmp_path):
    """As a user of the Python API has it, without what the run knows."""
    content = with_presence(tiny())
    content["modalities"]["labs"] = Vector(np.ones((60, 4)), ["sex", "crp", "k", "na"])
    dataset = open_dataset(write(tmp_path / "data", content))
    with pytest.raises(ValueError, match=r"numbers and categories do not mix"):
        Feed(dataset, run.model)


def test_rows_with_nothing_that_the_model_knows_are_counted_and_left_out(run, tmp_path):
    content = with_presence(tiny())
    for name in content["modalities"]:
        content["samples"][f"has_{name}"][4] = False
    content["modalities"]["other"] = Vector(np.ones((60, 2)))
    folder = write(tmp_path / "data", content)
    with pytest.warns(match="are not the run's"), pytest.warns(match=r"1 of 60 rows have none of .* and are left out"):
        rows = rows_of(run, folder, None)
    assert list(rows.dataset.sample_id) == [f"r{i:03d}" for i in range(60) if i != 4]
    with pytest.raises(ValueError, match=r"1 rows have none of the model's modalities .* sample_id r004"):
        Feed(open_dataset(folder), run.model)


def test_a_row_gets_the_same_prediction_in_any_company(run, tmp_path):
    rows = open_dataset(write(tmp_path / "data"))
    whole = predict_rows(run.model, Feed(rows, run.model))
    order = torch.randperm(60)[:23]
    part = predict_rows(run.model, Feed(rows.take(order), run.model))
    torch.testing.assert_close(part.mean, whole.mean[order], rtol=0, atol=1e-6)
    torch.testing.assert_close(part.spread, whole.spread[order], rtol=0, atol=1e-6)
    for row in range(0, 60, 13):
        alone = predict_rows(run.model, Feed(rows.take([row]), run.model))
        torch.testing.assert_close(alone.mean, whole.mean[row : row + 1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_mechanism_removes_some_and_never_all(run, tmp_path, mechanism):
    rows = open_dataset(write(tmp_path / "data"))
    missing = Missingness(mechanism, rate={"vec": 0.5, "labs": 0.3})
    left = remove(rows, run.model, missing)
    assert bool((left.observed <= rows.observed).all())
    assert bool(left.observed.any(-1).all())
    lost = (rows.observed & ~left.observed).sum(0)
    assert bool((lost[2:] == 0).all())
    assert bool((lost[:2] > 0).all()) == (mechanism != "natural")
    assert torch.equal(remove(rows, run.model, missing).observed, left.observed)
    content = left[:].inputs["vec"]
    assert bool(content[~left.observed[:, 0]].isnan().all())


def test_a_mechanism_of_a_model_without_all_modalities_leaves_the_others_alone(tmp_path):
    write(tmp_path / "data")
    config = RunConfig(
        tmp_path / "data", tmp_path / "run", "concat", QUICK["settings"], modalities=["vitals", "vec"],
        schedule=Schedule(**QUICK["schedule"]), missing=Missingness("mcar", {"vec": 0.4}),
    )  # fmt: skip
    run = train_run(config, progress=False)
    rows = open_dataset(tmp_path / "data")
    left = remove(rows, run.model, config.missing)
    lost = (rows.observed & ~left.observed).any(0)
    assert lost.tolist() == [True, False, False, False, False, False]


def test_a_table_and_a_category_given_by_number(tmp_path):
    """A user's own specification may name the number of categories only."""
    content = tiny()
    write(tmp_path / "data", content)
    columns = [{"name": "sex", "categories": 3}, "crp", "k", "na"]
    config = RunConfig(
        tmp_path / "data", tmp_path / "run", "concat", QUICK["settings"], {"labs": {"columns": columns}}, ["labs"],
        schedule=Schedule(**QUICK["schedule"]),
    )  # fmt: skip
    run = train_run(config, progress=False)
    labs = content["modalities"]["labs"]
    order = [3, 0, 1, 2]
    other = Table(labs.values[:, order], [labs.columns[k] for k in order])
    samples = {key: value for key, value in content["samples"].items() if key != "has_film"}
    first, second = ({**content, "samples": samples, "modalities": {"labs": value}} for value in (labs, other))
    assert same(run, tmp_path, first, second) == ""
