"""The last state against torch's own, run row by row without padding."""

import numpy as np
import pytest
import torch
from encoder_cases import series

from sklar.encoders import make_encoder

TARGET = torch.tensor([0, 1, 0, 1, 1, 0])
EVERYONE = torch.ones(6, dtype=torch.bool)


def by_hand(values, fill, gaps, step):
    """What goes in, bin by bin: standardised values with NaN ``(T, C)``."""
    known, rows = ~np.isnan(values), []
    for t in range(len(values)):
        row, ago = [], []
        for c in range(values.shape[1]):
            seen = [s for s in range(t + 1) if known[s, c]]
            forward = values[seen[-1], c] if seen else 0.0
            row.append(values[t, c] if known[t, c] else (forward if fill == "forward" else 0.0))
            ago.append(np.log1p(step * (t - (seen[-1] if seen else -1))))
        rows.append([*row, *known[t], *(ago if gaps else [])])
    return torch.tensor(np.array(rows, np.float32))


@pytest.mark.parametrize(("fill", "gaps", "layers"), [("zero", False, 2), ("forward", True, 3), ("zero", True, 1)])
def test_last_state_is_that_of_each_row_alone(fill, gaps, layers):
    x = series(TARGET, torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    specification = {"kind": "lstm", "channels": 3, "step": 2.0, "layers": layers, "fill": fill, "gaps": gaps}
    encoder = make_encoder(specification, 4, 16, 0.0)
    encoder.start(encoder.read(x, EVERYONE, "m"))
    reference = torch.nn.LSTM((3 if gaps else 2) * 3, 16, layers, batch_first=True)
    weights = encoder.recurrent.state_dict()
    if layers > 1:  # the top one is apart
        weights |= {name.replace("_l0", f"_l{layers - 1}"): w for name, w in encoder.top.state_dict().items()}
    reference.load_state_dict(weights)
    mean, log_scale = encoder(encoder.read(x, EVERYONE, "m"))
    for row in range(6):
        values = x[row].numpy()
        end = 1 + max(np.flatnonzero(~np.isnan(values).all(1)), default=0)
        standard = (values[:end] - encoder.by_channel.mean.numpy()) / encoder.by_channel.scale.numpy()
        _, (state, _) = reference(by_hand(standard.clip(-5, 5), fill, gaps, 2.0)[None])
        expected = encoder.output(state[-1, 0])
        assert (torch.cat([mean[row], log_scale[row]]) - expected).abs().max() < 1e-6
