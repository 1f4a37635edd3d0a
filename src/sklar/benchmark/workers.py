"""Processes that train side by side, one thread each."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing.connection import wait
from typing import TypeVar

import torch

Job = TypeVar("Job")
Result = TypeVar("Result")


def side_by_side(
    function: Callable[[Job], Result], jobs: Iterable[Job], processes: int | None = None
) -> Iterator[tuple[Job, Result]]:
    """Jobs with their results, in the order in which they end.

    Args:
        function: of the top level of a module, called in another process.
        jobs: its arguments.
        processes: how many at a time; default one a core.
    """
    waiting = list(jobs)
    workers = max(1, min(processes or os.cpu_count() or 1, len(waiting)))
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start) as pool:
        futures = {pool.submit(function, job): job for job in waiting}
        for future in as_completed(futures):
            yield futures[future], future.result()


def _start() -> None:
    torch.set_num_threads(1)
    end_with_parent()


def end_with_parent() -> None:
    """End this process when the one that started it is killed, so that a restart does not meet it."""
    parent = multiprocessing.parent_process()
    if parent is not None:

        def watch(sentinel: int) -> None:
            wait([sentinel])
            os._exit(1)

        threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()
