"""Tables in Markdown and LaTeX."""

from sklar.report.markup import latex, markdown
from sklar.report.tables import Table

TABLE = Table("log-loss, 50% of a_b", ["", "30%"], [["our|s", ".1 +- .02"], ["late_fusion", "-"]])


def test_markdown_has_a_row_a_line_and_no_bar_of_its_own():
    assert markdown([TABLE]) == (
        "**log-loss, 50% of a_b**\n\n|  | 30% |\n| --- | --- |\n| our\\|s | .1 +- .02 |\n| late_fusion | - |\n"
    )


def test_latex_escapes_what_it_must():
    said = latex([TABLE, TABLE])
    assert said.count(r"\begin{table}") == said.count(r"\end{table}") == 2
    assert r"\caption{log-loss, 50\% of a\_b}" in said
    assert r"\begin{tabular}{lr}" in said
    assert r"our|s & .1 $\pm$ .02 \\" in said
    assert r"late\_fusion & - \\" in said
    assert latex([Table("\\{}~^#&$", [""], [])]).count("textbackslash{}") == 1
