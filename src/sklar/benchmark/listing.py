"""The models in tables, from the registry: `sklar models`."""

from __future__ import annotations

from sklar.benchmark.space import card_of, search_space
from sklar.models import MODELS
from sklar.report.tables import Table
from sklar.training.inputs import model_settings


def model_tables(name: str | None = None) -> list[Table]:
    """All models, or one with its settings and its search space.

    Args:
        name: of a model.

    Raises:
        KeyError: an unknown model.
    """
    if name is None:
        columns = ["model", "missing in training", "at test", "generates", "modalities", "needs", "paper"]
        return [Table(f"{len(MODELS)} models; sklar models NAME tells more", columns, [_row(each) for each in MODELS])]
    model_settings(name)  # a KeyError where there is none
    card = card_of(name)
    about = [
        *zip(("missing in training", "missing at test", "generates", "modalities", "needs", "paper"), _row(name)[1:],
             strict=True),
        ("departs", card.departs or "not that we know"),
        ("settings", ", ".join(model_settings(name))),
    ]  # fmt: skip
    space = [[key, ", ".join(str(value) for value in values)] for key, values in search_space(name).items()]
    title = f"{name}: what a search chooses from (a value given twice is drawn twice as often)"
    return [Table(name, ["", ""], [list(row) for row in about]), Table(title, ["", "values"], space)]


def _row(name: str) -> list[str]:
    card = card_of(name)
    can = ["yes" if each else "no" for each in (card.in_training, card.at_test, card.generates)]
    return [name, *can, card.modalities, card.needs, card.paper]
