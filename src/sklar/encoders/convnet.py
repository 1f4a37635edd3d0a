"""Images through a small convolutional network, from scratch."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from sklar.encoders.base import Encoder, no_padding
from sklar.encoders.pixels import read_images, resized, thumbnail, thumbnail_names


class ConvNetEncoder(Encoder):
    """Blocks of convolution, normalisation within the image, ReLU; each but the first halves the image.

    Images are resized to ``size x size``; what is left at the end, 4 x 4 places or so, goes through a linear layer. The
    likelihood speaks of a thumbnail. Those places are the tokens.

    Args:
        dim: embedding width ``d``.
        hidden: channels of the last block.
        dropout: rate before the linear layer.
        channels: of the images.
        size: pixels a side.
        thumbnail: areas a side of the thumbnail.
    """

    kind: ClassVar[str] = "convnet"

    def __init__(
        self,
        dim: int,
        hidden: int = 64,
        dropout: float = 0.1,
        *,
        channels: int = 1,
        size: int = 64,
        thumbnail: int = 8,
    ) -> None:
        if channels < 1 or size < 1 or thumbnail < 1:
            raise ValueError("channels, size and thumbnail must be at least 1")
        super().__init__(channels * thumbnail**2, dim)
        self.channels, self.size, self.thumbnail, self.token_width = channels, size, thumbnail, hidden
        halvings = max(0, round(math.log2(size / 4)))
        widths = [channels, *(max(8, hidden >> (halvings - i)) for i in range(halvings)), hidden]
        layers: list[nn.Module] = []
        for i in range(halvings + 1):
            stride = 1 if i == 0 else 2
            groups = math.gcd(8, widths[i + 1])
            layers += [
                nn.Conv2d(widths[i], widths[i + 1], 3, stride, padding=1),
                nn.GroupNorm(groups, widths[i + 1]),
                nn.ReLU(),
            ]
        left = size
        for _ in range(halvings):
            left = (left + 1) // 2
        self.network = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(dropout), nn.Linear(hidden * left**2, 2 * dim))
        self.register_buffer("centre", torch.zeros(channels, 1, 1))
        self.register_buffer("contrast", torch.ones(channels, 1, 1))

    centre: Tensor
    contrast: Tensor

    def read(self, x: Any, shown: Tensor, name: str) -> Tensor:
        """Images ``(B, C, H, W)`` in [0, 1]."""
        return read_images(x, shown, name, self.channels, self.anchor)

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Standardisation of the thumbnail, and mean and standard deviation of each channel's pixels."""
        super().start(x)
        self.centre.copy_(x.mean((0, 2, 3), dtype=torch.double)[:, None, None])
        deviation = (x - self.centre).square().mean((0, 2, 3), dtype=torch.double).sqrt()[:, None, None]
        self.contrast.copy_(torch.where(deviation > 1e-6, deviation, 1.0))

    def describe(self, x: Tensor) -> Tensor:
        """A thumbnail, channel by channel."""
        return thumbnail(x, self.thumbnail)

    def tokens(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The places of the last block, row after row."""
        maps: Tensor = self.network[:-3]((resized(x, self.size, self.size) - self.centre) / self.contrast)
        tokens = maps.flatten(2).mT
        return tokens, no_padding(tokens)

    def pool(self, tokens: Tensor, padding: Tensor) -> Tensor:
        """All places through the linear layer."""
        outputs: Tensor = self.network[-3:](tokens.mT)  # flattened channel by channel
        return outputs

    def feature_names(self) -> list[str]:
        """Channel and place."""
        return thumbnail_names(self.channels, self.thumbnail)
