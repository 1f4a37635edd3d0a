"""Pair copulas against pyvinecopulib and torchvine: python benchmarks/copulas.py [--threads 1] [--points 256 10000 ...]

Interleaved runs, medians. A ratio is the peer's time over ours: above one we are faster. Ours takes scores, the peers
take uniforms. pyvinecopulib has no backward pass: its forward (float64 always) is compared with ours. torchvine's
forward and backward reach its inputs alone, ours the parameters too. The floor of a density is the time of its
transcendental functions alone, counted while it runs and timed at the same size. Peers: pip install 'sklar[benchmark]'.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from sklar.copulas import FAMILIES, PairCopula, pair_copula

PARAMETERS: dict[str, tuple[float, ...]] = {
    "indep": (), "gaussian": (0.6,), "student": (0.5, 4.0), "clayton": (2.0,), "gumbel": (2.0,), "frank": (5.0,),
    "joe": (2.5,), "bb1": (0.6, 1.6), "bb6": (1.4, 1.7), "bb7": (1.6, 0.9), "bb8": (2.5, 0.7), "tawn": (0.6, 0.8, 2.5),
}  # fmt: skip
TRANSCENDENTAL = {
    "exp", "expm1", "log", "log1p", "special_log_ndtr", "special_ndtr", "special_ndtri", "special_erfcx", "logaddexp",
    "sigmoid", "lgamma", "digamma", "tanh", "sinh", "asinh", "erfc",
}  # fmt: skip
TASKS = ("density", "density, backward", "h", "inverse")
INVERSE_LIMIT = 100_000  # points of an inverse: a million take long and say nothing new
Call = Callable[[], Any]


class Count(TorchDispatchMode):
    """Counts calls of transcendental functions on tensors of a given size, and bytes written by all calls."""

    def __init__(self, points: int) -> None:
        super().__init__()
        self.points, self.calls, self.bytes = points, Counter[str](), 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and result.numel() == self.points:
            name = function.overloadpacket.__name__.rstrip("_")
            self.bytes += result.element_size()
            if name in TRANSCENDENTAL:
                self.calls[name] += 1
        return result


def ours(copula: PairCopula, task: str, w: torch.Tensor) -> Call:
    """One of our calls."""
    x, y = (column.clone() for column in w.T)
    if task == "density, backward":
        x.requires_grad_(), y.requires_grad_()

        def both() -> None:
            x.grad = y.grad = copula.raw.grad = None
            copula.log_prob(x, y).sum().backward()

        return both
    function = {"density": copula.log_prob, "h": copula.hfunc2, "inverse": copula.hinv2}[task]
    return torch.no_grad()(lambda: function(x, y))


def peer_cpp(family: str, task: str, u: torch.Tensor) -> Call | None:
    """pyvinecopulib's call, or None where it has none."""
    try:
        import pyvinecopulib as pv
    except ImportError:
        return None
    column = np.array(PARAMETERS[family]).reshape(-1, 1)
    copula = pv.Bicop(family=getattr(pv.families, family), parameters=column)
    name = {"density": "pdf", "h": "hfunc2", "inverse": "hinv2"}.get(task)
    data = u.double().numpy()
    return None if name is None else lambda: getattr(copula, name)(data)


def peer_torch(family: str, task: str, u: torch.Tensor) -> Call | None:
    """torchvine's call, or None where it lacks the family."""
    try:
        import torchvine as tv

        copula = tv.Bicop(
            getattr(tv.BicopFamily, family), parameters=torch.tensor(PARAMETERS[family], dtype=u.dtype).reshape(1, -1)
        )
        copula.pdf(u[:4])
    except (ImportError, AttributeError, ValueError, RuntimeError, TypeError, IndexError):
        return None
    if task == "density, backward":
        data = u.clone().requires_grad_()

        def both() -> None:
            data.grad = None
            density = torch.log(copula.pdf(data))
            if density.requires_grad:
                density.sum().backward()

        return both
    function = {"density": copula.pdf, "h": copula.hfunc2, "inverse": copula.hinv2}[task]
    return torch.no_grad()(lambda: function(u))


def medians(calls: list[Call | None], repeats: int) -> list[float]:
    """Median seconds of each call, run in turn; NaN for None and for a call that fails."""
    times: list[list[float]] = [[] for _ in calls]
    for number in range(repeats + 1):  # the first round warms up
        for call, own in zip(calls, times, strict=True):
            if call is None:
                continue
            start = time.perf_counter()
            try:
                call()
            except (RuntimeError, ValueError, IndexError):
                own.append(math.nan)
                continue
            if number:
                own.append(time.perf_counter() - start)
    return [statistics.median(own) if own else math.nan for own in times]


def floor(copula: PairCopula, w: torch.Tensor, repeats: int) -> tuple[int, int, float]:
    """Transcendental functions and bytes a point of one density, and the seconds of those functions alone."""
    counter = Count(len(w))
    with torch.no_grad(), counter:
        copula.log_prob(*w.T)
    x = w[:, 0].abs() * 0.1 + 0.1
    seconds = 0.0
    for name, calls in counter.calls.items():
        function = getattr(torch.special, name.removeprefix("special_"), None) or getattr(torch, name)
        arguments = (x, x) if name == "logaddexp" else (x,)
        seconds += calls * medians([lambda f=function, a=arguments: f(*a)], repeats)[0]  # type: ignore[misc]
    return sum(counter.calls.values()), counter.bytes, seconds


def main() -> None:
    """Print one table a number of points and type."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--points", type=int, nargs="+", default=[256, 10_000, 1_000_000])
    parser.add_argument("--families", nargs="+", default=list(FAMILIES), choices=list(FAMILIES))
    parser.add_argument("--types", nargs="+", default=["float32", "float64"], choices=["float32", "float64"])
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for points in options.points:
        for kind in options.types:
            print(f"\n{points} points, {kind}, {options.threads} thread(s): ms of ours, then peer's time over ours")
            head = "".join(f"{task:>19s}   cpp torch" for task in TASKS)
            print(f"{'':9s}{head}   functions bytes of-floor")
            for family in options.families:
                print(row(family, points, getattr(torch, kind), options.repeats), flush=True)


def row(family: str, points: int, kind: torch.dtype, repeats: int) -> str:
    """A line of the table."""
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(points, 2, generator=generator, dtype=torch.float64).to(kind)
    copula, text, density = pair_copula(family, PARAMETERS[family]), f"{family:9s}", math.nan
    for task in TASKS:
        part = w[:INVERSE_LIMIT] if task == "inverse" else w
        u = torch.special.ndtr(part).clamp(1e-6, 1 - 1e-6)
        calls = [ours(copula, task, part), peer_cpp(family, task, u), peer_torch(family, task, u)]
        own, cpp, other = medians(calls, repeats)
        density = own if task == "density" else density
        text += f"{own * 1e3:19.2f}" + "".join(f"{x / own:6.1f}" if x == x else "     -" for x in (cpp, other))
    functions, size, seconds = floor(copula, w, repeats)
    return text + f"{functions:12d}{size:6d}" + (f"{density / seconds:9.1f}" if seconds else "        -")


if __name__ == "__main__":
    main()
