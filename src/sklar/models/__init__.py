"""Models for prediction under missing modalities, one a file, behind one interface."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from sklar.models.base import NO_RECIPE, FusionModel, Recipe
from sklar.models.concat import Concat
from sklar.models.daft import DAFT
from sklar.models.drfuse import DrFuse
from sklar.models.interleaved import Interleaved
from sklar.models.lsmt import LSMT
from sklar.models.mmtm import MMTM
from sklar.models.mmvae import MMVAE
from sklar.models.mopoe import MoPoE
from sklar.models.mvae import MVAE
from sklar.models.published import Published
from sklar.models.variational import VariationalCopula

MODELS: dict[str, Callable[..., FusionModel]] = {
    "variational_copula": VariationalCopula,
    "independence": partial(VariationalCopula, copula="independence"),
    "concat": Concat,
    "published": Published,
    "mmtm": MMTM,
    "daft": DAFT,
    "mvae": MVAE,
    "mmvae": MMVAE,
    "mopoe": MoPoE,
    "lsmt": LSMT,
    "interleaved": Interleaved,
    "drfuse": DrFuse,
}


def make_model(name: str, **settings: Any) -> FusionModel:
    """A model by its name in `MODELS`."""
    if name not in MODELS:
        raise KeyError(f"unknown model {name!r}; choose one of {list(MODELS)}")
    return MODELS[name](**settings)


__all__ = [
    "DAFT",
    "LSMT",
    "MMTM",
    "MMVAE",
    "MODELS",
    "MVAE",
    "NO_RECIPE",
    "Concat",
    "DrFuse",
    "FusionModel",
    "Interleaved",
    "MoPoE",
    "Published",
    "Recipe",
    "VariationalCopula",
    "make_model",
]
