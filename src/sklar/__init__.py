"""Multimodal learning when modalities are missing: copulas over embeddings, exact for every missing pattern.

This import needs torch alone. `sklar.models`, `sklar.training` and the command line need
``pip install 'sklar[train]'``.
"""

from __future__ import annotations

from sklar.joint import Joint, JointMixture, marginalize

__version__ = "0.1.0"
__all__ = ["Joint", "JointMixture", "__version__", "marginalize"]
