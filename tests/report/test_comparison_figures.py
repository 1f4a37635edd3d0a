"""Figures of a comparison: what they draw, not how it looks."""

import numpy as np
import pytest

from sklar.evaluation.multiple import Ranks
from sklar.report import comparison_figures
from sklar.report.comparison_figures import (
    condition_figure,
    difference_figure,
    joined,
    leading,
    rank_figure,
    score_figure,
)
from sklar.report.figures import figure_bytes

ARMS = {"ours": 0.3, "good": 0.2, "bad": 0.9, "worse": 1.5}


def records(shift=0.0):
    return [
        {"model": arm, "seed": seed, "setting": "tests", "pattern": pattern, "log_loss": value + shift + seed / 100 + k}
        for arm, value in ARMS.items() for seed in range(3) for k, pattern in enumerate(("0%", "50%"))
    ]  # fmt: skip


@pytest.fixture
def drawn(monkeypatch):
    """The axis of the figure made last."""
    kept = []
    real = comparison_figures.figure_data

    def keep(figure):
        kept.append(figure.axes[0])
        return real(figure)

    monkeypatch.setattr(comparison_figures, "figure_data", keep)
    return kept


def test_the_leading_arms_are_the_reference_and_the_best():
    assert leading(records(), "tests", "log_loss", "ours", 3) == ["ours", "good", "bad"]
    assert leading(records(), "tests", "accuracy", "ours") == []
    assert leading(records(), "patterns", "log_loss", "ours") == []


def test_lines_are_means_over_seeds(drawn):
    data = score_figure(records(), "tests", "log_loss", "ours")
    assert figure_bytes(data).startswith(b"\x89PNG")
    axis = drawn[-1]
    lines = {c.get_label(): c[0].get_ydata() for c in axis.containers}
    assert list(lines) == ["ours", "good", "bad", "worse"]
    assert lines["bad"] == pytest.approx([0.91, 1.91])
    condition_figure({"100": records(0.5), "300": records()}, "tests", "log_loss", "ours", "labels")
    lines = {c.get_label(): c[0].get_ydata() for c in drawn[-1].containers}
    assert lines["ours"] == pytest.approx([1.31, 0.81])


def test_differences_have_their_intervals(drawn):
    apart = [
        {"setting": "tests", "metric": "log_loss", "model": arm, "value": v, "low": v - 0.1, "high": v + 0.3}
        for arm, v in ARMS.items()
    ]
    difference_figure(apart, "tests", "log_loss", "x")
    axis = drawn[-1]
    assert [t.get_text() for t in axis.get_yticklabels()] == ["worse", "bad", "ours", "good"]
    ends = axis.containers[0][2][0].get_segments()
    assert [tuple(e[:, 0]) for e in ends] == [pytest.approx((v - 0.1, v + 0.3)) for v in (1.5, 0.9, 0.3, 0.2)]


def test_an_arm_far_off_is_said_at_the_edge(drawn):
    near = [
        {
            "setting": "tests",
            "metric": "log_loss",
            "model": f"arm{k}",
            "value": k / 100,
            "low": k / 100 - 0.1,
            "high": k / 100 + 0.1,
        }
        for k in range(20)
    ]
    far = {"setting": "tests", "metric": "log_loss", "model": "chance", "value": 2.0, "low": 1.9, "high": 2.1}
    difference_figure([*near, far], "tests", "log_loss", "x")
    assert drawn[-1].get_xlim()[1] < 1
    assert [t.get_text().strip() for t in drawn[-1].texts] == ["+2.00 \u2192"]


def test_bars_join_what_does_not_differ(drawn):
    assert joined(np.array([1.0, 1.5, 3.0, 3.4, 6.0]), 1.6) == [(0, 1), (1, 2), (2, 3)]
    assert joined(np.array([1.0, 2.0, 3.0]), 0.5) == []
    assert joined(np.array([1.0, 2.0, 3.0]), 5.0) == [(0, 2)]
    rank_figure(["a", "b", "c"], Ranks(np.array([2.5, 1.0, 2.5]), 0.7, 0.01))
    said = [t.get_text() for t in drawn[-1].texts]
    assert "b  1.00" in said
    assert "critical difference 0.70" in said
