"""docs/encoders.md: its code runs, its tables are complete."""

import inspect
import math
import re
from pathlib import Path

import torch
import yaml
from sklearn.metrics import roc_auc_score

from sklar.data import Batch
from sklar.encoders import ENCODERS, make_encoder
from sklar.encoders.summaries import STATISTICS

DOCS = (Path(__file__).parents[2] / "docs/encoders.md").read_text()
CODE = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)


def waves(rows, seed):
    g = torch.Generator().manual_seed(seed)
    target = torch.randint(2, (rows,), generator=g)
    phase = 2 * math.pi * torch.rand(rows, 1, generator=g)
    wave = torch.sin(phase + torch.arange(40) * (0.3 + 1.2 * target[:, None]))
    observed = torch.ones(rows, 2, dtype=torch.bool)
    observed[::4, 0] = False
    return Batch({"wave": wave, "table": torch.randn(rows, 3, generator=g)}, observed, target)


def test_own_module_is_short_trained_saved_and_loaded(tmp_path, monkeypatch):
    module, _, use = CODE
    assert len(module.strip().splitlines()) <= 30
    (tmp_path / "my_encoders.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    names = {"training": waves(120, 0), "validation": waves(60, 1)}
    exec(use, names)
    seen = names["validation"].observed[:, 0]
    probabilities, target = names["probabilities"][seen, 1], names["validation"].target[seen]
    assert torch.equal(names["probabilities"], names["model"].predict(names["validation"]))
    assert roc_auc_score(target, probabilities) > 0.9


def test_own_module_split_into_tokens_and_pooling_gives_the_same():
    names = {}
    exec(CODE[0] + CODE[1], names)
    whole, split = names["Spectrum"](4, 8, samples=40), names["SplitSpectrum"](4, 8, samples=40)
    split.load_state_dict(whole.state_dict())
    x = waves(6, 0).inputs["wave"]
    tokens, padding = split.tokens(x)
    assert tokens.shape == (6, 40, split.token_width)
    assert not padding.any()
    assert torch.allclose(split.encode(x), whole.encode(x), atol=1e-6)


def test_every_kind_and_every_argument_is_in_the_table():
    rows = {line.split("`")[1]: line for line in DOCS.splitlines() if line.startswith("| `")}
    assert set(rows) == set(ENCODERS)
    for kind, encoder in ENCODERS.items():
        for name in inspect.signature(encoder).parameters:
            if name not in ("dim", "hidden", "dropout"):
                assert f"`{name}`" in rows[kind], (kind, name)
    assert all(name in DOCS for name in STATISTICS)


def test_the_configuration_is_valid():
    inputs = yaml.safe_load(re.search(r"```yaml\n(.*?)```", DOCS, re.DOTALL)[1])["inputs"]
    assert make_encoder(inputs["admission"], 4).inputs == 12
    assert make_encoder(inputs["vitals"], 4).recurrent.hidden_size == 256
    known = inspect.signature(ENCODERS[inputs["notes"].pop("kind")]).parameters
    assert set(inputs["notes"]) <= set(known)
