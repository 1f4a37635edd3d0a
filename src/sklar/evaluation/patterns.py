"""A model under every missing pattern."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from sklar.copulas.patterns import all_patterns
from sklar.data import Batch
from sklar.evaluation.metrics import energy_score, prediction_scores
from sklar.models import FusionModel
from sklar.models.base import tensor

Record = dict[str, Any]
ENERGY_DRAWS = 16


def pattern_name(names: list[str], pattern: Tensor) -> str:
    """The observed modalities joined by ``+``."""
    return "+".join(name for name, shown in zip(names, pattern.tolist(), strict=True) if shown)


def evaluate(model: FusionModel, complete: Batch, seed: int = 0) -> list[Record]:
    """Prediction scores, and the energy score of imputed inputs, under each of the ``2^M - 1`` patterns.

    Args:
        model: a trained model.
        complete: labelled rows with every modality, from which each pattern takes its part.
        seed: of the draws of the energy score.

    Returns:
        A record ``{pattern, accuracy, log_loss, brier, ece, energy_score}`` a pattern; the energy score is None where
        nothing is missing or the model does not generate.
    """
    if complete.target is None or not bool(complete.observed.all()):
        raise ValueError("evaluation over all patterns needs labelled rows with every modality present")
    records = []
    for pattern in all_patterns(len(model.names)):
        batch = complete.see(pattern)
        record: Record = {"pattern": pattern_name(model.names, pattern)}
        record |= prediction_scores(model.predict(batch), complete.target)
        record["energy_score"] = None
        if model.generates and not bool(pattern.all()):
            generator = torch.Generator().manual_seed(seed)
            drawn = model.generate(batch, ENERGY_DRAWS, generator, noise=True)
            hidden = [name for name, shown in zip(model.names, pattern.tolist(), strict=True) if not shown]
            scales = {name: model.encoder(name).scaling for name in hidden}
            truth = torch.cat([scales[name](tensor(complete, name)) for name in hidden], -1)
            draws = torch.cat([scales[name](drawn[name]) for name in hidden], -1)
            record["energy_score"] = energy_score(draws, truth)
        records.append(record)
    return records
