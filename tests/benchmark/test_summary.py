"""Comparisons put together."""

import json

import numpy as np
import pytest
from scipy.stats import rankdata

from sklar.benchmark.summary import ABOUT, Part, all_figures, rank_tables, read_parts, write_summary
from sklar.benchmark.tidy import read_scores
from sklar.evaluation.multiple import ranks

ARMS = ("ours", "one", "other")


def write_part(folder, losses, dataset="", condition=""):
    """A folder as `sklar benchmark` leaves it."""
    records = [
        {"model": arm, "seed": seed, "setting": "tests", "pattern": pattern, "number": 9, "log_loss": loss + 0.1 * seed,
         "accuracy": 0.5}
        for arm, loss in losses.items() for seed in (0, 1) for pattern in ("0%", "50%")
    ]  # fmt: skip
    apart = [{"setting": "tests", "model": arm, "metric": "log_loss", "value": 0.1, "low": 0.0, "high": 0.2, "p": 0.01,
              "p_holm": 0.02} for arm in losses if arm != "ours"]  # fmt: skip
    folder.mkdir(parents=True)
    about = {"reference": "ours", "dataset": dataset, "condition": condition, "name": "digits",
             "labelled": {"few": 20, "many": 1000}.get(condition)}  # fmt: skip
    curves = {arm: [[0.5, 0.6, 10], [0.9, 0.8, 5]] for arm in losses}
    for name, content in (("results", records), ("differences", apart), ("reliability", curves), (ABOUT[:-5], about)):
        (folder / f"{name}.json").write_text(json.dumps(content))


@pytest.fixture
def folders(tmp_path):
    write_part(tmp_path / "a" / "x" / "few", dict(zip(ARMS, (0.1, 0.2, 0.3), strict=True)), "x", "few")
    write_part(tmp_path / "a" / "x" / "many", dict(zip(ARMS, (0.1, 0.3, 0.2), strict=True)), "x", "many")
    write_part(tmp_path / "b", {**dict(zip(ARMS, (0.2, 0.1, 0.3), strict=True)), "more": 0.0})
    return [tmp_path / "a", tmp_path / "b"]


def test_all_parts_are_found_and_arms_ranked_over_them(folders):
    parts = read_parts(folders)
    assert [part.label for part in parts] == ["x / few", "x / many", "b"]
    (losses, accuracies) = rank_tables(parts)
    scores = np.array([[0.1, 0.25, 0.25], [0.2, 0.1, 0.3]])  # conditions of a dataset are one set
    means = dict(zip(ARMS, rankdata(scores, axis=1).mean(0), strict=True))
    assert losses.rows == [[arm, f"{means[arm]:.2f}"] for arm in sorted(means, key=means.get)]
    assert f"{ranks(scores, True).critical:.2f}" in losses.title
    assert {row[1] for row in accuracies.rows} == {"2.00"}  # all tied
    assert rank_tables(parts[:1]) == []
    assert rank_tables([Part(p.dataset, p.about, p.records[:8], p.apart, {}) for p in parts]) == []  # two arms


def test_the_summary_has_every_table_in_each_form_and_every_figure(folders, tmp_path):
    tables = write_summary(read_parts(folders), tmp_path / "out")
    said = {name: (tmp_path / "out" / name).read_text() for name in ("report.html", "tables.md", "tables.tex")}
    for table in tables:
        assert table.title in said["tables.md"]
    assert said["tables.tex"].count(r"\begin{table}") == len(tables)
    scores = read_scores(tmp_path / "out" / "scores.parquet")
    assert {(r["dataset"], r["condition"]) for r in scores} == {("x", "few"), ("x", "many"), ("digits", "")}
    figures = all_figures(read_parts(folders))
    assert set(figures) >= {"ranks by log_loss", "x / few: log_loss", "b: log_loss, differences", "b: reliability",
                            "x: log_loss against the condition"}  # fmt: skip
    files = list((tmp_path / "out" / "figures").glob("*.png"))
    assert len(files) == len(figures) == said["report.html"].count("<img")
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)
    one = write_summary(read_parts(folders[1:]), tmp_path / "one")
    assert one[0].title.startswith("the test rows: accuracy")


def test_a_folder_without_comparisons_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no finished comparison"):
        read_parts([tmp_path])
