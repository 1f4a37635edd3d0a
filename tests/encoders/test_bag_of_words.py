"""Bags of words against a loop over words."""

import math
import zlib
from itertools import pairwise

import numpy as np
import torch

from sklar.data import Texts
from sklar.encoders import make_encoder

TEXTS = Texts([("Well, well: stable.", "Stable"), ("septic SHOCK",), (), ("  ",)])
EVERYONE = torch.ones(4, dtype=torch.bool)


def counts(texts, buckets=64):
    found = np.zeros(buckets)
    for text in texts:
        words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
        for gram in words + [f"{a} {b}" for a, b in pairwise(words)]:
            found[zlib.crc32(gram.encode()) % buckets] += 1
    return found


def test_counts_rarity_and_features():
    encoder = make_encoder({"kind": "bag_of_words", "buckets": 64, "features": 5}, 4, 16, 0.0)
    expected = np.stack([counts(row) for row in TEXTS])
    read = encoder.read(TEXTS, EVERYONE, "m")
    np.testing.assert_array_equal(read, expected)
    encoder.start(read)
    rarity = [1 + math.log(5 / (1 + n)) for n in (expected > 0).sum(0)]
    np.testing.assert_allclose(encoder.rarity, rarity, rtol=1e-6)
    np.testing.assert_allclose(encoder.describe(read), np.log1p(expected) @ encoder.signs.double().numpy(), atol=1e-5)
    assert set(encoder.signs.mul(5**0.5).round(decimals=4).unique().tolist()) == {-1.0, 1.0}
    weighted = np.log1p(expected) * rarity
    weighted[:2] *= 8 / np.linalg.norm(weighted[:2], axis=1, keepdims=True)
    mean, _ = encoder(read)
    reference = encoder.network(torch.tensor(weighted, dtype=torch.float32))[:, :4]
    assert (mean - reference).abs().max() < 1e-5


def test_only_the_last_notes_are_read():
    encoder = make_encoder({"kind": "bag_of_words", "buckets": 64, "notes": 1}, 4)
    read = encoder.read(TEXTS, EVERYONE, "m")
    np.testing.assert_array_equal(read, np.stack([counts(row[-1:]) for row in TEXTS]))
