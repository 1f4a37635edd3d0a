import pytest
import torch
from scipy import stats

from sklar.copulas import GaussianCopula, VineCopula, pair_copula
from sklar.report.vines import dependence, describe, kendall, pairs, trees

plt = pytest.importorskip("matplotlib", reason="pictures need matplotlib: pip install 'sklar[train]'")
NAMES = ["notes", "films", "labs", "vitals"]


def vine():
    rows = [[pair_copula("clayton", [2.0], 90), "gumbel", ["gaussian", "clayton"]], ["frank", "gaussian"], ["indep"]]
    return VineCopula(4, structure="cvine", families=rows)


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts] + [a.get_title() for a in figure.axes]


def test_trees_show_every_pair_with_family_and_tau():
    figure = trees(vine(), NAMES)
    shown = texts(figure)
    assert len(figure.axes) == 3
    assert "clayton 90°, τ -0.50" in shown
    assert any(text.startswith("indep") for text in shown)
    for label in (*NAMES, "labs, films | notes"):
        assert label in shown


def test_every_pair_has_its_contours():
    figure = pairs(vine(), NAMES)
    drawn = [axes for axes in figure.axes if axes.collections]
    assert len(drawn) == 6
    assert all("τ" in axes.get_title() for axes in drawn)


def test_dependence_is_kendalls_tau():
    copula = GaussianCopula(3, (2,), correlation=0.6)
    expected = 2 / torch.pi * torch.asin(torch.tensor(0.6))
    tau = kendall(copula, index=1)
    assert all(tau[i][j] == pytest.approx(float(expected), abs=0.04) for i in range(3) for j in range(i))
    draws = copula.rsample((4000,), torch.Generator().manual_seed(0))[:, 1].detach()
    assert tau[0][1] == pytest.approx(stats.kendalltau(draws[:, 0], draws[:, 1]).statistic)
    assert "1.00" in texts(dependence(copula, ["a", "b", "c"]))


def test_words_for_a_pair_and_errors():
    assert describe(pair_copula("gumbel", [2.0])) == "gumbel, τ 0.50"
    with pytest.raises(ValueError, match="4 variables, got 2 names"):
        trees(vine(), ["a", "b"])
