"""What is to be known of a model before it is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Card:
    """A model in a few words; `sklar models` prints them.

    Attributes:
        paper: where the method comes from.
        needs: what it asks of the encoders: ``"embeddings"``, or ``"tokens"`` where it looks inside them.
        departs: where this implementation leaves the paper.
        in_training: whether training rows may lack modalities.
        at_test: whether rows to predict may.
        generates: whether it draws what is missing.
        modalities: how many it fuses.
        recipe: whether the common recipe is for it.
        space: values of its own settings among which a search may choose, by name; one given twice is drawn twice as
            often.
    """

    paper: str
    needs: str = "embeddings"
    departs: str = ""
    in_training: bool = True
    at_test: bool = True
    generates: bool = False
    modalities: str = "any number"
    recipe: bool = True
    space: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
