"""The configurations that come with the project."""

from pathlib import Path

import pytest
import torch

from sklar.benchmark.grid import BenchmarkConfig, trials
from sklar.benchmark.space import search_space
from sklar.data import Image, Series, Vector, open_dataset, write_dataset
from sklar.data.digits_folder import prepare_digits
from sklar.models import MODELS, FusionModel
from sklar.training import RunConfig
from sklar.training.inputs import make_run_model

jsonargparse = pytest.importorskip("jsonargparse")
FOLDER = Path(__file__).parents[2] / "configs"
COMPARISONS = sorted([*FOLDER.glob("benchmark/*.yaml"), *FOLDER.glob("paper/*.yaml")])
RUNS = sorted(file for file in FOLDER.rglob("*.yaml") if file not in COMPARISONS and "curve" not in file.name)
TINY = {
    "image": {"config": {"model_type": "resnet", "layer_type": "basic", "depths": [1], "hidden_sizes": [8],
                         "embedding_size": 8}, "size": 16},
    "lstm": {"hidden": 8}, "transformer": {"hidden": 8},
}  # fmt: skip


def read(kind, file):
    parser = jsonargparse.ArgumentParser()
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(kind, as_positional=False)
    given = dict(parser.instantiate(parser.parse_args(["--config", str(file)])))
    return kind(**{key: value for key, value in given.items() if key != "config"})


@pytest.fixture(scope="module")
def stays(tmp_path_factory):
    """A folder with the modalities of the paper's data, small."""
    folder = tmp_path_factory.mktemp("stays")
    samples = {"sample_id": range(8), "split": ["train"] * 4 + ["validation"] * 2 + ["test"] * 2, "y": [0, 1] * 4}
    pictures = torch.rand(8, 1, 16, 16)
    write_dataset(folder / "data", name="stays", task="binary", labels=["y"], samples=samples,
                  modalities={"ehr": Series(torch.randn(8, 4, 3), ["a", "b", "c"], step=2.0), "cxr": Image(pictures),
                              "report": Vector(torch.randn(8, 3)), "notes": Vector(torch.randn(8, 3))})  # fmt: skip
    return open_dataset(folder / "data")


def shrunk(run):
    """The run with small encoders; texts, whose model is on the hub, as vectors."""
    encoders = {}
    for name, given in run.encoders.items():
        encoders[name] = {} if given["kind"] == "text" else {**given, **TINY[given["kind"]]}
    return RunConfig(**{**vars(run), "encoders": encoders, "settings": {**run.settings, "dim": 4, "hidden": 8}})


@pytest.mark.parametrize("file", COMPARISONS, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_a_comparison_is_read_and_every_arm_makes_a_model(file, stays):
    config = read(BenchmarkConfig, file)
    assert f"configs/{file.parent.name}/{file.name}" in file.read_text()
    assert f"runs/{file.parent.name}/{file.stem}" == str(config.run.out)
    for arm in config.models.values():
        if arm.search:
            known = {*search_space(arm.model), "components", "weight"}
            assert set(arm.search) <= known
    if file.parent.name == "paper":
        for trial in {t.arm: t for t in trials(next(iter(config.parts().values())))}.values():
            assert make_run_model(stays, shrunk(trial.run)).names == config.run.modalities


def test_the_papers_tables_are_all_there():
    """Headings of the paper's results, and the methods it compares."""
    assert {file.stem for file in COMPARISONS if file.parent.name == "paper"} == {
        *(f"mimic{v}-{cohort}" for v in (3, 4) for cohort in ("matched", "partial")),
        "mimic4-three", "mimic4-ablation-matched", "mimic4-ablation-partial", "mimic4-alignment", "mimic4-families",
        "mimic4-components", "mimic4-backbones",
    }  # fmt: skip
    whole = read(BenchmarkConfig, FOLDER / "paper" / "mimic4-partial.yaml")
    assert {arm.model for arm in whole.models.values()} >= {
        "mmtm", "daft", "unified", "medfuse", "drfuse", "lsmt", "interleaved", "cm2_published", "cm2_released",
    }  # fmt: skip


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return open_dataset(prepare_digits(tmp_path_factory.mktemp("configs") / "data", train=60, validation=40))


@pytest.mark.parametrize("file", RUNS, ids=lambda f: f"{f.parent.name}/{f.stem}")
def test_a_run_is_read_and_its_settings_make_a_model(file, digits):
    config = read(RunConfig, file)
    if file.parent.name == "configs":
        assert config.model in MODELS
        return
    assert config.model == file.stem
    assert f"configs/{file.parent.name}/{file.name}" in file.read_text()
    assert (str(config.data), config.out) == (f"data/{file.parent.name}", Path("runs") / file.parent.name / file.stem)
    assert isinstance(make_run_model(digits, config), FusionModel)


@pytest.mark.parametrize("dataset", ["digits", "mfeat", "physionet2012", "eicu-demo"])
def test_every_model_has_a_default_on_every_data_set(dataset):
    assert {file.stem for file in (FOLDER / dataset).glob("*.yaml")} == set(MODELS)
