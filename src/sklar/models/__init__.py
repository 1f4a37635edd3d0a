"""Models for prediction under missing modalities, one a file, behind one interface."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from sklar.models.attention_pool import AttentionPool
from sklar.models.base import FusionModel
from sklar.models.cm2 import CM2, CM2Published, CM2Released
from sklar.models.concat import Concat
from sklar.models.conditional_mean import ConditionalMean
from sklar.models.daft import DAFT
from sklar.models.drfuse import DrFuse
from sklar.models.frozen import Frozen
from sklar.models.interleaved import Interleaved
from sklar.models.late_fusion import LateFusion
from sklar.models.lsmt import LSMT
from sklar.models.medfuse import MedFuse
from sklar.models.missingness_only import MissingnessOnly
from sklar.models.mmtm import MMTM
from sklar.models.mmvae import MMVAE
from sklar.models.mopoe import MoPoE
from sklar.models.mvae import MVAE
from sklar.models.observed_only import ObservedOnly
from sklar.models.recipe import NO_RECIPE, Recipe
from sklar.models.tensor_fusion import TensorFusion
from sklar.models.unified import Unified
from sklar.models.variational import VariationalCopula

MODELS: dict[str, Callable[..., FusionModel]] = {
    "variational_copula": VariationalCopula,
    "independence": partial(VariationalCopula, copula="independence"),
    "concat": Concat,
    "conditional_mean": ConditionalMean,
    "unified": Unified,
    "medfuse": MedFuse,
    "late_average": partial(LateFusion, rule="average"),
    "late_product": partial(LateFusion, rule="product"),
    "tensor_fusion": TensorFusion,
    "attention_pool": AttentionPool,
    "observed_only": ObservedOnly,
    "missingness_only": MissingnessOnly,
    "cm2_published": partial(CM2Published, arm="published"),
    "cm2_released": partial(CM2Released, arm="released"),
    "mmtm": MMTM,
    "daft": DAFT,
    "mvae": MVAE,
    "mmvae": MMVAE,
    "mopoe": MoPoE,
    "lsmt": LSMT,
    "interleaved": Interleaved,
    "drfuse": DrFuse,
    "frozen": Frozen,
}


def make_model(name: str, **settings: Any) -> FusionModel:
    """A model by its name in `MODELS`."""
    if name not in MODELS:
        raise KeyError(f"unknown model {name!r}; choose one of {list(MODELS)}")
    return MODELS[name](**settings)


__all__ = [
    "CM2",
    "DAFT",
    "LSMT",
    "MMTM",
    "MMVAE",
    "MODELS",
    "MVAE",
    "NO_RECIPE",
    "AttentionPool",
    "CM2Published",
    "CM2Released",
    "Concat",
    "ConditionalMean",
    "DrFuse",
    "Frozen",
    "FusionModel",
    "Interleaved",
    "LateFusion",
    "MedFuse",
    "MissingnessOnly",
    "MoPoE",
    "ObservedOnly",
    "Recipe",
    "TensorFusion",
    "Unified",
    "VariationalCopula",
    "make_model",
]
