"""What a search may choose: the switches of the common recipe, offered to every model, and a model's own settings."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any

from sklar.models import MODELS
from sklar.models.card import Card
from sklar.training.config import RunConfig
from sklar.training.inputs import model_settings

Space = Mapping[str, tuple[Any, ...]]  # values by name; one given twice is drawn twice as often
Choice = dict[str, Any]  # a value by name

COMMON: Space = {
    "dim": (16, 32), "hidden": (64, 128, 256), "dropout": (0.1, 0.2, 0.3), "schedule.learning_rate": (5e-3, 2.5e-3),
}  # fmt: skip
RECIPE: Space = {
    "recipe.second_pass": (0.5, 0.5, 0.5, 0.0),
    "recipe.drop": (0.3, 0.5),
    "recipe.single": (0.3, 0.3, 0.0),
    "recipe.auxiliary": (0.3, 0.3, 0.3, 0.0),
    "recipe.jitter": (1.5, 1.0, 0.5, 0.0),
    "recipe.lend": (1.0, 1.0, 0.0),
}
GENERATIVE: Space = {
    "weight": (0.02, 0.06, 0.1, 0.15),
    "recipe.early": (0.0, 0.0, 19.0),
    "recipe.draws": (64, 64, 64, 16),
}
# By the loss that aligns an arm's embeddings: how much a contrast is worth beside the prediction, nobody has said.
ALIGNMENT: Mapping[str, Space] = {"infonce": {"alignment_weight": (0.01, 0.03, 0.1, 0.3)}}


def card_of(name: str) -> Card:
    """The card of a model, by its name in `MODELS`."""
    family = MODELS[name]
    while isinstance(family, partial):
        family = family.func
    return family.card  # type: ignore[attr-defined]


def search_space(name: str) -> Space:
    """The values among which a search for a model chooses.

    Raises:
        KeyError: an unknown model.
    """
    settings, card = model_settings(name), card_of(name)
    space = dict(COMMON)
    if card.recipe:
        space |= RECIPE
    if card.generates:
        space |= {key: values for key, values in GENERATIVE.items() if "." in key or key in settings}
    return space | {key: values for key, values in card.space.items() if "." in key or key in settings}


def draw_trials(space: Space, trials: int, seed: int) -> list[Choice]:
    """Different points of a space: the defaults first (nothing chosen), the others by Optuna's random sampler.

    They are drawn before any is tried: what one process finds does not change what another tries, and a search that
    was stopped goes on with the same ones.

    Args:
        space: values by name.
        trials: how many; fewer where the space has no more.
        seed: of the draw.
    """
    import optuna

    if trials < 1:
        raise ValueError(f"a search needs at least one trial, got {trials}")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    places = {name: optuna.distributions.IntDistribution(0, len(values) - 1) for name, values in space.items()}
    chosen: list[Choice] = [{}]
    for _ in range(50 * trials):
        if len(chosen) == trials:
            break
        asked = study.ask(dict(places)).params
        choice = effective({name: space[name][place] for name, place in asked.items()})
        if choice not in chosen:
            chosen.append(choice)
    return chosen


def effective(choice: Choice) -> Choice:
    """A choice without what has no effect beside the rest of it: switches of parts that are switched off."""
    no_second_pass = choice.get("recipe.second_pass") == 0
    return {name: value for name, value in choice.items() if not (no_second_pass and name == "recipe.drop")}


def apply(config: RunConfig, choice: Choice) -> RunConfig:
    """A configuration with what was chosen: ``"schedule.x"`` of the schedule, ``"x"``, ``"recipe.x"`` of the model."""
    settings, schedule = deepcopy(config.settings), config.schedule
    for name, value in choice.items():
        group, _, key = name.rpartition(".")
        if group == "schedule":
            schedule = replace(schedule, **{key: value})
        elif group == "recipe":
            settings.setdefault("recipe", {})[key] = value
        else:
            settings[name] = value
    return replace(config, settings=settings, schedule=schedule)
