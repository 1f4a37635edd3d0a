"""Processes side by side, some of which the system ends."""

import os
import signal
import time
from concurrent.futures.process import BrokenProcessPool

import pytest

from sklar.benchmark import workers
from sklar.benchmark.workers import side_by_side


@pytest.fixture(autouse=True)
def copied(monkeypatch):
    """Processes that need not import torch anew."""
    monkeypatch.setattr(workers, "START", "fork")


def work(job):
    """Ends its own process as the system would, always or the first time alone; or has a result."""
    number, what, folder = job
    with open(folder / f"{number}", "a") as file:
        file.write("x")
    if what == "always" or (what == "once" and (folder / f"{number}").read_text() == "x"):
        time.sleep(0.5)  # the other process has its job
        os.kill(os.getpid(), signal.SIGKILL)
    return number * 10


def test_jobs_whose_process_is_ended_run_once_more_alone_and_the_rest_goes_on(tmp_path):
    jobs = [(n, {1: "always", 3: "once"}.get(n, ""), tmp_path) for n in range(6)]
    found = {job[0]: result for job, result in side_by_side(work, jobs, 2, lambda job: -job[0])}
    assert found == {n: -1 if n == 1 else 10 * n for n in range(6)}
    tried = {n: len((tmp_path / f"{n}").read_text()) for n in range(6)}
    assert (tried[1], tried[3]) == (2, 2)
    assert all(times <= 2 for times in tried.values())


def test_without_a_stand_in_a_lost_job_is_an_error_with_the_remedy(tmp_path):
    with pytest.raises(BrokenProcessPool, match=r"the process of \(0, .* was ended twice: .* fewer processes"):
        list(side_by_side(work, [(0, "always", tmp_path)], 1))
