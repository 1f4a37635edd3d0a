"""How far a comparison is: a table that changes on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sklar.report.tables import Table

EVERY = 30.0  # seconds between two lines where there is no terminal


class Progress:
    """What is known of the trials of each arm.

    Args:
        trials: number of trials of each arm, by its label.
    """

    def __init__(self, trials: Mapping[str, int]) -> None:
        self.trials = dict(trials)
        self.results: dict[str, list[Mapping[str, Any]]] = {arm: [] for arm in trials}
        self.before, self.started = 0, time.monotonic()

    def known(self, results: Iterable[Mapping[str, Any]]) -> None:
        """Trials that were done before."""
        for result in results:
            self.results[result["arm"]].append(result)
            self.before += 1

    def add(self, result: Mapping[str, Any]) -> None:
        """One that has just ended."""
        self.results[result["arm"]].append(result)

    @property
    def done(self) -> int:
        """Trials that have a result."""
        return sum(len(each) for each in self.results.values())

    def line(self) -> str:
        """How many are done, and what the rest will take at the pace so far."""
        total, new = sum(self.trials.values()), self.done - self.before
        said = f"{self.done} of {total} trials"
        if new and self.done < total:
            said += f", {(time.monotonic() - self.started) / new * (total - self.done) / 60:.0f} min left"
        return said

    def table(self) -> Table:
        """Arms with their trials, failures, lowest validation loss and mean seconds."""
        rows = []
        for arm, results in self.results.items():
            losses = [r["validation_loss"] for r in results if "error" not in r]
            seconds = [r["seconds"] for r in results if "seconds" in r]
            failed = sum("error" in r for r in results)
            rows.append([
                arm, f"{len(results)} of {self.trials[arm]}", str(failed or ""),
                f"{min(losses):.4f}" if losses else "", f"{sum(seconds) / len(seconds):.0f}" if seconds else "",
            ])  # fmt: skip
        return Table(self.line(), ["", "trials", "failed", "lowest validation loss", "seconds a trial"], rows)


@contextmanager
def shown(progress: Progress) -> Iterator[Callable[[], None]]:
    """Show progress within the block; what it gives is called after each trial."""
    from rich.console import Console

    console = Console()
    if not console.is_terminal:
        last = time.monotonic()

        def say() -> None:
            nonlocal last
            if time.monotonic() - last >= EVERY:
                last = time.monotonic()
                print(f"  {progress.line()}", flush=True)

        yield say
        print(f"  {progress.line()}", flush=True)
        return
    from rich.live import Live

    with Live(_rich(progress.table()), console=console, auto_refresh=False) as live:
        yield lambda: live.update(_rich(progress.table()), refresh=True)


def _rich(table: Table) -> Any:
    from rich.table import Table as RichTable

    found = RichTable(title=table.title, title_justify="left", box=None)
    for k, name in enumerate(table.columns):
        found.add_column(name, justify="right" if k else "left")
    for row in table.rows:
        found.add_row(*row)
    return found
