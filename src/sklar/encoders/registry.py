"""Encoders by name, and those of a user's own by import path."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from importlib import import_module
from typing import Any

from sklar.encoders.bag_of_words import BagOfWordsEncoder
from sklar.encoders.base import Encoder
from sklar.encoders.convnet import ConvNetEncoder
from sklar.encoders.events import EventsEncoder
from sklar.encoders.image import ImageEncoder
from sklar.encoders.lstm import LSTMEncoder
from sklar.encoders.precomputed import PrecomputedEncoder
from sklar.encoders.summary import SummaryEncoder
from sklar.encoders.table import TableEncoder
from sklar.encoders.text import TextEncoder
from sklar.encoders.transformer import TransformerEncoder
from sklar.encoders.vector import VectorEncoder

ENCODERS: dict[str, type[Encoder]] = {
    encoder.kind: encoder
    for encoder in (
        VectorEncoder, PrecomputedEncoder, TableEncoder, SummaryEncoder, LSTMEncoder, TransformerEncoder, EventsEncoder,
        BagOfWordsEncoder, TextEncoder, ConvNetEncoder, ImageEncoder,
    )
}  # fmt: skip


def encoder_class(kind: str) -> type[Encoder]:
    """The class of a kind: a name in `ENCODERS`, or ``"package.module.Class"`` for one that is not sklar's.

    Raises:
        KeyError: neither; the known names are listed.
        TypeError: the path leads to something that is not an `Encoder`.
    """
    if kind in ENCODERS:
        return ENCODERS[kind]
    module, _, name = kind.rpartition(".")
    if not module:
        raise KeyError(f"unknown encoder {kind!r}; choose one of {list(ENCODERS)}, or give package.module.Class")
    try:
        found = getattr(import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise KeyError(f"encoder {kind!r} cannot be imported: {error}") from error
    if not (isinstance(found, type) and issubclass(found, Encoder)):
        raise TypeError(f"encoder {kind!r} is no sklar.encoders.Encoder")
    return found


def completed(known: Mapping[str, Any], wanted: Mapping[str, Any]) -> dict[str, Any]:
    """A specification with what it leaves out filled in from the default one, so far as its kind takes it.

    Raises:
        KeyError, TypeError: as `encoder_class`.
    """
    if "kind" in wanted:
        taken = inspect.signature(encoder_class(str(wanted["kind"]))).parameters
        known = {key: value for key, value in known.items() if key in taken}
    return {**known, **wanted}


def make_encoder(specification: int | Mapping[str, Any], dim: int, hidden: int = 64, dropout: float = 0.1) -> Encoder:
    """An encoder from its specification.

    Args:
        specification: ``{"kind": name, further arguments}``; a number means ``{"kind": "vector", "inputs": number}``.
            ``hidden`` and ``dropout`` within it override the model's.
        dim: embedding width ``d``.
        hidden: hidden units.
        dropout: rate on hidden layers.

    Raises:
        KeyError: an unknown kind. TypeError: arguments that it does not have, or lacks; its own are listed.
    """
    if isinstance(specification, int):
        specification = {"kind": "vector", "inputs": specification}
    arguments = dict(specification)
    kind = arguments.pop("kind", "")
    family = encoder_class(str(kind))
    known = [name for name in inspect.signature(family).parameters if name != "dim"]
    unknown = [name for name in arguments if name not in known]
    if unknown:
        raise TypeError(f"encoder {kind!r} has no setting {unknown[0]!r}; it has {known}")
    common = {"hidden": hidden, "dropout": dropout}
    return family(dim, **{name: value for name, value in common.items() if name in known} | arguments)
