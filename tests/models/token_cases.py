"""Rows of a series, a series of other length and a vector, and their tokens one row at a time without any padding."""

import torch

from sklar.data import Batch, completely_at_random
from sklar.models import make_model

INPUTS = {
    "lab": {"kind": "lstm", "channels": 2},
    "vitals": {"kind": "transformer", "channels": 3, "layers": 1},
    "age": 4,
}
TASKS = ("classification", "multilabel", "regression")


def case(name, task="classification", inputs=INPUTS, **settings):
    """A model with random weights, biases included, in evaluation mode."""
    torch.manual_seed(0)
    classes = None if task == "regression" else 3
    model = make_model(name, inputs=inputs, classes=classes, task=task, dim=4, hidden=16, **settings).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval()


def rows(count=24, task="classification"):
    """Series of one to six bins, every pattern, some rows without a label."""
    g = torch.Generator().manual_seed(1)
    inputs = {}
    for name, channels in (("lab", 2), ("vitals", 3)):
        x = torch.randn(count, 6, channels, generator=g)
        x[torch.arange(6) >= torch.randint(1, 7, (count, 1), generator=g)] = torch.nan
        inputs[name] = x.double()
    inputs["age"] = torch.randn(count, 4, generator=g).double()
    label = torch.randint(3, (count,), generator=g)
    if task == "multilabel":
        target = torch.randint(2, (count, 3), generator=g).double()
        target[::5, 1] = torch.nan
        target[3] = torch.nan
    elif task == "regression":
        target = torch.where(torch.arange(count) % 5 == 0, torch.nan, label.double())
    else:
        target = torch.where(torch.arange(count) % 5 == 0, -1, label)
    return Batch(inputs, completely_at_random(count, 3, 0.45, g), target)


def outputs(model, batch):
    """The head's outputs ``(B, k)`` for a whole batch, of which a later mask hides more than was encoded."""
    everything = torch.ones_like(batch.observed)
    code = model.encode(model.check(batch.see(everything)))
    return model.outputs(code, batch.observed, 1, None)[0]


def tokens(model, batch, row):
    """By modality that the row has: its tokens ``(L, W)``, encoded alone."""
    found = {}
    for m, name in enumerate(model.names):
        if batch.observed[row, m]:
            encoder = model.encoder(name)
            x = encoder.read(batch.inputs[name][row : row + 1], torch.ones(1, dtype=torch.bool), name)
            values, padding = encoder.tokens(x)
            assert not padding.any()
            found[name] = values[0]
    return found


def embed(model, name, values):
    """What the encoder makes of tokens ``(L, W)``: ``(d,)``."""
    return model.encoder(name).pool(values[None], torch.zeros(1, len(values), dtype=torch.bool))[0, : model.dim]
