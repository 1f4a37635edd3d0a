"""From a modality's input to its embedding, and back."""

from __future__ import annotations

from sklar.encoders.mlp import MLPDecoder, MLPEncoder, mlp

__all__ = ["MLPDecoder", "MLPEncoder", "mlp"]
