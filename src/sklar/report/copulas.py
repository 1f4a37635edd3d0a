"""A pair copula's picture: contours of its density with standard normal marginals."""

from __future__ import annotations

from typing import Any

import torch

from sklar.copulas.pair import PairScores
from sklar.numerics import log_normal


def new_figure(width: float, height: float, layout: Any = None) -> Any:
    """An empty matplotlib figure that no window waits for; sizes in inches. ImportError: matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("pictures need matplotlib: pip install 'sklar[train]'") from error
    return Figure(figsize=(width, height), layout=layout)


@torch.no_grad()
def contour(copula: PairScores, axes: Any = None, reach: float = 3.0, points: int = 121) -> Any:
    """Contours on the score scale, where independence is a set of circles; returns the matplotlib axes.

    Args:
        copula: one pair.
        axes: where to draw; default new ones.
        reach: scores from ``-reach`` to ``reach``.
        points: grid points a side.

    Raises:
        ImportError: matplotlib is not installed.
    """
    if copula.batch_shape:
        raise ValueError(f"one picture shows one pair, not a batch of shape {tuple(copula.batch_shape)}")
    if axes is None:
        axes = new_figure(4, 4).add_subplot()
    grid = torch.linspace(-reach, reach, points, dtype=torch.float64)
    x, y = torch.meshgrid(grid, grid, indexing="xy")
    density = torch.exp(copula.log_prob(x, y) + log_normal(x) + log_normal(y))
    levels = [0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4]
    drawn = axes.contour(grid, grid, density, levels=levels, cmap="viridis", linewidths=1.2)
    axes.clabel(drawn, fontsize=7)
    axes.set(xlabel="score of the first variable", ylabel="score of the second", aspect="equal")
    return axes
