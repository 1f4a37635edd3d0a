"""How a model is trained, and on what."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch


@dataclass(frozen=True)
class Schedule:
    """How a model is trained.

    Attributes:
        steps: most optimiser steps.
        batch_size: rows a step, of each process.
        learning_rate: peak of AdamW's, after the warm-up; then a cosine down to 5% of it.
        weight_decay: of AdamW.
        warmup: steps of linear warm-up.
        clip: bound on the gradient's norm.
        average: decay of a moving average of the weights, which is what is validated and kept, see `Average`; 0 for
            the weights as they are.
        check_every: epochs between two validations; in long epochs there are at least ten validations a run, 25
            steps or more apart.
        patience: validations without improvement before training stops.
        save_every: seconds between two savings of the state from which a killed run resumes; each validation saves
            as well.
    """

    steps: int = 300
    batch_size: int = 100
    learning_rate: float = 5e-3
    weight_decay: float = 1e-3
    warmup: int = 20
    clip: float = 5.0
    average: float = 0.98
    check_every: int = 3
    patience: int = 6
    save_every: float = 60.0

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "check_every", "patience"):
            if getattr(self, name) < 1:
                raise ValueError(f"training needs at least one of {name}, got {getattr(self, name)}")
        if not 0 < self.learning_rate <= 10 or not self.clip > 0:
            raise ValueError(
                "learning_rate must be above 0 and at most 10, and clip above 0; "
                f"got {self.learning_rate} and {self.clip}"
            )
        if not 0 <= self.average < 1:
            raise ValueError(f"average must lie in [0, 1), got {self.average}")

    @property
    def longest(self) -> int:
        """Most steps between two validations."""
        return max(25, math.ceil(self.steps / 10))

    def rate(self, step: int) -> float:
        """Learning rate of a step, counted from zero."""
        cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / self.steps)))
        return self.learning_rate * min(1.0, (step + 1) / max(self.warmup, 1)) * (0.05 + 0.95 * cosine)


@dataclass(frozen=True)
class Hardware:
    """What a model is trained on.

    Attributes:
        accelerator: "cpu", "cuda", or "auto" for the best that is there (Apple's MPS lacks float64).
        devices: number of processes, one a device; on a CPU they share the machine.
        precision: "32-true", "bf16-mixed" (encoders in mixed precision, densities always in full), or "auto" for mixed
            where the device is a GPU that has it.
    """

    accelerator: str = "auto"
    devices: int = 1
    precision: str = "auto"

    def __post_init__(self) -> None:
        if self.devices < 1:
            raise ValueError(f"training needs at least one device, got {self.devices}")
        if self.accelerator not in ("auto", "cpu", "cuda"):
            raise ValueError(f"unknown accelerator {self.accelerator!r}; choose auto, cpu or cuda")
        if self.precision not in ("auto", "32-true", "bf16-mixed"):
            raise ValueError(f"unknown precision {self.precision!r}; choose auto, 32-true or bf16-mixed")


def resolve(hardware: Hardware) -> tuple[str, str]:
    """Accelerator and precision, ``auto`` replaced by what this machine has."""
    accelerator, precision = hardware.accelerator, hardware.precision
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"  # MPS lacks float64 and special functions
    if precision == "auto":
        precision = "bf16-mixed" if accelerator == "cuda" and torch.cuda.is_bf16_supported() else "32-true"
    return accelerator, precision


class Stream(IntEnum):
    """What a run draws: one stream of random numbers each."""

    ORDER = 0
    DRAWS = 1
    DROPOUT = 2
    PARTS = 3
    LABELS = 4
    MISSING_TRAIN = 5
    MISSING_VALIDATION = 6
    WEIGHTS = 7


def seed_of(*numbers: int) -> int:
    """One seed from several numbers (a run's seed, an epoch, a step): nearby ones give unrelated streams."""
    return int(np.random.SeedSequence([number % 2**64 for number in numbers]).generate_state(1, np.uint64)[0] >> 1)
