"""Jobs on a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")


def on_ray(
    function: Callable[[Job], Result],
    jobs: Iterable[Job],
    processes: int | None = None,
    lost: Callable[[Job], Result] | None = None,
) -> Iterator[tuple[Job, Result]]:
    """Jobs with their results, in the order in which they end; each has one core.

    The cluster is the one that ``RAY_ADDRESS`` names or that runs on this machine, else one is started here and ended
    again. Its machines need the package, and the paths in the jobs must mean the same files on all of them.

    Args:
        function: of the top level of a module.
        jobs: its arguments.
        processes: how many at a time; default as many as the cluster has cores.
        lost: what stands for the result of a job whose process was ended, or whose machine was lost, though Ray tried
            it again; by default that is an error.

    Raises:
        ImportError: Ray is not installed.
    """
    try:
        import ray
    except ImportError as error:
        raise ImportError("engine ray needs Ray: pip install 'sklar[cluster]'") from error
    mine = not ray.is_initialized()
    if mine:
        ray.init(log_to_driver=False)
    try:
        remote, waiting = ray.remote(num_cpus=1)(function), list(jobs)
        most = processes or len(waiting)
        running: dict[Any, Job] = {}
        while waiting or running:
            while waiting and len(running) < most:
                job = waiting.pop(0)
                running[remote.remote(job)] = job
            (done, *_), _ = ray.wait(list(running), num_returns=1)
            job = running.pop(done)
            try:
                result = ray.get(done)
            except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError, ray.exceptions.OutOfMemoryError):
                if lost is None:
                    raise
                result = lost(job)
            yield job, result
    finally:
        if mine:
            ray.shutdown()
