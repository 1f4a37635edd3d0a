"""Images: vision networks against transformers called directly; reading, thumbnails, edges."""

import numpy as np
import pytest
import torch
from encoder_cases import RESNET
from torch.nn.functional import interpolate

from sklar.encoders import make_encoder

EVERYONE = torch.ones(3, dtype=torch.bool)


def pictures(channels=1, height=18, width=14):
    return torch.rand(3, channels, height, width, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("name", "size"), [("resnet", 20), ("vit", 16)])
@pytest.mark.parametrize("channels", [1, 3])
def test_frozen_features_are_those_of_transformers(networks, name, size, channels):
    from transformers import AutoModel

    x = pictures(channels)
    encoder = make_encoder({"kind": "image", "model": str(networks / name), "channels": channels}, 4)
    found = encoder.read(x, EVERYONE, "m")
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    large = interpolate(x.expand(-1, 3, -1, -1), (size, size), mode="bilinear", antialias=True)
    with torch.no_grad():
        network = AutoModel.from_pretrained(networks / name).eval()
        states = network((large - mean[:, None, None]) / std[:, None, None]).last_hidden_state
    expected = states.mean((2, 3)) if name == "resnet" else states[:, 0]
    assert (found - expected).abs().max() < 1e-5
    assert torch.equal(encoder.describe(found), found)


def test_each_image_passes_once(networks, tmp_path, monkeypatch):
    from transformers import ViTModel

    count, forward = [], ViTModel.forward
    monkeypatch.setattr(
        ViTModel, "forward", lambda self, *a, **k: count.extend(k["pixel_values"]) or forward(self, *a, **k)
    )
    x = pictures(3)
    x[2] = x[0]
    settings = {"kind": "image", "model": str(networks / "vit"), "cache": str(tmp_path)}
    first = make_encoder(settings, 4).read(x, EVERYONE, "m")
    assert len(count) == 2
    assert torch.equal(make_encoder(settings, 4).read(x, EVERYONE, "m"), first)
    assert len(count) == 2


def test_preprocessing_of_the_folder_is_used(networks, tmp_path):
    import json
    import shutil

    shutil.copytree(networks / "resnet", tmp_path / "net")
    told = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.25, 0.5], "size": {"shortest_edge": 12}}
    (tmp_path / "net/preprocessor_config.json").write_text(json.dumps(told))
    config = json.loads((tmp_path / "net/config.json").read_text())
    config.pop("image_size")
    (tmp_path / "net/config.json").write_text(json.dumps(config))
    encoder = make_encoder({"kind": "image", "model": str(tmp_path / "net")}, 4)
    assert encoder.size == 12
    assert encoder.std.flatten().tolist() == [0.5, 0.25, 0.5]
    assert encoder.mean.flatten().tolist() == [0.5] * 3


@pytest.mark.parametrize("kind", ["convnet", "image"])
def test_thumbnail_is_a_grid_of_means(kind):
    settings = {"kind": "convnet", "channels": 3} if kind == "convnet" else {"kind": "image", "config": RESNET}
    x = pictures(3, 16, 24)
    encoder = make_encoder(settings | {"size": 16, "thumbnail": 8}, 4)
    found = encoder.describe(encoder.read(x, EVERYONE, "m"))
    expected = x.reshape(3, 3, 8, 2, 8, 3).mean((3, 5)).flatten(1)
    assert (found - expected).abs().max() < 1e-6
    assert encoder.feature_names()[9] == "channel 0 (1, 1)"


@pytest.mark.parametrize("settings", [
    {"kind": "convnet", "size": 16}, {"kind": "image", "config": RESNET, "channels": 1, "size": 32},
])  # fmt: skip
@pytest.mark.parametrize("training", [False, True])
def test_one_pixel_and_eight_bits(settings, training):
    encoder = make_encoder(settings, 4, 16, 0.0).train(training)
    one = torch.tensor([[[[51]]]], dtype=torch.uint8)
    read = encoder.read(one, torch.ones(1, dtype=torch.bool), "m")
    assert float(read) == pytest.approx(0.2)
    assert encoder(read)[0].isfinite().all()
    np.testing.assert_allclose(encoder.describe(read), 0.2, rtol=1e-5)
    whole = encoder.read((255 * pictures()).round().to(torch.uint8), EVERYONE, "m")
    assert (encoder(whole)[0] - encoder((255 * pictures()).round() / 255)[0]).abs().max() < 1e-6


def test_rows_never_mix_in_training(networks):
    for settings in ({"config": RESNET, "size": 16}, {"model": str(networks / "resnet"), "trainable": True}):
        encoder = make_encoder({"kind": "image", "channels": 1, **settings}, 4, 16, 0.0).train()
        normal = [m for m in encoder.modules() if isinstance(m, torch.nn.BatchNorm2d)]
        assert bool(normal) == ("model" in settings)
        assert not any(m.training for m in normal)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "either a model"),
        ({"config": RESNET, "model": "x"}, "either a model"),
        ({"config": {"model_type": "no such thing"}}, "model_type 'resnet' or 'vit'"),
        ({"config": {"model_type": "bert"}}, "no encoder of images"),
        ({"config": RESNET, "channels": 2}, "1 or 3 channels, not 2"),
        ({"config": RESNET | {"num_channels": 1}, "channels": 3}, "reads 1 channels"),
        ({"config": {"model_type": "vit"}, "size": 100}, "reads 224 x 224 pixels, not 100"),
    ],
)
def test_wrong_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        make_encoder({"kind": "image", **settings}, 4)
