"""Search spaces and the trials drawn from them."""

from pathlib import Path

import pytest

from sklar.benchmark.listing import model_tables
from sklar.benchmark.space import COMMON, GENERATIVE, RECIPE, apply, draw_trials, search_space
from sklar.models import MODELS
from sklar.training import RunConfig
from sklar.training.inputs import model_settings


def test_trials_are_different_points_of_the_space_and_the_first_is_the_default():
    space = {"dropout": (0.1, 0.2), "recipe.drop": (0.3, 0.5), "weight": (1, 2, 3)}
    drawn = draw_trials(space, 9, seed=3)
    assert drawn[0] == {}
    assert len(drawn) == 9
    assert all(drawn[i] != drawn[j] for i in range(9) for j in range(i))
    assert all(set(choice) == set(space) and all(v in space[k] for k, v in choice.items()) for choice in drawn[1:])
    assert drawn == draw_trials(space, 9, seed=3)
    assert drawn[:4] == draw_trials(space, 4, seed=3)  # fewer trials are the first of more
    assert drawn != draw_trials(space, 9, seed=4)
    assert len(draw_trials(space, 50, seed=0)) == 13  # all twelve points and the default
    with pytest.raises(ValueError, match="at least one trial"):
        draw_trials(space, 0, seed=0)


def test_a_value_given_twice_is_drawn_twice_as_often():
    first = [draw_trials({"a": (0, 0, 1), "b": tuple(range(10))}, 2, seed=s)[1]["a"] for s in range(300)]
    assert 0.25 < sum(first) / 300 < 0.42  # 1/3 within three standard errors


def test_a_choice_is_applied_without_touching_what_was_there():
    before = RunConfig(Path("d"), Path("o"), settings={"dim": 4, "recipe": {"drop": 0.1}})
    after = apply(before, {"dropout": 0.2, "recipe.second_pass": 0.0, "schedule.learning_rate": 0.01})
    assert after.settings == {"dim": 4, "dropout": 0.2, "recipe": {"drop": 0.1, "second_pass": 0.0}}
    assert after.schedule.learning_rate == 0.01
    assert before.settings == {"dim": 4, "recipe": {"drop": 0.1}}


@pytest.mark.parametrize("name", list(MODELS))
def test_every_models_space_names_settings_it_has_and_common_switches_are_the_same_for_all(name):
    space, settings = search_space(name), model_settings(name)
    for key, values in space.items():
        group, _, field = key.rpartition(".")
        assert group in ("", "recipe", "schedule")
        assert group or field in settings
        assert len(values) > 1
    assert COMMON.items() <= space.items()
    if "recipe.drop" in space:
        assert {k: v for k, v in space.items() if k in RECIPE} == dict(RECIPE)
    assert all(space[k] == v for k, v in GENERATIVE.items() if k in space and "." in k)


def test_the_models_are_listed_from_the_registry():
    (table,) = model_tables()
    assert [row[0] for row in table.rows] == list(MODELS)
    assert all(all(row) for row in table.rows)  # no empty cell
    about, space = model_tables("concat")
    assert dict(about.rows)["paper"].startswith("Neverova")
    assert [row[0] for row in space.rows] == list(search_space("concat"))
    with pytest.raises(KeyError, match="unknown model 'x'"):
        model_tables("x")
