"""Images: reading, resizing, and a thumbnail that stands for one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from sklar.encoders.reading import numbers
from sklar.numerics.masking import only_observed

MARGIN = 1e-3  # beyond [0, 1] that an interpolation may have left


def read_images(x: Any, shown: Tensor, name: str, channels: int, like: Tensor) -> Tensor:
    """Images ``(B, C, H, W)`` in [0, 1]; uint8 is divided by 255; black in rows that lack the modality.

    Raises:
        TypeError: integers other than uint8.
        ValueError: another number of channels, no pixels, NaN, or values outside [0, 1] in an observed row.
    """
    value = numbers(x, shown, name, {"C": channels, "H": None, "W": None}, like)
    if 0 in value.shape[2:]:
        raise ValueError(f"modality {name!r}: images of {value.shape[2]} x {value.shape[3]} pixels")
    given = torch.as_tensor(x).dtype
    if given == torch.uint8:
        value = value / 255
    elif not given.is_floating_point:
        raise TypeError(f"modality {name!r}: images are uint8, or floats in [0, 1]; got {given}")
    value = only_observed(value, shown, name)
    outside = ((value < -MARGIN) | (value > 1 + MARGIN)).flatten(1).any(-1)
    if bool(outside.any()):
        row = int(outside.nonzero()[0])
        low, high = float(value[row].min()), float(value[row].max())
        raise ValueError(
            f"modality {name!r}, row {row}: pixels from {low:g} to {high:g}; expected [0, 1], or uint8 from 0 to 255"
        )
    return value


def resized(x: Tensor, height: int, width: int) -> Tensor:
    """``(B, C, H, W)`` to another size, bilinear, without aliasing."""
    if x.shape[2:] == (height, width):
        return x
    return interpolate(x, (height, width), mode="bilinear", antialias=True)


def thumbnail(x: Tensor, size: int) -> Tensor:
    """Means over a grid of ``size x size`` areas, a channel after the other: ``(B, C, H, W) -> (B, C size size)``."""
    return interpolate(x, (size, size), mode="area").flatten(1)


def thumbnail_names(channels: int, size: int) -> list[str]:
    """``"channel <c> (<row>, <column>)"``."""
    return [f"channel {c} ({i}, {j})" for c in range(channels) for i in range(size) for j in range(size)]
