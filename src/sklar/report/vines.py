"""Pictures of a multivariate copula: a vine's trees, its pairs' contours, the dependence of any two variables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch

from sklar.copulas import Copula, Mixture, PairCopula, VineCopula
from sklar.copulas.vine import Edge
from sklar.report.copulas import contour, new_figure

DRAWS = 4000  # of which Kendall's taus are estimated; standard error about .01


def _names(copula: Copula, names: Sequence[str] | None) -> list[str]:
    found = [str(v) for v in range(copula.dim)] if names is None else list(names)
    if len(found) != copula.dim:
        raise ValueError(f"the copula has {copula.dim} variables, got {len(found)} names")
    return found


def describe(pair: PairCopula | Mixture) -> str:
    """Family, rotation and Kendall's tau of a pair in a few words; of a mixture its heaviest family and weight."""
    if isinstance(pair, Mixture):
        best = pair.prune()
        return f"{describe(best)} ({float(pair.weights().max().detach()):.0%})"
    turned = f" {pair.rotation}°" if pair.rotation else ""
    return f"{pair.family.name}{turned}, τ {float(pair.tau().detach()):.2f}"


def trees(copula: VineCopula, names: Sequence[str] | None = None, vine: int = 0) -> Any:
    """A vine's trees side by side: nodes are a tree's variables or the pairs of the tree before; returns the figure.

    Args:
        copula: the vine.
        names: of its variables, default their numbers.
        vine: which one of a batch.

    Raises:
        ImportError: matplotlib is not installed. ValueError: names of another number.
    """
    labels = _names(copula, names)
    structure = copula.structure
    figure = new_figure(4.2 * max(1, structure.trees), 4.2, "constrained")
    panels = figure.subplots(1, max(1, structure.trees), squeeze=False)[0]
    for axes in panels:
        axes.set(xlim=(-1.4, 1.4), ylim=(-1.4, 1.4), aspect="equal")
        axes.axis("off")
    for t, (axes, edges) in enumerate(zip(panels, structure.edges, strict=False)):
        below = structure.edges[t - 1] if t else ()
        nodes = {edge.union: _label(edge, labels) for edge in below} or {
            frozenset((v,)): labels[v] for v in structure.order
        }
        angle = [math.pi / 2 - 2 * math.pi * i / len(nodes) for i in range(len(nodes))]
        place = {node: (math.cos(a), math.sin(a)) for node, a in zip(nodes, angle, strict=True)}
        axes.set_title(f"tree {t + 1}", fontsize=10)
        for e, edge in enumerate(edges):
            pair = copula.pair(t, e, vine)
            (x0, y0), (x1, y1) = (place[frozenset((v, *edge.given))] for v in (edge.first, edge.second))
            strength = abs(_tau(pair))
            axes.plot([x0, x1], [y0, y1], color="tab:blue", lw=0.5 + 4 * strength, zorder=1, solid_capstyle="round")
            axes.annotate(
                describe(pair), ((x0 + x1) / 2, (y0 + y1) / 2), ha="center", va="center", fontsize=7, zorder=2,
                bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.85},
            )  # fmt: skip
        for node, (x, y) in place.items():
            axes.annotate(
                nodes[node], (x, y), ha="center", va="center", fontsize=9, zorder=3,
                bbox={"boxstyle": "round,pad=0.3", "fc": "#eef3fa", "ec": "tab:blue"},
            )  # fmt: skip
    return figure


def pairs(copula: VineCopula, names: Sequence[str] | None = None, vine: int = 0) -> Any:
    """Contours of all of a vine's pairs, a row a tree; returns the figure. Arguments as for `trees`."""
    labels = _names(copula, names)
    structure = copula.structure
    rows = max(1, structure.trees)
    figure = new_figure(2.6 * (copula.dim - 1), 2.8 * rows, "constrained")
    panels = figure.subplots(rows, copula.dim - 1, squeeze=False)
    for axes in panels.flat:
        axes.axis("off")
    for t, edges in enumerate(structure.edges):
        for e, edge in enumerate(edges):
            axes, pair = panels[t][e], copula.pair(t, e, vine)
            axes.axis("on")
            contour(pair, axes)
            axes.set_title(f"{_label(edge, labels)}\n{describe(pair)}", fontsize=8)
            axes.set(xlabel="", ylabel="")
            axes.tick_params(labelsize=6)
    return figure


def dependence(copula: Copula, names: Sequence[str] | None = None, index: int = 0, seed: int = 0) -> Any:
    """Kendall's tau of any two variables, estimated from draws, as a matrix; returns the figure.

    Args:
        copula: any copula.
        names: of its variables, default their numbers.
        index: which one of a batch.
        seed: of the draws.

    Raises:
        ImportError: matplotlib or scipy is not installed. ValueError: names of another number.
    """
    labels = _names(copula, names)
    tau = kendall(copula, index, seed)
    side = 1.6 + 0.6 * copula.dim
    figure = new_figure(side + 0.8, side, "constrained")
    axes = figure.subplots()
    image = axes.imshow(tau, vmin=-1, vmax=1, cmap="RdBu_r")
    axes.set_xticks(range(copula.dim), labels, rotation=45, ha="right")
    axes.set_yticks(range(copula.dim), labels)
    for i in range(copula.dim):
        for j in range(copula.dim):
            shade = "white" if abs(tau[i][j]) > 0.6 else "black"
            axes.text(j, i, f"{tau[i][j]:.2f}", ha="center", va="center", fontsize=8, color=shade)
    figure.colorbar(image, ax=axes, label="Kendall's tau", shrink=0.8)
    return figure


@torch.no_grad()
def kendall(copula: Copula, index: int = 0, seed: int = 0) -> list[list[float]]:
    """Kendall's taus of all pairs of variables from 4,000 draws: ``M`` rows of ``M``; arguments as for `dependence`."""
    try:
        from scipy.stats import kendalltau
    except ImportError as error:
        raise ImportError("this needs scipy: pip install 'sklar[train]'") from error
    generator = torch.Generator(copula.anchor.device).manual_seed(seed)
    draws = copula.rsample((DRAWS,), generator).reshape(DRAWS, -1, copula.dim)[:, index].double().cpu().numpy()
    count = copula.dim
    return [
        [1.0 if i == j else float(kendalltau(draws[:, i], draws[:, j]).statistic) for j in range(count)]
        for i in range(count)
    ]


def _label(edge: Edge, labels: list[str]) -> str:
    text = f"{labels[edge.first]}, {labels[edge.second]}"
    return text if not edge.given else f"{text} | " + ", ".join(labels[v] for v in edge.given)


def _tau(pair: PairCopula | Mixture) -> float:
    return float((pair.prune() if isinstance(pair, Mixture) else pair).tau().detach())
