"""Small models with one latent for all modalities, and their experts, divergences and reconstructions, row by row."""

import torch

from sklar.data import Batch
from sklar.models import make_model

WIDTHS = {"a": 5, "b": 3, "c": 4}
PATTERNS = torch.tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]]).bool()


def case(name, inputs=WIDTHS, **settings):
    """A model with random weights in evaluation mode, float64."""
    torch.manual_seed(0)
    return make_model(name, inputs=inputs, classes=3, dim=4, hidden=8, **settings).double().eval()


def rows(times=1):
    """Rows of every pattern."""
    g = torch.Generator().manual_seed(1)
    observed = PATTERNS.repeat(times, 1)
    inputs = {name: torch.randn(len(observed), d, generator=g).double() for name, d in WIDTHS.items()}
    return Batch(inputs, observed, torch.randint(3, (len(observed),), generator=g))


def encoded(model, batch):
    """What `outputs` and `regularizer` are given."""
    checked = model.check(batch)
    return checked, model.encode(checked)


def experts(model, batch, row):
    """Mean and standard deviation of each observed modality, from the encoder of that row alone."""
    found = {}
    for m, name in enumerate(WIDTHS):
        if batch.observed[row, m]:
            mean, log_scale = model.encoder(name)(batch.inputs[name][row : row + 1])
            found[name] = (mean[0], log_scale[0].exp())
    return found


def product(chosen):
    """``N(0, 1)`` times normals, coordinate by coordinate: precisions add, means are weighted by them."""
    precision = 1 + sum(1 / sd**2 for _, sd in chosen)
    return sum(mean / sd**2 for mean, sd in chosen) / precision, precision**-0.5


def divergence(mean, sd):
    """From the standard normal, by torch."""
    normal = torch.distributions.Normal
    return torch.distributions.kl_divergence(normal(mean, sd), normal(0.0, 1.0)).sum()


def misfit(model, batch, row, z):
    """Half the squared error of each observed input decoded from ``z``, summed, and the decoders' negative density."""
    error, density = 0.0, 0.0
    for m, (name, decoder) in enumerate(zip(WIDTHS, model.decoders, strict=True)):
        if batch.observed[row, m]:
            gap = batch.inputs[name][row] - decoder.network(z)
            error = error + 0.5 * (gap**2).sum()
            normal = torch.distributions.Normal(decoder.network(z), decoder.log_scale.exp())
            density = density - normal.log_prob(batch.inputs[name][row]).sum()
    return error, density
