"""Raw clinical data to dataset folders: one reader a data set, and the registry of all readers by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sklar.clinical.eicu import prepare_eicu
from sklar.clinical.mimic3 import prepare_mimic3, verify_mimic3
from sklar.clinical.mimic3_simulation import simulate_mimic3
from sklar.clinical.physionet2012 import prepare_physionet2012
from sklar.data.digits_folder import prepare_digits
from sklar.data.mfeat_folder import prepare_mfeat

# Each takes `raw` and `out` by keyword, options with defaults, and returns the folder; the digits need no `raw`.
READERS: dict[str, Callable[..., Path]] = {
    "physionet2012": prepare_physionet2012,
    "eicu-demo": prepare_eicu,
    "mimic3": prepare_mimic3,
    "mfeat": prepare_mfeat,
    "digits": prepare_digits,
}

# What looks through the folder that a reader of the same name wrote; each returns an exit status.
VERIFIERS: dict[str, Callable[..., int]] = {"mimic3": verify_mimic3}

# Each takes `out` and options with defaults, and returns the folder of raw files.
SIMULATORS: dict[str, Callable[..., Path]] = {"mimic3": simulate_mimic3}

__all__ = [
    "READERS",
    "SIMULATORS",
    "VERIFIERS",
    "prepare_digits",
    "prepare_eicu",
    "prepare_mfeat",
    "prepare_mimic3",
    "prepare_physionet2012",
    "simulate_mimic3",
    "verify_mimic3",
]
