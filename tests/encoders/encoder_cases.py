"""One input of every kind of encoder, in which a class shows; used by all tests of this folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from sklar.data import Texts
from sklar.encoders import make_encoder

CHANNELS = [{"name": "rate", "unit": "1/min"}, {"name": "pressure", "unit": "mmHg"}, {"name": "never", "unit": None}]
COLUMNS = [
    {"name": "age", "unit": "years", "categories": None},
    {"name": "ward", "unit": None, "categories": ["a", "b", "c"]},
    {"name": "weight", "unit": "kg"},
]


def vectors(target, g):
    return 2.0 * target[:, None] + torch.randn(len(target), 3, generator=g)


def tables(target, g):
    rows = len(target)
    ward = torch.where(torch.rand(rows, generator=g) < 0.8, target, 2).float()
    x = torch.stack([50 + 10 * target + 5 * torch.randn(rows, generator=g), ward, torch.rand(rows, generator=g)], 1)
    x[torch.rand(x.shape, generator=g) < 0.2] = torch.nan
    return x


def series(target, g):
    rows = len(target)
    x = torch.randn(rows, 9, 3, generator=g)
    x[..., 0] = 80 + 8 * x[..., 0] + 12 * target[:, None]
    x[torch.rand(x.shape, generator=g) < 0.3] = torch.nan
    x[..., 2] = torch.nan
    length = torch.randint(1, 10, (rows,), generator=g)
    x[torch.arange(9) >= length[:, None]] = torch.nan
    return x


def events(target, g):
    rows = len(target)
    hours = (48 * torch.rand(rows, 12, generator=g)).sort(1).values
    code = torch.randint(3, (rows, 12), generator=g).float()
    value = torch.randn(rows, 12, generator=g) + 2 * target[:, None] * (code == 1)
    value[code == 2] = torch.nan
    x = torch.stack([hours, code, value], -1)
    x[torch.arange(12) >= torch.randint(1, 13, (rows, 1), generator=g)] = torch.nan
    return x


def texts(target, g):
    rows = []
    for label in target.tolist():
        words = ["well", "stable", "today"] if label == 0 else ["septic", "shock", "worse"]
        picked = [words[i] for i in torch.randint(3, (4,), generator=g).tolist()]
        rows.append(
            (f"the patient is {picked[0]} and {picked[1]}", " ".join(picked[2:]))[: 1 + int(picked[3] == words[0])]
        )
    return Texts(rows)


def images(channels):
    def make(target, g):
        x = 0.4 * torch.rand(len(target), channels, 18, 14, generator=g)
        x[target == 1, :, :9] += 0.5
        return x

    return make


def longer(x):
    return torch.cat([x, torch.full((len(x), 4, x.shape[2]), torch.nan)], 1)


def with_blanks(x):
    return Texts([("  ", *row, "", "\n") for row in x])


@dataclass(frozen=True)
class Case:
    """A specification, its inputs and how they are padded."""

    specification: Callable[[Path], dict]
    make: Callable
    pad: Callable | None = None
    threshold: float = 0.8  # AUROC after a few steps

    def encoder(self, folder, dropout=0.0, dim=4, hidden=16):
        torch.manual_seed(0)
        return make_encoder(self.specification(folder), dim, hidden, dropout)

    def rows(self, count, seed=0):
        g = torch.Generator().manual_seed(seed)
        target = torch.randint(2, (count,), generator=g)
        return self.make(target, g), target


def fixed(**specification):
    return lambda folder: specification


RESNET = {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]}
VIT = {
    "model_type": "vit", "hidden_size": 16, "image_size": 16, "patch_size": 8, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 16,
}  # fmt: skip

CASES = {
    "vector": Case(fixed(kind="vector", inputs=3), vectors),
    "precomputed": Case(fixed(kind="precomputed", inputs=3), vectors),
    "table": Case(fixed(kind="table", columns=COLUMNS), tables),
    "summary of series": Case(fixed(kind="summary", channels=CHANNELS, step=2.0), series, longer),
    "summary of events": Case(fixed(kind="summary", codes=["a", "b", "alone"]), events, longer),
    "lstm": Case(fixed(kind="lstm", channels=CHANNELS), series, longer),
    "lstm, forward": Case(fixed(kind="lstm", channels=3, layers=1, fill="forward", gaps=True), series, longer),
    "transformer": Case(fixed(kind="transformer", channels=CHANNELS), series, longer),
    "transformer, cls": Case(
        fixed(kind="transformer", channels=3, patch=4, time="learned", pooling="cls", layers=1), series, longer
    ),
    "events": Case(fixed(kind="events", codes=3), events, longer),
    "bag of words": Case(fixed(kind="bag_of_words", buckets=512), texts, with_blanks),
    "text, frozen": Case(
        lambda folder: {"kind": "text", "model": str(folder / "bert"), "tokens": 16, "pooling": "mean"},
        texts, with_blanks,
    ),
    "text, fine-tuned": Case(
        lambda folder: {
            "kind": "text", "model": str(folder / "bert"), "tokens": 16, "trainable": True, "combine": "attention"
        },
        texts, with_blanks,
    ),
    "convnet": Case(fixed(kind="convnet", channels=1, size=16), images(1)),
    "image, resnet": Case(fixed(kind="image", config=RESNET, channels=1, size=16), images(1)),
    "image, vit": Case(fixed(kind="image", config=VIT), images(3)),
    "image, frozen": Case(lambda folder: {"kind": "image", "model": str(folder / "vit"), "channels": 1}, images(1)),
    "image, fine-tuned": Case(
        lambda folder: {"kind": "image", "model": str(folder / "resnet"), "channels": 1, "trainable": True}, images(1)
    ),
}  # fmt: skip
