"""What a training step is spent on: python benchmarks/training.py [--threads 2] [--steps 9]

Three series (24 bins of 2 hours, 76 channels, as CM2's) from a dataset folder made for the purpose, LSTM encoders of
two layers of 256, embeddings of 32, batches of 256 rows of which each lacks a third of its modalities. For each copula
the step's time (rows read, loss, gradients, optimiser), its part of reading rows, and the copula layer's share in two
ways: against the same step with an independence copula, timed in turn with it (what the dependence costs), and the
joint's own calls with their gradients, marginals included, over the whole step. Medians over steps.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor

from sklar.data import Batch, Series, open_dataset, write_dataset
from sklar.models import FusionModel, VariationalCopula
from sklar.training import Feed, RunConfig
from sklar.training.inputs import make_run_model

NAMES, ROWS, BINS, CHANNELS, DIM = ("a", "b", "c"), 2048, 24, 76, 32
COPULAS = ("independence", "gaussian", "student", "vine", "factor")
SETTINGS = {"marginal": "independent", "hidden": 64, "dropout": 0.1, "cross_drop": 0.5, "recipe": {"single": 0.0}}


def make_data(folder: Path) -> Path:
    """A dataset folder of random series with missing cells and missing modalities."""
    generator = torch.Generator().manual_seed(0)
    target = torch.randint(2, (ROWS,), generator=generator)
    series = {}
    observed = torch.rand(ROWS, len(NAMES), generator=generator) > 1 / 3
    observed[~observed.any(-1), 0] = True
    for m, name in enumerate(NAMES):
        values = torch.randn(ROWS, BINS, CHANNELS, generator=generator) + target[:, None, None]
        values[torch.rand(values.shape, generator=generator) < 0.5] = torch.nan
        values[~observed[:, m]] = torch.nan
        channels = [f"channel {c}" for c in range(CHANNELS)]
        series[name] = Series(values.numpy(), channels=channels, step=2.0)
    samples = {"sample_id": list(range(ROWS)), "y": target.tolist()}
    return write_dataset(folder, name="timing", task="binary", labels=["y"], samples=samples, modalities=series)


class Step:
    """One model's training step, its parts timed."""

    def __init__(self, feed_of: Callable[[FusionModel], Feed], model: FusionModel, batch_size: int) -> None:
        self.model, self.feed, self.size = model, feed_of(model), batch_size
        self.model.start(self.feed)
        self.optimizer = torch.optim.AdamW(model.parameters())
        self.generator = torch.Generator().manual_seed(0)
        self.times: dict[str, list[float]] = {"step": [], "data": [], "joint": []}

    def __call__(self) -> None:
        """Take a step and note its times."""
        begun = time.perf_counter()
        batch = self.feed[torch.randperm(ROWS, generator=self.generator)[: self.size]]
        read = time.perf_counter()
        self.optimizer.zero_grad()
        self.model.loss(batch, self.generator)["loss"].backward()
        self.optimizer.step()
        ended = time.perf_counter()
        self.times["step"].append(ended - begun)
        self.times["data"].append(read - begun)
        self.times["joint"].append(self.joint_alone(batch))

    def joint_alone(self, batch: Batch) -> float:
        """Seconds of the joint's calls of a step, forward and backward, on embeddings that ask for gradients."""
        model = self.model
        assert isinstance(model, VariationalCopula)
        count, draws = len(batch), model.training_draws
        z = {name: torch.randn(count, DIM, requires_grad=True) for name in NAMES}
        twice = {name: torch.randn(2 * count, DIM, requires_grad=True) for name in NAMES}
        shape = (DIM, len(NAMES))
        begun = time.perf_counter()
        parts: list[Tensor] = [model.joint.log_prob(z, batch.observed).sum()]
        for values, mask, number in ((z, batch.observed, 1), (twice, batch.observed.repeat(2, 1), draws)):
            noise = torch.randn(number, len(mask), *shape, generator=self.generator)
            parts += [x.sum() for x in model.joint.impute(values, mask, noise=noise).values()]
        torch.stack(parts).sum().backward()
        return time.perf_counter() - begun


def main() -> None:
    """Time and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--steps", type=int, default=9)
    parser.add_argument("--batch", type=int, default=256)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as scratch:
        dataset = open_dataset(make_data(Path(scratch) / "data"))
        steps = {copula: make_step(dataset, copula, options.batch) for copula in COPULAS}
        for number in range(options.steps + 1):
            for step in steps.values():
                step()
                if number == 0:  # warm-up
                    step.times = {name: [] for name in step.times}
    print(f"B = {options.batch}, M = {len(NAMES)}, d = {DIM}, LSTM 2 x 256, {options.threads} threads\n")
    print("| copula | step, ms | reading rows | copula, against independence | joint alone |")
    print("|---|---|---|---|---|")
    free = median(steps["independence"].times["step"])
    for copula, step in steps.items():
        whole, data, joint = (median(step.times[name]) for name in ("step", "data", "joint"))
        against = "-" if copula == "independence" else f"{max(0.0, 1 - free / whole):.1%}"
        print(f"| {copula} | {1e3 * whole:.0f} | {data / whole:.1%} | {against} | {joint / whole:.1%} |")


def make_step(dataset: Any, copula: str, batch_size: int) -> Step:
    """The step of a model with this copula."""
    config = RunConfig(
        dataset.folder, Path("unused"), settings={"dim": DIM, "copula": copula} | SETTINGS,
        encoders={name: {"kind": "lstm", "hidden": 256, "layers": 2} for name in NAMES},
    )  # fmt: skip
    return Step(lambda model: Feed(dataset, model), make_run_model(dataset, config), batch_size)


if __name__ == "__main__":
    main()
