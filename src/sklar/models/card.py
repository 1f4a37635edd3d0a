"""What is to be known of a model before it is chosen."""

from __future__ import annotations

from dataclasses import dataclass


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
    """

    paper: str
    needs: str = "embeddings"
    departs: str = ""
    in_training: bool = True
    at_test: bool = True
    generates: bool = False
    modalities: str = "any number"
