"""Tables: features against a loop over the cells."""

import numpy as np
import torch
from encoder_cases import COLUMNS, tables

from sklar.encoders import make_encoder


def test_features_are_numbers_and_indicators():
    x = tables(torch.tensor([0, 1, 1, 0, 1]), torch.Generator().manual_seed(0))
    x[0] = torch.nan
    encoder = make_encoder({"kind": "table", "columns": COLUMNS}, 4)
    found = encoder.describe(encoder.read(x, torch.ones(5, dtype=torch.bool), "m"))
    for row in range(5):
        age, ward, weight = x[row].tolist()
        wards = [np.nan] * 3 if np.isnan(ward) else [float(ward == i) for i in range(3)]
        np.testing.assert_array_equal(found[row], np.float32([age, *wards, weight]))
    assert encoder.feature_names() == ["age", "ward = a", "ward = b", "ward = c", "weight"]


def test_missing_and_known_cells_are_told_apart():
    encoder = make_encoder({"kind": "table", "columns": COLUMNS}, 4, 16, 0.0)
    rows = torch.tensor([[0.0, 0.0, 0.0], [torch.nan, 0.0, 0.0], [0.0, torch.nan, 0.0], [torch.nan] * 3])
    mean, _ = encoder(encoder.read(rows, torch.ones(4, dtype=torch.bool), "m"))
    for i in range(4):
        for j in range(i):
            assert (mean[i] - mean[j]).abs().max() > 1e-3
