"""What the encoders that are one layer after another have in common: their only token is what the last layer sees."""

from __future__ import annotations

from torch import Tensor, nn

from sklar.encoders.base import Encoder, no_padding


class OneTokenEncoder(Encoder):
    """An encoder that is ``network``, whose last layer is linear; what goes into that layer is the one token."""

    network: nn.Sequential

    def prepare(self, x: Tensor) -> Tensor:
        """What goes into the network, from what `read` gave: ``(B, ...) -> (B, inputs)``."""
        raise NotImplementedError

    def tokens(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The hidden layer after ReLU and dropout, ``(B, 1, W)``."""
        tokens = self.network[:-1](self.prepare(x))[:, None]
        return tokens, no_padding(tokens)

    def pool(self, tokens: Tensor, padding: Tensor) -> Tensor:
        """The token through the last layer."""
        outputs: Tensor = self.network[-1](tokens[:, 0])
        return outputs
