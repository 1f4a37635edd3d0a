"""What a run says while it trains: a progress bar, ``metrics.csv``, TensorBoard's event files."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from sklar.training.files import renamed

METRICS = "metrics.csv"


class Log:
    """Progress and metrics of a run.

    Args:
        folder: where files go; None writes none.
        start: step at which this process begins; events that a killed process left beyond it are superseded.
        steps: most steps.
        bar: show a progress bar, on a terminal.
    """

    def __init__(self, folder: Path | None, start: int, steps: int, bar: bool) -> None:
        from tqdm import tqdm

        self.folder = folder
        self.bar = tqdm(total=steps, initial=start, disable=None if bar else True, unit="step", dynamic_ncols=True)
        self.writer: Any = None
        if folder is not None:
            from torch.utils.tensorboard import SummaryWriter

            self.writer = SummaryWriter(folder / "tensorboard", purge_step=start + 1)

    def step(self, loss: float) -> None:
        """A step was taken."""
        self.bar.update()
        self.bar.set_postfix_str(f"loss {loss:.4f}{self.validation}", refresh=False)

    validation = ""

    def validated(self, history: list[dict[str, float]]) -> None:
        """A validation was added to the history: into the files."""
        record = history[-1]
        self.validation = f", validation {record['validation_loss']:.4f}"
        if self.folder is None:
            return
        with renamed(self.folder / METRICS) as part, part.open("w", newline="") as file:
            table = csv.DictWriter(file, list(record), lineterminator="\n")
            table.writeheader()
            table.writerows(history)
        for name, value in record.items():
            if name not in ("step", "epoch"):
                self.writer.add_scalar(name, value, int(record["step"]))
        self.writer.flush()

    def close(self) -> None:
        """End bar and files."""
        self.bar.close()
        if self.writer is not None:
            self.writer.close()
