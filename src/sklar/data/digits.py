"""scikit-learn's bundled handwritten digits as three modalities."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from sklar.data.batch import Batch


@dataclass(frozen=True)
class Digits:
    """The demo's data: complete rows.

    Attributes:
        train: 800 rows.
        validation: 200 rows.
        test: the remaining 797 rows.
    """

    train: Batch
    validation: Batch
    test: Batch


def digit_views(images: Tensor) -> dict[str, Tensor]:
    """Three views of 8 x 8 images: upper half (32), lower half (32), sums of the rows and columns (16).

    Args:
        images: grey levels 0 to 16, ``(n, 8, 8)``.
    """
    profile = torch.cat([images.sum(2), images.sum(1)], dim=1)
    return {"upper": images[:, :4].flatten(1), "lower": images[:, 4:].flatten(1), "profile": profile}


def load_digits(seed: int, train: int = 800, validation: int = 200) -> Digits:
    """1,797 handwritten digits (Alpaydin & Kaynak, UCI 1998), shuffled by ``seed`` and stratified by class.

    Args:
        seed: of the split.
        train: number of training rows.
        validation: number of validation rows.
    """
    from sklearn import datasets
    from sklearn.model_selection import train_test_split

    bunch = datasets.load_digits()
    images = torch.as_tensor(bunch.images, dtype=torch.float32)
    target = torch.as_tensor(bunch.target, dtype=torch.long)
    rest, test_rows = train_test_split(
        range(len(target)), train_size=train + validation, stratify=target, random_state=seed
    )
    train_rows, validation_rows = train_test_split(rest, train_size=train, stratify=target[rest], random_state=seed)
    views = digit_views(images)
    whole = Batch(views, torch.ones(len(target), len(views), dtype=torch.bool), target)
    return Digits(*(whole[torch.tensor(rows)] for rows in (train_rows, validation_rows, test_rows)))
