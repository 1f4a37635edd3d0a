"""Texts: hashed words and pairs of words; nothing to download."""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any, ClassVar
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from sklar.encoders.base import mlp
from sklar.encoders.one_token import OneTokenEncoder
from sklar.encoders.reading import strings
from sklar.encoders.sketch import random_signs

WORD = re.compile(r"\w+")
TEXTS_KEPT = 50_000  # whose counts are remembered
NORM = 8.0  # of the input: its few large entries should move a layer of thousands of inputs neither little nor wildly


class BagOfWordsEncoder(OneTokenEncoder):
    """Log counts, weighted by how rare a word is among the training rows, scaled to one length, through a hidden layer.

    All texts of a row count together. A row without any word is encoded as zeros. The likelihood speaks of a random
    projection of the log counts.

    Args:
        dim: embedding width ``d``.
        hidden: hidden units.
        dropout: rate on the hidden layer.
        buckets: into which words fall by their CRC-32, whatever the machine.
        ngrams: longest run of words that is counted; 2 counts words and pairs.
        notes: only the last so many texts of a row; all of them with None.
        features: width of the projection.

    References:
        Weinberger et al., "Feature hashing for large scale multitask learning", ICML 2009.
    """

    kind: ClassVar[str] = "bag_of_words"
    rarity: Tensor
    signs: Tensor

    def __init__(
        self,
        dim: int,
        hidden: int = 64,
        dropout: float = 0.1,
        *,
        buckets: int = 4096,
        ngrams: int = 2,
        notes: int | None = None,
        features: int = 32,
    ) -> None:
        super().__init__(features, dim)
        if buckets < 1 or ngrams < 1 or features < 1 or (notes is not None and notes < 1):
            raise ValueError("buckets, ngrams, features and notes must be at least 1")
        self.buckets, self.ngrams, self.notes = buckets, ngrams, notes
        self.register_buffer("rarity", torch.ones(buckets))
        self.register_buffer("signs", random_signs(buckets, features))
        self.token_width = hidden
        self.network = mlp(buckets, hidden, 2 * dim, dropout)
        self._counted: OrderedDict[str, tuple[np.ndarray, np.ndarray]] = OrderedDict()

    def read(self, x: Any, shown: Tensor, name: str) -> Tensor:
        """Counts ``(B, buckets)``, NaN in rows that lack it."""
        counts = np.zeros((len(shown), self.buckets), np.float32)
        for row, texts in enumerate(strings(x, shown, name, self.notes)):
            for text in texts:
                places, count = self._count(text)
                counts[row, places] += count
        value = torch.from_numpy(counts).to(self.anchor)
        return torch.where(shown[:, None].to(value.device), value, torch.nan)

    def _count(self, text: str) -> tuple[np.ndarray, np.ndarray]:
        if text in self._counted:
            self._counted.move_to_end(text)
            return self._counted[text]
        words = [word.lower() for word in WORD.findall(text)]
        hashed = [
            crc32(" ".join(words[i : i + size]).encode()) % self.buckets
            for size in range(1, self.ngrams + 1)
            for i in range(len(words) - size + 1)
        ]
        places, count = np.unique(np.array(hashed, np.int64), return_counts=True)
        self._counted[text] = places, count.astype(np.float32)
        if len(self._counted) > TEXTS_KEPT:
            self._counted.popitem(last=False)
        return self._counted[text]

    @torch.no_grad()
    def start(self, x: Tensor) -> None:
        """Standardisation, and each bucket's rarity ``1 + log((1 + n) / (1 + n_rows_with_it))``."""
        super().start(x)
        self.rarity.copy_(1 + torch.log((1 + len(x)) / (1 + (x > 0).sum(0))))

    def describe(self, x: Tensor) -> Tensor:
        """A random projection of the log counts."""
        return torch.log1p(x) @ self.signs

    def prepare(self, x: Tensor) -> Tensor:
        """Weighted log counts, scaled to one length."""
        weighted = torch.log1p(x) * self.rarity
        length = torch.linalg.vector_norm(weighted, dim=-1, keepdim=True)
        return NORM * weighted / torch.where(length > 0, length, 1.0)

    def feature_names(self) -> list[str]:
        """``"projection <i>"``."""
        return [f"projection {i}" for i in range(self.signs.shape[1])]
