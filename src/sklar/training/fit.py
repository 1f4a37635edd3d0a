"""Training any model on Lightning, seeded, with early stopping on the validation loss."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor
from torch.utils.data import DataLoader

from sklar.data import Batch
from sklar.models import FusionModel
from sklar.training.checkpoint import save_model


@dataclass(frozen=True)
class Schedule:
    """How a model is trained.

    Attributes:
        steps: most optimiser steps.
        batch_size: rows a step.
        learning_rate: peak of AdamW's, after the warm-up; then a cosine down to 5% of it.
        weight_decay: of AdamW.
        warmup: steps of linear warm-up.
        clip: bound on the gradient's norm.
        check_every: epochs between two validations.
        patience: validations without improvement before training stops.
    """

    steps: int = 300
    batch_size: int = 100
    learning_rate: float = 5e-3
    weight_decay: float = 1e-3
    warmup: int = 20
    clip: float = 5.0
    check_every: int = 3
    patience: int = 6


class _Module(L.LightningModule):
    """A model, its optimiser and its validation loss; keeps the best weights seen."""

    def __init__(self, model: FusionModel, schedule: Schedule, seed: int) -> None:
        super().__init__()
        self.model, self.schedule = model, schedule
        self.generator = torch.Generator().manual_seed(seed)
        self.best = math.inf
        self.best_state: dict[str, Tensor] = {}
        self.on_best: Callable[[], Any] | None = None

    def training_step(self, batch: Batch, index: int) -> Tensor:
        return self.model.loss(batch, self.generator)["loss"]

    def validation_step(self, batch: Batch, index: int) -> None:
        loss = prediction_loss(self.model, batch)
        self.log("validation_loss", loss, prog_bar=True, batch_size=len(batch))
        self.offer(loss)

    def offer(self, loss: float) -> None:
        """Keep the present weights if their validation loss is the best so far."""
        if loss < self.best:
            self.best = loss
            self.best_state = {name: value.clone() for name, value in self.model.state_dict().items()}
            if self.on_best is not None:
                self.on_best()

    def configure_optimizers(self) -> Any:
        s = self.schedule
        optimizer = torch.optim.AdamW(self.model.parameters(), lr=s.learning_rate, weight_decay=s.weight_decay)

        def factor(step: int) -> float:
            cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, step / s.steps)))
            return min(1.0, (step + 1) / s.warmup) * (0.05 + 0.95 * cosine)

        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


def prediction_loss(model: FusionModel, batch: Batch) -> float:
    """Mean negative log-likelihood of the labels under the blended prediction, in nats."""
    if batch.target is None:
        raise ValueError("the validation rows need targets")
    rows = model.outcome.labelled(batch.target)
    with torch.no_grad():
        summary = model.summary(batch[rows])
        return float(-model.outcome.log_prob(summary[None], batch.target[rows]).mean())


def train(
    model: FusionModel,
    rows: Batch,
    validation: Batch,
    schedule: Schedule | None = None,
    seed: int = 0,
    progress: bool = True,
    checkpoint: str | Path | None = None,
) -> float:
    """Train a model in place, restore its best weights, calibrate it on the validation rows; returns the best loss.

    Args:
        model: to be trained.
        rows: training rows.
        validation: held-out rows with targets.
        schedule: how.
        seed: of the order of the rows, the draws and the dropout. The same seed gives the same weights, bit for bit.
        progress: show a progress bar.
        checkpoint: a folder, to save the best weights as they are found.

    Raises:
        ValueError: no steps, or validation rows without targets.
    """
    schedule = schedule or Schedule()
    if schedule.steps < 1:
        raise ValueError(f"training needs at least one step, got steps={schedule.steps}")
    module = _Module(model, schedule, seed)
    if checkpoint is not None:
        folder = checkpoint
        module.on_best = lambda: save_model(model, folder)
    order = torch.Generator().manual_seed(seed)
    loader: DataLoader[Any] = DataLoader(
        range(len(rows)),  # type: ignore[arg-type]
        batch_size=schedule.batch_size, shuffle=True, generator=order, collate_fn=lambda i: rows[torch.tensor(i)],
    )  # fmt: skip
    held_out: DataLoader[Any] = DataLoader([0], collate_fn=lambda _: validation)  # type: ignore[arg-type]
    for name in ("lightning.pytorch.utilities.rank_zero", "lightning.pytorch.accelerators.cuda"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with torch.random.fork_rng(), warnings.catch_warnings():
        torch.manual_seed(seed)  # dropout knows no generator of its own
        warnings.filterwarnings("ignore", module="lightning")
        warnings.filterwarnings("ignore", message=".*isinstance.treespec.*")
        trainer = L.Trainer(
            accelerator="cpu", max_steps=schedule.steps, gradient_clip_val=schedule.clip, logger=False,
            enable_checkpointing=False, enable_model_summary=False, enable_progress_bar=progress,
            check_val_every_n_epoch=schedule.check_every, num_sanity_val_steps=0,
            callbacks=[EarlyStopping("validation_loss", patience=schedule.patience)],
        )  # fmt: skip
        trainer.fit(module, loader, held_out)
    module.offer(prediction_loss(model, validation))  # the last steps may not have been validated
    model.load_state_dict(module.best_state)
    model.eval()
    model.calibrate(validation, seed)
    if checkpoint is not None:
        save_model(model, checkpoint)
    return module.best
