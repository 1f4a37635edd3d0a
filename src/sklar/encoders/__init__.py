"""From a modality's input to its embedding, and back to its features."""

from __future__ import annotations

from sklar.encoders.base import Encoder, mlp
from sklar.encoders.decoder import Decoder
from sklar.encoders.defaults import default_specification
from sklar.encoders.registry import ENCODERS, completed, encoder_class, make_encoder
from sklar.encoders.standardize import Standardize
from sklar.encoders.vector import VectorEncoder

__all__ = [
    "ENCODERS", "Decoder", "Encoder", "Standardize", "VectorEncoder", "completed", "default_specification",
    "encoder_class", "make_encoder", "mlp",
]  # fmt: skip
