"""Statistics of series and events against numpy, a channel at a time."""

import warnings

import numpy as np
import pytest
import torch
from encoder_cases import CHANNELS, events, series

from sklar.encoders import make_encoder
from sklar.encoders.events import gaps
from sklar.encoders.records import EventsInput
from sklar.encoders.summaries import STATISTICS

TARGET = torch.tensor([0, 1, 0, 1, 1, 0, 0, 1])
EVERYONE = torch.ones(8, dtype=torch.bool)


def plain(hours, values, there):
    """The statistics of one channel of one row; times and values of its cells, NaN where nothing was measured."""
    known = ~np.isnan(values)
    t, v = hours[known], values[known]
    if not len(v):
        return [np.nan] * 7 + [np.log1p(there)]
    slope = np.polyfit(t, v, 1)[0] if len(set(t)) > 1 else np.nan
    sd = v.std() if len(v) > 1 else np.nan
    return [v.mean(), v.min(), v.max(), v[0], v[-1], sd, slope, np.log1p(there)]


def test_series_statistics_are_those_of_numpy():
    x = series(TARGET, torch.Generator().manual_seed(0))
    x[0] = torch.nan  # nothing measured
    x[1, :, 1] = torch.nan
    x[1, 0, 1] = 3.0  # one measurement
    x[2, :, 0] = 7.0  # constant
    encoder = make_encoder({"kind": "lstm", "channels": CHANNELS, "step": 0.5}, 4)
    found = encoder.describe(encoder.read(x, EVERYONE, "m")).reshape(8, 3, 8)
    hours = 0.5 * np.arange(9)
    for row in range(8):
        for channel in range(3):
            values = x[row, :, channel].double().numpy()
            expected = plain(hours, values, (~np.isnan(values)).sum())
            np.testing.assert_allclose(found[row, channel], expected, rtol=1e-4, atol=1e-4)
    assert encoder.feature_names()[:9] == [*(f"rate {name}" for name in STATISTICS), "pressure mean"]


def test_event_statistics_are_those_of_numpy():
    x = events(TARGET, torch.Generator().manual_seed(0))
    x[0] = torch.nan  # no events
    x[1, :3] = torch.tensor([[5.0, 0, 1.0], [5.0, 0, 4.0], [5.0, 2, torch.nan]])  # at one time: no trend
    x[1, 3:] = torch.nan
    encoder = make_encoder({"kind": "summary", "codes": 3}, 4)
    found = encoder.describe(encoder.read(x, EVERYONE, "m")).reshape(8, 3, 8)
    for row in range(8):
        hours, code, value = x[row].double().numpy().T
        for place in range(3):
            own = code == place
            expected = plain(hours[own], value[own], own.sum())
            np.testing.assert_allclose(found[row, place], expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["events", "summary"])
def test_events_in_any_order_are_put_in_order(kind):
    x = events(TARGET, torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    encoder = make_encoder({"kind": kind, "codes": 3}, 4, 16, 0.0)
    expected = encoder(encoder.read(x, EVERYONE, "m"))[0]
    shuffled = x[:, torch.randperm(12, generator=torch.Generator().manual_seed(2))]
    assert (encoder(encoder.read(shuffled, EVERYONE, "m"))[0] - expected).abs().max() < 1e-6


def test_channels_and_codes_are_standardised_by_their_training_values():
    x, y = (make(TARGET, torch.Generator().manual_seed(0)) for make in (series, events))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a channel without values
        mean, sd = np.nanmean(x, (0, 1)), np.nanstd(x, (0, 1))
    for kind in ("lstm", "transformer"):
        encoder = make_encoder({"kind": kind, "channels": 3}, 4)
        encoder.start(encoder.read(x, EVERYONE, "m"))
        np.testing.assert_allclose(encoder.by_channel.mean, np.nan_to_num(mean), rtol=1e-5)
        np.testing.assert_allclose(encoder.by_channel.scale, [sd[0], sd[1], 1.0], rtol=1e-5)
    encoder = make_encoder({"kind": "events", "codes": 3}, 4)
    encoder.start(encoder.read(y, EVERYONE, "m"))
    for code in (0, 1):
        values = y[..., 2][y[..., 1] == code].double()
        assert float(encoder.by_code.mean[code]) == pytest.approx(float(values.mean()), rel=1e-4, abs=1e-5)
        assert float(encoder.by_code.scale[code]) == pytest.approx(float(values.std(correction=0)), rel=1e-4)
    assert (float(encoder.by_code.mean[2]), float(encoder.by_code.scale[2])) == (0.0, 1.0)


def test_gradients_reach_the_inputs_and_are_finite():
    x = series(TARGET, torch.Generator().manual_seed(0))
    x[0], x[1, :, 0] = torch.nan, 2.0  # nothing measured; no spread
    for kind in ("summary", "lstm", "transformer"):
        encoder = make_encoder({"kind": kind, "channels": 3}, 4)
        encoder.start(encoder.read(x, EVERYONE, "m"))
        cells = x.clone().requires_grad_()
        value = encoder.read(cells, EVERYONE, "m")
        (encoder(value)[0].sum() + encoder.features(value)[0].sum()).backward()
        assert cells.grad.isfinite().all()
        assert cells.grad[2].any()


def test_gaps_are_hours_since_the_previous_event_of_the_code():
    x = events(TARGET, torch.Generator().manual_seed(0))
    source = EventsInput(3)
    found = gaps(source.events(source.read(x, EVERYONE, "m", x)))
    for row in range(8):
        previous = {}
        for place, (hour, code, _) in enumerate(x[row].tolist()):
            expected = (0.0, 0.0)
            if hour == hour:  # not padding
                if code in previous:
                    expected = (np.log1p(hour - previous[code]), 1.0)
                previous[code] = hour
            np.testing.assert_allclose(found[row, place], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("chosen", [STATISTICS, ("mean", "count"), ("count",)])
def test_what_the_summary_network_sees(chosen):
    x = series(TARGET, torch.Generator().manual_seed(0))
    x[0], x[1, :, 1] = torch.nan, torch.nan
    encoder = make_encoder({"kind": "summary", "channels": 3, "statistics": chosen}, 4, 16, 0.0)
    value = encoder.read(x, EVERYONE, "m")
    encoder.start(value)
    features = encoder.describe(value).numpy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a channel without values
        mean, sd = np.nanmean(features, 0), np.nanstd(features, 0)
    never = np.isnan(mean)
    standard = (features - np.where(never, 0, mean)) / np.where(never | (sd < 1e-6), 1, sd)
    measured = ~np.isnan(x.numpy()).all(1) if "mean" in chosen else np.zeros((8, 3))
    seen = np.concatenate([np.nan_to_num(standard.clip(-5, 5)), measured], 1)
    expected = encoder.network(torch.tensor(seen, dtype=torch.float32))
    assert (encoder.encode(value) - expected).abs().max() < 1e-4
