"""Language models against transformers called directly, and their cache."""

import copy

import numpy as np
import pytest
import torch

from sklar.data import Texts
from sklar.encoders import make_encoder
from sklar.encoders.sketch import log_count_sketch

TEXTS = Texts(
    [("the patient is well",), ("stable today", "septic shock and worse again", "bad"), (), ("unheard-of word " * 9,)]
)
EVERYONE = torch.ones(4, dtype=torch.bool)


@pytest.fixture
def settings(networks):
    return {"kind": "text", "model": str(networks / "bert"), "tokens": 10, "notes": 2}


@pytest.mark.parametrize("pooling", ["cls", "mean"])
@pytest.mark.parametrize("trainable", [False, True])
def test_features_are_those_of_transformers(settings, networks, pooling, trainable):
    from transformers import AutoModel, AutoTokenizer

    encoder = make_encoder(settings | {"pooling": pooling, "trainable": trainable}, 4, 16, 0.0)
    tokenizer = AutoTokenizer.from_pretrained(networks / "bert")
    network = AutoModel.from_pretrained(networks / "bert").eval()
    read = encoder.read(TEXTS, EVERYONE, "m")
    for row, texts in enumerate(TEXTS):
        for place in range(2):
            kept = texts[-2:]
            if place >= len(kept):
                assert (read[row, place] == -1).all() if trainable else read[row, place].isnan().all()
                continue
            tokens = tokenizer(kept[place], truncation=True, max_length=10, return_tensors="pt")
            with torch.no_grad():
                states = network(**tokens).last_hidden_state[0]
            expected = states[0] if pooling == "cls" else states.mean(0)
            if trainable:
                padded = read[row, place][None]
                assert padded[padded >= 0].tolist() == tokens["input_ids"][0].tolist()
                found = encoder.eval()._pooled(encoder.backbone, padded)[0]
            else:
                found = read[row, place]
            assert (found - expected).abs().max() < 1e-5


@pytest.fixture
def runs(monkeypatch):
    """How many texts pass through a BERT."""
    from transformers import BertModel

    count = []
    forward = BertModel.forward
    monkeypatch.setattr(
        BertModel, "forward", lambda self, *a, **k: count.extend(k["input_ids"]) or forward(self, *a, **k)
    )
    return count


def test_each_text_passes_once_and_the_folder_remembers(settings, tmp_path, runs):
    texts = Texts([("stable",), ("stable", "bad"), ("bad",)])
    everyone = torch.ones(3, dtype=torch.bool)
    encoder = make_encoder(settings | {"cache": str(tmp_path)}, 4)
    first = encoder.read(texts, everyone, "m")
    assert len(runs) == 2
    assert torch.equal(encoder.read(texts, everyone, "m")[..., 0].nan_to_num(), first[..., 0].nan_to_num())
    again = make_encoder(settings | {"cache": str(tmp_path)}, 4).read(texts, everyone, "m")
    assert len(runs) == 2
    assert torch.equal(again.nan_to_num(), first.nan_to_num())
    make_encoder(settings | {"cache": str(tmp_path), "pooling": "mean"}, 4).read(texts, everyone, "m")
    assert len(runs) == 4  # other features are kept apart
    files = sorted(tmp_path.rglob("*.npy"))
    assert len(files) == 4
    assert not list(tmp_path.rglob("*.part"))
    for file in files:
        file.write_bytes(file.read_bytes()[:-8])
    damaged = make_encoder(settings | {"cache": str(tmp_path)}, 4).read(texts, everyone, "m")
    assert len(runs) == 6
    assert torch.equal(damaged.nan_to_num(), first.nan_to_num())


def test_memory_is_bounded(settings, runs):
    encoder = make_encoder(settings | {"memory": 0}, 4)
    texts = Texts([("stable",)])
    encoder.read(texts, torch.ones(1, dtype=torch.bool), "m")
    encoder.read(texts, torch.ones(1, dtype=torch.bool), "m")
    assert len(runs) == 2
    assert encoder.frozen.cache.bytes == 0


def test_a_frozen_model_is_no_part_of_the_weights_and_a_changed_one_is_noticed(settings, networks, tmp_path):
    import shutil

    from transformers import AutoModel

    encoder = make_encoder(settings, 4)
    encoder.start(encoder.read(TEXTS, EVERYONE, "m"))
    assert not any("backbone" in name or "embeddings" in name for name in encoder.state_dict())
    assert all(parameter.requires_grad for parameter in encoder.parameters())
    shutil.copytree(networks / "bert", tmp_path / "bert")
    network = AutoModel.from_pretrained(tmp_path / "bert")
    with torch.no_grad():
        network.embeddings.word_embeddings.weight[5] += 1
    network.save_pretrained(tmp_path / "bert")
    other = make_encoder(settings | {"model": str(tmp_path / "bert")}, 4)
    other.load_state_dict(encoder.state_dict())
    with pytest.raises(ValueError, match="not those that this encoder was trained with"):
        other.read(TEXTS, EVERYONE, "m")


def test_fine_tuning_changes_the_language_model_and_saves_it(settings):
    encoder = make_encoder(settings | {"trainable": True}, 4, 16, 0.0)
    read = encoder.read(TEXTS, EVERYONE, "m")
    encoder.start(read)
    before = copy.deepcopy(encoder.backbone.state_dict())
    optimizer = torch.optim.SGD(encoder.parameters(), 0.1)
    encoder(read)[0].square().sum().backward()
    optimizer.step()
    changed = [name for name, value in encoder.backbone.state_dict().items() if not torch.equal(value, before[name])]
    assert len(changed) > len(before) / 2
    again = make_encoder(settings | {"trainable": True}, 4, 16, 0.0)
    again.load_state_dict(encoder.state_dict())
    assert torch.equal(again(read)[0], encoder(read)[0])


def test_the_sketch_is_a_projection_of_log_counts():
    tokens = torch.tensor([[3, 1, 3, 3, -1, -1], [-1] * 6, [0, 1, 2, 3, 4, 0]])
    signs = torch.randn(5, 7, generator=torch.Generator().manual_seed(0))
    counts = np.stack([[(row == v).sum() for v in range(5)] for row in tokens.numpy()])
    np.testing.assert_allclose(log_count_sketch(tokens, signs), np.log1p(counts) @ signs.numpy(), atol=1e-6)


@pytest.mark.parametrize("combine", ["mean", "attention"])
def test_rows_without_texts_are_alike_and_finite(settings, combine):
    encoder = make_encoder(settings | {"combine": combine}, 4, 16, 0.0)
    texts = Texts([(), ("", " \n"), ("bad",)])
    mean, log_scale = encoder(encoder.read(texts, torch.ones(3, dtype=torch.bool), "m"))
    assert mean.isfinite().all()
    assert log_scale.isfinite().all()
    assert torch.equal(mean[0], mean[1])
    assert (mean[0] - mean[2]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"model": "/no/such/folder"}, FileNotFoundError, "'/no/such/folder'.*no such folder"),
        ({"tokens": 100}, ValueError, "reads 24 tokens, not 100"),
        ({"pooling": "max"}, ValueError, "'cls' or 'mean'"),
        ({"combine": "sum"}, ValueError, "'mean' or 'attention'"),
        ({"notes": 0}, ValueError, "one note"),
    ],
)
def test_wrong_settings_are_refused(settings, change, error, message):
    with pytest.raises(error, match=message):
        make_encoder(settings | change, 4)


def test_a_hub_out_of_reach_is_named_with_its_remedy(settings, monkeypatch):
    from transformers import AutoConfig

    def unreachable(*args, **kwargs):
        assert kwargs["trust_remote_code"] is False
        raise OSError("We couldn't connect to the hub")

    monkeypatch.setattr(AutoConfig, "from_pretrained", unreachable)
    with pytest.raises(FileNotFoundError, match=r"'some/model'.*hf download some/model --local-dir"):
        make_encoder(settings | {"model": "some/model"}, 4)


def test_without_transformers_the_command_is_named(settings, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"pip install 'sklar\[text\]'"):
        make_encoder(settings, 4)


def test_a_checkpoint_that_lacks_weights_is_refused(settings, networks, tmp_path):
    import shutil

    from safetensors.torch import load_file, save_file

    shutil.copytree(networks / "bert", tmp_path / "bert")
    weights = load_file(tmp_path / "bert/model.safetensors")
    del weights[next(name for name in weights if "query.weight" in name)]
    save_file(weights, tmp_path / "bert/model.safetensors", {"format": "pt"})
    encoder = make_encoder(settings | {"model": str(tmp_path / "bert")}, 4)
    with pytest.raises(ValueError, match=r"lacks 1 weights.*query"):
        encoder.read(TEXTS, EVERYONE, "m")


@pytest.mark.parametrize("combine", ["mean", "attention"])
def test_notes_are_combined_by_the_plain_formula(settings, combine):
    encoder = make_encoder(settings | {"combine": combine}, 4, 16, 0.0)
    read = encoder.read(TEXTS, EVERYONE, "m")
    encoder.start(read)
    for row, texts in enumerate(TEXTS):
        count = min(len(texts), 2)
        notes = ((read[row, :count] - encoder.scaling.mean) / encoder.scaling.scale).clamp(-5, 5)
        if not count:
            pooled = torch.zeros(16)
        elif combine == "mean":
            pooled = notes.mean(0)
        else:
            weight = torch.exp(encoder.score(notes)[:, 0])
            pooled = (weight[:, None] * notes).sum(0) / weight.sum()
        expected = encoder.network(torch.cat([pooled, torch.tensor([np.log1p(count)]).float()]))
        assert (encoder.encode(read)[row] - expected).abs().max() < 1e-5
        features = encoder.describe(read)[row]
        assert features.isnan().all() if not count else torch.allclose(features, read[row, :count].mean(0), atol=1e-6)


@pytest.mark.parametrize(
    ("lost", "message"),
    [
        (["config.json"], r"cannot be loaded .*; a folder needs config.json, the weights"),
        (["model.safetensors"], r"cannot be loaded .*; a folder needs config.json, the weights"),
        (["tokenizer.json", "tokenizer_config.json"], r"cannot be loaded|are the tokenizer's files missing"),
        ([], r"cannot be loaded .*; a folder needs"),
    ],
)
def test_a_folder_that_lacks_something_is_refused(settings, networks, tmp_path, lost, message):
    import shutil

    folder = tmp_path / "bert"
    shutil.copytree(networks / "bert", folder)
    for name in lost:
        (folder / name).unlink()
    if not lost:
        weights = folder / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])
    with pytest.raises(ValueError, match=message):
        make_encoder(settings | {"model": str(folder)}, 4).read(TEXTS, EVERYONE, "m")
