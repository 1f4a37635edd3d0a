"""What is shown while a comparison runs."""

import pytest
from rich.console import Console

from sklar.benchmark.progress import Progress, shown


def result(arm, loss=None, **more):
    return {"arm": arm, **({"error": "E"} if loss is None else {"validation_loss": loss}), **more}


@pytest.fixture
def progress():
    found = Progress({"ours": 3, "rival": 2})
    found.known([result("ours", 0.5, seconds=10.0)])
    return found


def test_the_table_counts_trials_and_failures(progress):
    assert progress.line() == "1 of 5 trials"
    progress.add(result("ours", 0.4, seconds=20.0))
    progress.add(result("rival"))
    assert progress.table().rows == [["ours", "2 of 3", "", "0.4000", "15"], ["rival", "1 of 2", "1", "", ""]]
    progress.started -= 120
    assert progress.line() == "3 of 5 trials, 2 min left"  # two new ones in two minutes, two left
    progress.add(result("ours", 0.6))
    progress.add(result("rival", 0.6))
    assert progress.line() == "5 of 5 trials"


def test_without_a_terminal_there_is_a_line_at_the_end(progress, capsys):
    with shown(progress) as show:
        progress.add(result("rival", 0.3))
        show()
    assert capsys.readouterr().out.strip() == progress.line()


def test_on_a_terminal_the_table_stands_still(progress, monkeypatch, capsys):
    monkeypatch.setattr("rich.console.Console.is_terminal", property(lambda self: True))
    monkeypatch.setattr(Console, "width", 100)
    with shown(progress) as show:
        progress.add(result("rival", 0.3))
        show()
    said = capsys.readouterr().out
    assert "2 of 5 trials" in said
    assert "0.3000" in said
