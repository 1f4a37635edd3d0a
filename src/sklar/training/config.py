"""What a run is: one typed configuration, which YAML can hold and the command line can override."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sklar.data.missingness import Missingness
from sklar.training.schedule import Hardware, Schedule


@dataclass(frozen=True)
class RunConfig:
    """A training run on a dataset folder.

    Attributes:
        data: the dataset folder (see docs/data.md).
        out: the run's folder: configuration, model, state, logs.
        model: name of the model, see ``sklar.models.MODELS``.
        settings: further arguments of the model, for instance {dim: 16, hidden: 256, dropout: 0.2, copula: vine}.
        encoders: encoders by modality where the default for its kind is not wanted, for instance {ehr: {kind: lstm}}
            (see docs/encoders.md); what the data set knows (channels, codes, columns) is filled in.
        modalities: the modalities to use, in this order; default all of the data set.
        matched: use only rows that have every modality in use, rather than any.
        labelled: number of training rows that keep their label, drawn by the seed, the same share of every class; the
            others train what needs no label. Default all that have one.
        unlabelled: whether training rows without a label take part.
        missing: mechanism that removes modalities from training and validation rows (a draw each), beside
            what is missing already; it looks at the labels before ``labelled`` hides some.
        validation: share of the training rows that serves validation where the data set has no such split.
        schedule: how long, how fast.
        hardware: on what.
        seed: of everything random.
    """

    data: Path
    out: Path
    model: str = "variational_copula"
    settings: dict[str, Any] = field(default_factory=dict)
    encoders: dict[str, dict[str, Any]] = field(default_factory=dict)
    modalities: list[str] | None = None
    matched: bool = False
    labelled: int | None = None
    unlabelled: bool = True
    missing: Missingness = field(default_factory=Missingness)
    validation: float = 0.2
    schedule: Schedule = field(default_factory=Schedule)
    hardware: Hardware = field(default_factory=Hardware)
    seed: int = 0
