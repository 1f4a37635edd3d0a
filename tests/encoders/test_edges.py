"""Inputs at the edge: each has a documented meaning or a clear error."""

import pytest
import torch
from encoder_cases import CASES, COLUMNS

from sklar.data import Texts
from sklar.encoders import make_encoder

NAN = torch.nan
SERIES = ["summary of series", "lstm", "lstm, forward", "transformer", "transformer, cls"]
EVENTS = ["summary of events", "events"]


def read(encoder, x):
    return encoder.read(x, torch.ones(len(x), dtype=torch.bool), "m")


@pytest.mark.parametrize("name", SERIES + EVENTS)
def test_an_empty_series_or_no_events_is_one_meaning_however_it_is_written(name, networks):
    encoder = CASES[name].encoder(networks)
    x, _ = CASES[name].rows(10)
    encoder.start(read(encoder, x))
    empty = [x.new_empty(1, 0, 3), x.new_full((1, 1, 3), NAN), x.new_full((1, 30, 3), NAN)]
    means = torch.cat([encoder(read(encoder, value))[0] for value in empty])
    assert means.isfinite().all()
    assert (means - means[0]).abs().max() < 1e-6
    x[0] = NAN
    assert (encoder(read(encoder, x))[0][0] - means[0]).abs().max() < 1e-6
    features, known = encoder.features(read(encoder, empty[0]))
    assert features.isfinite().all()
    counts = torch.tensor([label.endswith("count") for label in encoder.feature_names()])
    assert torch.equal(known[0], counts)  # nothing is known but that there was nothing


@pytest.mark.parametrize("name", SERIES)
def test_silence_within_a_series_is_not_its_end(name, networks):
    encoder = CASES[name].encoder(networks)
    x = torch.full((2, 6, 3), NAN)
    x[:, 0, 0] = 1.0
    x[1, 5, 0] = 1.0  # the second goes on for longer
    mean, _ = encoder(read(encoder, x))
    assert (mean[0] - mean[1]).abs().max() > 1e-5


@pytest.mark.parametrize("name", ["text, frozen", "text, fine-tuned", "bag of words"])
def test_blank_texts_are_none(name, networks):
    encoder = CASES[name].encoder(networks)
    mean, _ = encoder(read(encoder, Texts([(), ("",), (" ", "\n"), ("unheard",)])))
    assert mean.isfinite().all()
    assert torch.equal(mean[0], mean[1])
    assert torch.equal(mean[0], mean[2])
    assert (mean[0] - mean[3]).abs().max() > 1e-4


def test_an_all_missing_table_row_is_encoded_as_such(networks):
    encoder = CASES["table"].encoder(networks)
    value = read(encoder, torch.full((1, 3), NAN))
    assert encoder(value)[0].isfinite().all()
    assert not encoder.features(value)[1].any()


CELL = torch.zeros(2, 3)
BAD = [
    ("table", torch.tensor([[1, 0, 1], [1, 3.0, 1]]), ValueError, "row 1, column 'ward': 3 is the index of no"),
    ("table", torch.tensor([[1, -1.0, 1]]), ValueError, "row 0, column 'ward': -1 is"),
    ("table", torch.tensor([[1, 0.5, 1]]), ValueError, "row 0, column 'ward': 0.5 is"),
    ("table", torch.tensor([[torch.inf, 0, 1]]), ValueError, "row 0: infinity"),
    ("table", torch.zeros(2, 4), ValueError, r"expected shape \(2, 3\), got \(2, 4\)"),
    ("vector", torch.tensor([[NAN, 0, 1]]), ValueError, "row 0: NaN"),
    ("precomputed", torch.zeros(2, 4), ValueError, r"expected shape \(2, 3\), got \(2, 4\)"),
    ("lstm", torch.zeros(2, 9, 2), ValueError, r"expected shape \(2, T, 3\), got \(2, 9, 2\)"),
    ("lstm", torch.full((1, 2, 3), torch.inf), ValueError, "row 0: infinity"),
    ("transformer", torch.zeros(2, 3), ValueError, r"expected shape \(2, T, 3\), got \(2, 3\)"),
    ("summary of series", ["a", "b"], TypeError, r"expected numbers \(2, T, 3\), got list"),
    ("events", torch.zeros(2, 5, 4), ValueError, r"expected shape \(2, L, 3\), got \(2, 5, 4\)"),
    ("events", torch.tensor([[[1, 0, 1.0]], [[1, 3, 1.0]]]), ValueError, "row 1: event 0 has code index 3"),
    ("summary of events", torch.tensor([[[1, -1, 1.0]]]), ValueError, "row 0: event 0 has code index -1"),
    ("summary of events", torch.tensor([[[1, NAN, 1.0]]]), ValueError, "row 0: event 0 has code index nan"),
    ("events", torch.tensor([[[1, 0.5, 1.0]]]), ValueError, "row 0: event 0 has code index 0.5"),
    ("events", torch.tensor([[[torch.inf, 0, 1.0]]]), ValueError, "row 0: infinity"),
    ("convnet", torch.zeros(2, 2, 8, 8), ValueError, r"expected shape \(2, 1, H, W\), got \(2, 2, 8, 8\)"),
    ("image, vit", torch.zeros(2, 1, 8, 8), ValueError, r"expected shape \(2, 3, H, W\)"),
    ("convnet", torch.zeros(2, 1, 0, 8), ValueError, "0 x 8 pixels"),
    ("convnet", torch.full((1, 1, 2, 2), 200.0), ValueError, "row 0: pixels from 200 to 200"),
    ("image, frozen", torch.full((1, 1, 2, 2), -0.5), ValueError, "row 0: pixels from -0.5"),
    ("convnet", torch.full((1, 1, 2, 2), NAN), ValueError, "row 0: NaN"),
    ("convnet", torch.zeros(1, 1, 2, 2, dtype=torch.long), TypeError, "uint8, or floats"),
    ("bag of words", torch.zeros(2, 3), TypeError, "expected texts"),
    ("bag of words", Texts([("a",), (None,)]), TypeError, "row 1: expected a tuple of strings"),
    ("text, frozen", [("a",), 3], TypeError, "row 1: expected a tuple of strings"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "x", "error", "message"), BAD)
def test_bad_inputs_are_named(name, x, error, message, networks):
    with pytest.raises(error, match=f"modality 'm'.*{message}"):
        read(CASES[name].encoder(networks), x)


@pytest.mark.parametrize(
    ("specification", "message"),
    [
        ({"kind": "table", "columns": []}, "at least one column"),
        ({"kind": "table", "columns": [{"name": "a", "categories": []}]}, "empty list of categories"),
        ({"kind": "lstm", "channels": 0}, "at least one channel"),
        ({"kind": "lstm", "channels": 2, "step": 0}, "above 0 hours"),
        ({"kind": "lstm", "channels": 2, "layers": 0}, "at least one layer, got 0"),
        ({"kind": "lstm", "channels": 2, "fill": "mean"}, "'zero' or 'forward'"),
        ({"kind": "lstm", "channels": 2, "statistics": ["median"]}, "unknown statistics"),
        ({"kind": "transformer", "channels": 2, "heads": 3}, "3 heads do not divide"),
        ({"kind": "transformer", "channels": 2, "time": "none"}, "'sinusoidal' or 'learned'"),
        ({"kind": "transformer", "channels": 2, "pooling": "max"}, "'mean' or 'cls'"),
        ({"kind": "transformer", "channels": 2, "patch": 0}, "at least one bin"),
        ({"kind": "events", "codes": 2, "heads": 5}, "5 heads do not divide"),
        ({"kind": "summary"}, "either the channels"),
        ({"kind": "summary", "channels": 2, "codes": 2}, "either the channels"),
        ({"kind": "bag_of_words", "buckets": 0}, "at least 1"),
        ({"kind": "convnet", "size": 0}, "at least 1"),
    ],
)
def test_bad_settings_are_named(specification, message):
    with pytest.raises(ValueError, match=message):
        make_encoder(specification, 4, 16)


def test_numpy_lists_and_other_precisions_are_read(networks):
    encoder = CASES["table"].encoder(networks)
    expected = read(encoder, CELL)
    for x in (CELL.numpy(), CELL.tolist(), CELL.double(), CELL.long(), CELL.half()):
        assert torch.equal(read(encoder, x), expected)
    assert len(COLUMNS) == 3
