"""Tables in Markdown and LaTeX."""

from __future__ import annotations

from collections.abc import Sequence

from sklar.report.tables import Table

SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
}  # fmt: skip


def markdown(tables: Sequence[Table]) -> str:
    """Titled tables one after the other."""
    return "\n".join(f"**{table.title}**\n\n{_lines(table)}\n" for table in tables)


def _lines(table: Table) -> str:
    rows = [table.columns, ["---"] * len(table.columns), *table.rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def latex(tables: Sequence[Table]) -> str:
    """Tables as floats, for ``booktabs``; ``+-`` is the sign."""
    return "\n".join(_float(table) for table in tables)


def _float(table: Table) -> str:
    head, *rows = (" & ".join(_cell(cell) for cell in row) + r" \\" for row in (table.columns, *table.rows))
    return "\n".join([
        r"\begin{table}", r"\centering", rf"\caption{{{_cell(table.title)}}}",
        rf"\begin{{tabular}}{{l{'r' * (len(table.columns) - 1)}}}", r"\toprule", head, r"\midrule", *rows,
        r"\bottomrule", r"\end{tabular}", r"\end{table}", "",
    ])  # fmt: skip


def _cell(text: str) -> str:
    return "".join(SPECIAL.get(letter, letter) for letter in text).replace("+-", r"$\pm$")
