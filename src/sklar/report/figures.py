"""Figures of the report, as PNG data that can stand inside a page."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np


def figure_data(figure: Any) -> str:
    """A figure as a data address, and closed."""
    from matplotlib import pyplot as plt

    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    plt.close(figure)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def figure_bytes(data: str) -> bytes:
    """The PNG file that a data address holds."""
    return base64.b64decode(data.partition(",")[2])


def pyplot() -> Any:
    """Matplotlib without a screen."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    return plt


def reliability_figure(curves: dict[str, list[tuple[float, float, int]]]) -> str:
    """Accuracy against confidence, a line a model."""
    plt = pyplot()
    figure, axis = plt.subplots(figsize=(5, 4.4))
    axis.plot([0, 1], [0, 1], color="0.7", linestyle="--", label="perfect")
    for name, points in curves.items():
        confidence, right, _ = zip(*points, strict=True)
        axis.plot(confidence, right, marker="o", label=name)
    axis.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02))
    axis.legend(frameon=False)
    return figure_data(figure)


def dependence_figure(correlation: list[list[list[float]]], modalities: list[str]) -> str:
    """Fitted correlation of each pair of modalities, a column a coordinate of the embedding."""
    plt = pyplot()
    values = np.asarray(correlation)
    pairs = [(i, j) for i in range(len(modalities)) for j in range(i + 1, len(modalities))]
    image = np.stack([values[:, i, j] for i, j in pairs])
    figure, axis = plt.subplots(figsize=(8, 2.2))
    drawn = axis.imshow(image, cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
    axis.set_yticks(range(len(pairs)), [f"{modalities[i]} - {modalities[j]}" for i, j in pairs])
    axis.set(xlabel="coordinate of the embedding")
    figure.colorbar(drawn, label="correlation of scores")
    return figure_data(figure)


def completion_figure(pictures: dict[str, Any]) -> str:
    """Completed digits: a row each, the truth, the observed half, then each model's draws of the lower half."""
    plt = pyplot()
    upper, lower = np.asarray(pictures["truth"]["upper"]), np.asarray(pictures["truth"]["lower"])
    models = pictures["completions"]
    columns: list[tuple[str, Any]] = [
        ("truth", np.concatenate([upper, lower], 1)),
        ("observed", np.concatenate([upper, np.full_like(lower, np.nan)], 1)),
    ]
    for name, draws in models.items():
        for s, draw in enumerate(np.asarray(draws)):
            columns.append((name.replace("_", "\n") if s == len(draws) // 2 else "", np.concatenate([upper, draw], 1)))
    figure, axes = plt.subplots(len(upper), len(columns), figsize=(0.72 * len(columns), 0.78 * len(upper)))
    for k, (title, images) in enumerate(columns):
        for row, image in enumerate(images):
            axis = axes[row, k]
            axis.imshow(image, cmap="gray_r", vmin=0, vmax=16)
            axis.set_facecolor("#f3d9b1")
            axis.set_xticks([])
            axis.set_yticks([])
        axes[0, k].set_title(title, fontsize=8)
    return figure_data(figure)
