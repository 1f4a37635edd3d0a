"""Processes that train side by side, one thread each."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection
from typing import TypeVar

import torch

Job = TypeVar("Job")
Result = TypeVar("Result")
START = "spawn"  # of a process: anew, since a copy of one with threads may hang
REMEDY = "the system may have lacked memory; run this again with fewer processes"


def side_by_side(
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    processes: int | None = None,
    lost: Callable[[Job], Result] | None = None,
) -> Iterator[tuple[Job, Result]]:
    """Jobs with their results, in the order in which they end.

    Where the system ends a process (for want of memory, say), those that ran at that moment run again, one at a time
    and alone; the others go on. A job whose process is ended that time too is lost.

    Args:
        function: of the top level of a module, called in another process.
        jobs: its arguments.
        processes: how many at a time; default one a core.
        lost: what stands for the result of a lost job; by default that is an error.

    Raises:
        BrokenProcessPool: a job is lost, or processes cannot be started at all.
    """
    waiting = deque(jobs)
    workers = max(1, min(processes or os.cpu_count() or 1, len(waiting)))
    while waiting:
        for job in (yield from _until_one_is_ended(function, waiting, workers)):
            with _pool(1) as pool:
                pool.submit(os.getpid).result()  # a process that has nothing to do runs, or no job is to blame
                future = pool.submit(function, job)
                ended = isinstance(future.exception(), BrokenProcessPool)
            if ended and lost is None:
                raise BrokenProcessPool(f"the process of {job!r} was ended twice: {REMEDY}")
            yield job, lost(job) if ended and lost is not None else future.result()


def _until_one_is_ended(
    function: Callable[[Job], Result], waiting: deque[Job], workers: int
) -> Generator[tuple[Job, Result], None, list[Job]]:
    """Jobs with their results, until there are none or a process is ended; returns those that ran then.

    No more are given to the pool than it has processes: the others are known not to have run.
    """
    running: dict[Future[Result], Job] = {}
    with _pool(workers) as pool:
        while waiting or running:
            while waiting and len(running) < workers:
                try:
                    running[pool.submit(function, waiting[0])] = waiting[0]
                except BrokenProcessPool:
                    if not running:  # a process was ended while it had nothing to do
                        return []
                    break
                waiting.popleft()
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            broken = any(isinstance(future.exception(), BrokenProcessPool) for future in done)
            if broken:
                done, _ = wait(running)
            for future in [each for each in running if each in done]:
                if not isinstance(future.exception(), BrokenProcessPool):
                    yield running.pop(future), future.result()
            if broken:
                break
    return list(running.values())


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context(START), initializer=_start)


def _start() -> None:
    torch.set_num_threads(1)
    end_with_parent()


def end_with_parent() -> None:
    """End this process when the one that started it is killed, so that a restart does not meet it."""
    parent = multiprocessing.parent_process()
    if parent is not None:

        def watch(sentinel: int) -> None:
            connection.wait([sentinel])
            os._exit(1)

        threading.Thread(target=watch, args=(parent.sentinel,), daemon=True).start()
