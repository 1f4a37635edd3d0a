"""scikit-learn's handwritten digits as a dataset folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from sklar.data.digits import digit_views
from sklar.data.mfeat_folder import write_digits

SOURCE = (
    "scikit-learn's load_digits: Alpaydin E, Kaynak C. Optical Recognition of Handwritten Digits. UCI Machine Learning "
    "Repository, 1998. doi:10.24432/C50P49."
)
LICENCE = "CC BY 4.0"


def prepare_digits(
    out: Path, raw: Path | None = None, *, seed: int = 0, train: int = 800, validation: int = 200
) -> Path:
    """Turn scikit-learn's 1,797 digits into a dataset folder: three vectors each, grey levels as they are.

    The split is that of `load_digits` with the same seed.

    Args:
        out: the dataset folder to write.
        raw: not read, the digits come with scikit-learn; there because every reader has it.
        seed: of the shuffled split, stratified by class.
        train: number of training rows.
        validation: number of validation rows (0: none); the rest is the test part.

    Returns:
        The dataset folder.

    Raises:
        ValueError: the parts leave no test row.
    """
    from sklearn import datasets

    bunch = datasets.load_digits()
    digit = np.asarray(bunch.target, dtype=np.int64)
    views = digit_views(torch.as_tensor(bunch.images, dtype=torch.float32))
    arrays = {name: view.numpy() for name, view in views.items()}
    return write_digits(
        out, "digits", arrays, digit, seed=seed, train=train, validation=validation, source=SOURCE, licence=LICENCE
    )
