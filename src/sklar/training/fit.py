"""Training any model: seeded, resumable at any step, on one device or several, with early stopping.

The loop is Lightning Fabric's kind: devices, processes and precision are Fabric's, the steps are written out here. All
randomness of a step (its rows, draws, dropout) is a function of the run's seed and the step's number, so that a killed
run goes on bit for bit as one that was not, and several processes compute what one with all their rows would.
"""

from __future__ import annotations

import atexit
import copy
import logging
import math
import os
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from sklar.data import Batch, Rows
from sklar.models import FusionModel
from sklar.models.base import ROWS_AT_ONCE
from sklar.models.noise import Noise
from sklar.training.average import Average
from sklar.training.checkpoint import SETTINGS, WEIGHTS, load_model, save_model
from sklar.training.lend import Lender
from sklar.training.log import METRICS, Log
from sklar.training.schedule import Hardware, Schedule, Stream, resolve, seed_of
from sklar.training.state import STATE, Progress, fingerprint, load_result, load_state, read_progress, save_state

if TYPE_CHECKING:
    from lightning.fabric import Fabric

RUNAWAY = 1e6  # no weight of a model that learns is so large


def train(
    model: FusionModel,
    rows: Rows,
    validation: Rows,
    schedule: Schedule | None = None,
    seed: int = 0,
    progress: bool = True,
    folder: str | Path | None = None,
    hardware: Hardware | None = None,
) -> float:
    """Train a model in place, restore its best weights, calibrate it on the validation rows; returns the best loss.

    Args:
        model: to be trained. Its encoders' standardisation is fitted to the training rows first.
        rows: training rows, a `Batch` or a `Dataset`.
        validation: held-out rows, some of them with targets.
        schedule: how.
        seed: of the order of the rows, the draws and the dropout. The same seed gives the same weights, bit for bit.
        progress: show a progress bar.
        folder: where the run lives: the state from which it resumes when it was killed, ``metrics.csv``, TensorBoard's
            files, and in the end the model. A run that has finished there is read back.
        hardware: on what; several devices train with the same rows a step as one with their batches put together.

    Raises:
        ValueError: no rows, validation rows without targets, a folder that holds another run, a loss that is not
            finite.
    """
    schedule, hardware = schedule or Schedule(), hardware or Hardware()
    if len(rows) == 0:
        raise ValueError("there are no training rows")
    if validation.target is None or not bool(model.outcome.labelled(validation.target).any()):
        raise ValueError("the validation rows need targets: early stopping and calibration are done on them")
    place = None if folder is None else Path(folder)
    print_ = "" if place is None else fingerprint(model, rows, validation, schedule, seed, hardware)
    if place is not None:
        place.mkdir(parents=True, exist_ok=True)
        for name in (STATE, SETTINGS, WEIGHTS, METRICS):
            for left in place.glob(f"{name}*.part"):  # of a process killed while it wrote
                left.unlink()
        before = read_progress(place, print_)
        if before is not None and before.finished:
            model.load_state_dict(load_model(place).state_dict())
            model.eval()
            return before.best
    resumes = place is not None and before is not None
    if not resumes:
        model.start(rows, seed)
    with quiet(), torch.random.fork_rng(), tempfile.TemporaryDirectory() as result:
        run = _Run(model, rows, validation, schedule, seed, place, print_, progress, Path(result))
        fabric = make_fabric(hardware)
        fabric.launch(run)
        ended, state = load_result(Path(result))
    best, history = ended.best, ended.history
    model.load_state_dict(state)
    model.eval()
    model.finish(rows, validation, seed)
    model.calibrate(validation, seed)
    if place is not None:
        save_model(model, place)
        save_state(place, print_, Progress(len(history), best, history=history, finished=True))
    return float(best)


def _prediction_loss(model: FusionModel, batch: Batch) -> tuple[float, int]:
    """Negative log-likelihood of the labels under the blended prediction in nats, summed, and the labelled rows."""
    if batch.target is None:
        raise ValueError("the validation rows need targets")
    chosen = model.outcome.labelled(batch.target)
    if not bool(chosen.any()):
        return 0.0, 0
    batch = batch[chosen]
    with torch.no_grad():
        summary = model.summary(batch)
        target = batch.target.to(summary.device)  # type: ignore[union-attr]
        return float(model.outcome.log_likelihood(summary, target).double().sum().neg()), len(batch)


class _Step(nn.Module):
    """A model whose call is its loss: what Fabric wraps."""

    def __init__(self, model: FusionModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, given: _Given) -> dict[str, Tensor]:
        return self.model.loss(given.batch, given.noise, given.progress)


class _Given:
    """What a step is given, in one object that Fabric and DDP hand through as it is."""

    def __init__(self, batch: Batch, noise: Noise, progress: float) -> None:
        self.batch, self.noise, self.progress = batch, noise, progress


class _Run:
    """One process's part of a run; called by Fabric in every process."""

    def __init__(
        self,
        model: FusionModel,
        rows: Rows,
        validation: Rows,
        schedule: Schedule,
        seed: int,
        folder: Path | None,
        print_: str,
        bar: bool,
        result: Path,
    ) -> None:
        self.model, self.rows, self.validation = model, rows, validation
        self.schedule, self.seed, self.folder, self.print_, self.bar = schedule, seed, folder, print_, bar
        self.result = result
        self.lender: Lender | None = None
        if model.recipe.lend > 0 and rows.target is not None:
            groups = model.outcome.groups(rows.target)
            self.lender = Lender(rows, model.names, groups, model.recipe.lend)

    def __call__(self, fabric: Fabric) -> None:
        """Train; the progress and the best weights are saved as the ``result``.

        In a file, since the launcher waits for its processes before it reads what they return, and they for it to read
        where that is more than a pipe holds.
        """
        s, rows, validation = self.schedule, self.rows, self.validation
        # What reached another process shares its memory with the rest of them.
        model = self.model if fabric.world_size == 1 else copy.deepcopy(self.model)
        plain = torch.optim.AdamW(model.parameters(), lr=s.learning_rate, weight_decay=s.weight_decay, fused=True)
        module, optimizer = fabric.setup(_Step(model), plain)
        best: dict[str, Tensor] = {}
        progress, average = Progress(), Average(model, s.average)
        if self.folder is not None and (found := read_progress(self.folder, self.print_)) is not None:
            progress, (best, mean) = found, load_state(self.folder, model, plain)  # moments go where the weights are
            average.load(mean)
        log = Log(self.folder if fabric.is_global_zero else None, progress.step, s.steps,
                  self.bar and fabric.is_global_zero)  # fmt: skip
        size = s.batch_size * fabric.world_size
        epoch_steps = max(1, math.ceil(len(rows) / size))
        started, saved = time.monotonic() - progress.seconds, time.monotonic()
        order: Tensor = torch.empty(0)
        model.train()
        while progress.step < s.steps and progress.waited < s.patience:
            epoch, at = divmod(progress.step, epoch_steps)
            if at == 0 or not len(order):
                order = torch.randperm(len(rows), generator=self._generator(Stream.ORDER, epoch))
            terms = self._step(fabric, module, optimizer, rows, order[at * size : (at + 1) * size], progress.step)
            for name, value in terms.items():
                progress.sums[name] = progress.sums.get(name, 0.0) + value
            average.update(progress.step)
            progress.step += 1
            log.step(terms["loss"])
            last = progress.step == s.steps
            before = int(progress.history[-1]["step"]) if progress.history else 0
            due = at == epoch_steps - 1 and (epoch + 1) % s.check_every == 0
            if due := due or progress.step - before >= s.longest or last:
                with average.applied():
                    self._validate(fabric, model, validation, progress, best, epoch, time.monotonic() - started)
                log.validated(progress.history)
            timely = time.monotonic() - saved >= s.save_every
            if self.folder is not None and fabric.is_global_zero and (due or timely):
                progress.seconds = time.monotonic() - started
                save_state(self.folder, self.print_, progress, model, plain, best, average.values)
                saved = time.monotonic()
        log.close()
        if fabric.is_global_zero:
            save_state(self.result, self.print_, progress, best=best)
        if fabric.world_size > 1:  # a spawned process, which gloo's threads may abort while it is taken down
            atexit.register(os._exit, 0)

    def _generator(self, *stream: int) -> torch.Generator:
        return torch.Generator().manual_seed(seed_of(self.seed, *stream))

    def _step(
        self, fabric: Fabric, module: Any, optimizer: Any, rows: Rows, chosen: Tensor, step: int
    ) -> dict[str, float]:
        """One optimiser step; returns the terms of the loss, averaged over the rows of all processes."""
        world, rank = fabric.world_size, fabric.global_rank
        mine = torch.arange(rank, len(chosen), world)
        if len(mine) == 0:  # fewer rows than processes at the end of an epoch: somebody else's row counts for nothing
            mine, weight = torch.zeros(1, dtype=torch.long), 0.0
        else:
            weight = len(mine) * world / len(chosen)
        for group in optimizer.param_groups:
            group["lr"] = self.schedule.rate(step)
        torch.manual_seed(seed_of(self.seed, Stream.DROPOUT, step, rank))  # dropout knows no generator of its own
        draws = self._generator(Stream.DRAWS, step)
        noise = Noise(draws) if world == 1 else Noise(draws, mine, len(chosen))
        optimizer.zero_grad()
        batch = rows[chosen[mine]] if self.lender is None else self.lender(chosen[mine], noise)
        batch = batch.to(fabric.device)
        with diverging(module, step):
            terms = module(_Given(batch, noise, step / self.schedule.steps))
        fabric.backward(terms["loss"] * weight)
        fabric.clip_gradients(module, optimizer, max_norm=self.schedule.clip, error_if_nonfinite=False)
        optimizer.step()
        values = torch.stack([value.detach().float() for value in terms.values()]) * weight
        if world > 1:
            values = fabric.all_reduce(values, reduce_op="mean")  # type: ignore[assignment]
        found = dict(zip(terms, values.tolist(), strict=True))
        if not math.isfinite(found["loss"]):
            raise ValueError(f"the loss is {found['loss']} at step {step}: try a lower learning_rate")
        return found

    def _validate(
        self,
        fabric: Fabric,
        model: FusionModel,
        validation: Rows,
        progress: Progress,
        best: dict[str, Tensor],
        epoch: int,
        seconds: float,
    ) -> None:
        """Add a record to the history; keep the weights in ``best`` if they are the best so far."""
        parts = torch.arange(len(validation)).split(ROWS_AT_ONCE)[fabric.global_rank :: fabric.world_size]
        with diverging(model, progress.step):
            found = [_prediction_loss(model, validation[part]) for part in parts]
        sums = torch.tensor([sum(x for x, _ in found), float(sum(n for _, n in found))], dtype=torch.float64)
        sums = sums.to(fabric.device)
        if fabric.world_size > 1:
            sums = fabric.all_reduce(sums, reduce_op="sum")  # type: ignore[assignment]
        loss = float(sums[0] / sums[1])
        if not math.isfinite(loss):
            raise ValueError(f"the validation loss is {loss} at step {progress.step}: try a lower learning_rate")
        steps = progress.step - (int(progress.history[-1]["step"]) if progress.history else 0)
        means = {name: value / steps for name, value in progress.sums.items()}
        progress.sums = {}
        progress.history.append(
            {"step": progress.step, "epoch": epoch + 1, "learning_rate": self.schedule.rate(progress.step - 1)}
            | means
            | {"validation_loss": loss, "seconds": seconds}
        )
        progress.waited += 1
        if loss < progress.best:
            progress.best, progress.waited = loss, 0
            best.update({name: value.detach().clone() for name, value in model.state_dict().items()})


@contextmanager
def diverging(module: nn.Module, step: int) -> Iterator[None]:
    """What fails within the block because weights have run away is said to be that."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        worst = max(float(parameter.detach().abs().max()) for parameter in module.parameters() if parameter.numel())
        if not worst < RUNAWAY:
            raise ValueError(f"training diverged before step {step}: try a lower learning_rate") from error
        raise


def make_fabric(hardware: Hardware) -> Fabric:
    """Fabric for the hardware; several devices train by distributed data parallelism in processes of their own."""
    from lightning.fabric import Fabric
    from lightning.fabric.strategies.ddp import DDPStrategy
    from lightning.fabric.utilities.exceptions import MisconfigurationException

    accelerator, precision = resolve(hardware)
    strategy: Any = "auto"
    if hardware.devices > 1:
        # A modality may be absent from all rows of a step.
        strategy = DDPStrategy(start_method="spawn", find_unused_parameters=True)
    try:
        return Fabric(
            accelerator=accelerator, strategy=strategy, devices=hardware.devices, precision=precision  # type: ignore[arg-type]
        )  # fmt: skip
    except (RuntimeError, MisconfigurationException) as error:  # a device that is not there
        raise ValueError(f"hardware: {error}") from error


class quiet(warnings.catch_warnings):
    """Lightning's remarks on devices and its own workings are not the user's concern."""

    def __enter__(self) -> Any:
        entered = super().__enter__()
        for name in ("lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
            logging.getLogger(name).setLevel(logging.ERROR)
        warnings.filterwarnings("ignore", module="lightning")
        warnings.filterwarnings("ignore", message=".*isinstance.treespec.*")
        return entered
