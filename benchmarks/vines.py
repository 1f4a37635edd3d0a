"""Vines against pyvinecopulib and torchvine: python benchmarks/vines.py [--threads 1] [--only minibatch ...]

Interleaved runs, medians; a ratio is the peer's time over ours: above one we are faster. Ours takes scores, the peers
take uniforms. Parts:

  minibatch   log density and its gradient of a D-vine, n = 256, float32: ours reaches parameters and scores, torchvine
              its inputs (its parameters are no leaves), pyvinecopulib's `scores` the parameters alone, in float64.
  many        a batch of 32 vines of three variables, n = 256, float32; the peers one vine after another.
  large       log density and sampling, n = 100,000, d = 10, float64, against pyvinecopulib's pdf and simulate.
  patterns    imputation of rows of mixed patterns, M = 3, 5, and of how many patterns a batch holds: no peer does it.
  growth      cost against M, as a fitted exponent; with --plot FILE as a picture.

The peers: pip install 'sklar[benchmark]'.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from copulas import PARAMETERS, medians
from sklar.copulas import COPULAS, VineCopula, pair_copula
from sklar.copulas.patterns import all_patterns

MIXED = ("gaussian", "clayton", "gumbel", "frank", "joe")
Call = Callable[[], Any]


def families(d: int, mixed: bool) -> list[list[str]]:
    """A family for each pair of a D-vine: Gaussian, or of five kinds at random."""
    rng = random.Random(d)
    return [[rng.choice(MIXED) if mixed else "gaussian" for _ in range(d - 1 - t)] for t in range(d - 1)]


def weak(family: str) -> tuple[float, ...]:
    """Parameters of moderate dependence, so that a vine of thirty variables stays in the middle of the cube."""
    return {"gaussian": (0.3,), "clayton": (0.5,), "gumbel": (1.3,), "frank": (1.5,), "joe": (1.4,)}.get(
        family, PARAMETERS[family]
    )


def ours(d: int, names: list[list[str]], batch: tuple[int, ...] = (), shortcut: bool = True) -> VineCopula:
    """Our D-vine."""
    pairs = [[pair_copula(name, weak(name)) for name in row] for row in names]
    return VineCopula(d, batch, families=pairs, shortcut=shortcut)


def peer_cpp(d: int, names: list[list[str]]) -> Any:
    """pyvinecopulib's D-vine of the same pairs, None where it is not installed."""
    try:
        import pyvinecopulib as pv
    except ImportError:
        return None
    rows = [
        [pv.Bicop(family=getattr(pv.families, n), parameters=np.array(weak(n)).reshape(-1, 1)) for n in row]
        for row in names
    ]
    return pv.Vinecop.from_structure(structure=pv.DVineStructure(list(range(1, d + 1))), pair_copulas=rows)


def peer_torch(d: int, names: list[list[str]], kind: torch.dtype) -> Any:
    """torchvine's D-vine of the same pairs, None where it is not installed."""
    try:
        import torchvine as tv
    except ImportError:
        return None
    rows = [
        [tv.Bicop(getattr(tv.BicopFamily, n), parameters=torch.tensor(weak(n), dtype=kind).reshape(1, -1)) for n in row]
        for row in names
    ]
    return tv.Vinecop.from_order(list(range(1, d + 1)), pair_copulas=rows)


def gradient(vine: VineCopula, w: torch.Tensor) -> Call:
    """Log density and its gradient in parameters and scores."""
    leaves = [w.clone().requires_grad_(), *vine.parameters()]

    def call() -> None:
        for leaf in leaves:
            leaf.grad = None
        vine.log_prob(leaves[0]).sum().backward()

    return call


def torch_gradient(vine: Any, u: torch.Tensor) -> Call | None:
    """The same of torchvine, for one or several vines."""
    if vine is None:
        return None
    leaf = u.clone().requires_grad_()

    def call() -> None:
        leaf.grad = None
        torch.log(vine.pdf(leaf)).sum().backward()

    return call


def report(name: str, calls: list[Call | None], repeats: int) -> None:
    """A line: ms of ours, then each peer's time over ours."""
    own, *others = medians(calls, repeats)
    ratios = "".join(f"{x / own:10.1f}" if x == x else "         -" for x in others)
    print(f"{name:44s}{own * 1e3:12.2f}{ratios}", flush=True)


def minibatch(repeats: int) -> None:
    """n = 256, float32."""
    print(f"\nminibatch, n = 256{'ms':>38s}{'cpp':>10s}{'torch':>10s}")
    for mixed in (False, True):
        for d in (5, 10, 30):
            names = families(d, mixed)
            w = ours(d, names).inverse_rosenblatt(torch.randn(256, d, generator=torch.Generator().manual_seed(0)))
            w = w.detach()
            u = torch.special.ndtr(w.double()).clamp(1e-6, 1 - 1e-6)
            cpp, data = peer_cpp(d, names), np.asfortranarray(u.numpy())
            peers = [
                None if cpp is None else lambda cpp=cpp, data=data: cpp.scores(data, False),
                torch_gradient(peer_torch(d, names, torch.float32), u.float()),
            ]
            for shortcut in (True, False) if not mixed else (False,):
                vine = ours(d, names, shortcut=shortcut)
                kind = "mixed" if mixed else f"gaussian, shortcut {'on' if shortcut else 'off'}"
                report(f"d = {d}, {kind}", [gradient(vine, w), *peers], repeats)


def many(repeats: int) -> None:
    """32 vines of three variables in one call."""
    print(f"\n32 vines, n = 256{'ms':>39s}{'cpp':>10s}{'torch':>10s}")
    names = [["clayton", "gumbel"], ["frank"]]
    w = torch.randn(256, 32, 3, generator=torch.Generator().manual_seed(0))
    u = torch.special.ndtr(w.double()).clamp(1e-6, 1 - 1e-6)
    cpp = peer_cpp(3, names)
    each = [np.asfortranarray(u[:, j].numpy()) for j in range(32)]
    other = [torch_gradient(peer_torch(3, names, torch.float32), u[:, j].float()) for j in range(32)]
    peers: list[Call | None] = [
        None if cpp is None else lambda: [cpp.scores(x, False) for x in each],
        None if other[0] is None else lambda: [call() for call in other if call is not None],
    ]
    report("d = 3, mixed", [gradient(ours(3, names, (32,)), w), *peers], repeats)


def large(repeats: int) -> None:
    """n = 100,000, d = 10: density and sampling."""
    print(f"\nn = 100,000, d = 10, float64{'ms':>28s}{'cpp':>10s}")
    n, d = 100_000, 10
    for mixed in (False, True):
        names = families(d, mixed)
        noise = torch.randn(n, d, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        cpp = peer_cpp(d, names)
        for shortcut in (True, False) if not mixed else (False,):
            vine = ours(d, names, shortcut=shortcut).double()
            with torch.no_grad():
                w = vine.inverse_rosenblatt(noise)
                data = np.asfortranarray(torch.special.ndtr(w).clamp(1e-10, 1 - 1e-10).numpy())
                kind = "mixed" if mixed else f"gaussian, shortcut {'on' if shortcut else 'off'}"
                pdf = None if cpp is None else lambda cpp=cpp, data=data: cpp.pdf(data)
                draw = None if cpp is None else lambda cpp=cpp: cpp.sample(n)
                report(f"density, {kind}", [lambda vine=vine, w=w: vine.log_prob(w), pdf], repeats)
                report(f"sampling, {kind}", [lambda vine=vine, z=noise: vine.inverse_rosenblatt(z), draw], repeats)


def patterns(repeats: int) -> None:
    """Imputation of mixed patterns."""
    print(f"\nimputation, n = 256, d = 16 coordinates, float32{'ms':>8s}")
    for m in (3, 5):
        masks = all_patterns(m)
        masks = masks[masks.sum(-1) < m]
        for name in ("gaussian", "factor", "vine"):
            options = {} if name == "gaussian" else {"families": "frank"}
            copula = COPULAS[name](m, (16,), correlation=0.5, **options)
            w = torch.randn(256, 16, m, generator=torch.Generator().manual_seed(0))
            noise = torch.randn(w.shape, generator=torch.Generator().manual_seed(1))
            for count in (1, len(masks) // 2, len(masks)):
                mask = masks[-count:].repeat(256 // count + 1, 1)[:256]
                call = torch.no_grad()(lambda c=copula, w=w, x=mask, z=noise: c.impute(w, x, noise=z))
                report(f"{name}, M = {m}, {count} patterns", [call], max(1, repeats // 2))


def growth(repeats: int, plot: str | None) -> None:
    """Cost of log density and gradient against the number of variables."""
    sizes, found = [3, 5, 8, 12, 20, 30], {}
    for name in ("gaussian", "factor", "vine, gaussian pairs", "vine, frank pairs"):
        times = []
        for m in sizes:
            kind, _, pairs = name.partition(", ")
            options: dict[str, Any] = {"families": "frank"} if kind != "gaussian" else {}
            if pairs.startswith("gaussian"):
                options = {"families": "gaussian", "shortcut": False}
            copula = COPULAS[kind](m, (), correlation=0.3, **options)
            w = torch.randn(256, m, generator=torch.Generator().manual_seed(0))
            times.append(medians([gradient(copula, w)], repeats)[0])  # type: ignore[arg-type]
        slope = np.polyfit(np.log(sizes), np.log(times), 1)[0]
        found[name] = times
        print(f"{name:24s} ms {[round(1e3 * t, 1) for t in times]} at M = {sizes}: about M^{slope:.1f}", flush=True)
    if plot:
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5, 4), layout="constrained")
        axes = figure.subplots()
        for name, times in found.items():
            axes.loglog(sizes, [1e3 * t for t in times], marker="o", label=name)
        axes.set(xlabel="variables M", ylabel="ms, log density and gradient, n = 256")
        axes.legend(frameon=False)
        figure.savefig(plot, dpi=120)


def main() -> None:
    """Print the parts asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ("minibatch", "many", "large", "patterns", "growth")
    parser.add_argument("--only", nargs="+", choices=names, default=names)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--plot", help="file for the picture of the growth")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for name in options.only:
        if name == "growth":
            growth(options.repeats, options.plot)
        else:
            {"minibatch": minibatch, "many": many, "large": large, "patterns": patterns}[name](options.repeats)


if __name__ == "__main__":
    main()
