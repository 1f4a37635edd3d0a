"""Pages of tables."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path

from sklar.report.tables import Table
from sklar.training.files import write_text

STYLE = """body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; }
table { border-collapse: collapse; margin: .5rem 0 1.5rem; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #ddd; }
th:first-child, td:first-child { text-align: left; } caption { text-align: left; font-weight: 600; padding: .3rem 0; }
figure { margin: 1rem 0 2rem; } img { max-width: 100%; } figcaption { color: #555; }
"""


def write_tables(
    path: Path, title: str, shown: Sequence[Table], about: str = "", figures: Mapping[str, str] | None = None
) -> Path:
    """A self-contained HTML page, under a temporary name, then renamed; returns its path.

    Args:
        path: of the page.
        title: its heading.
        shown: tables.
        about: a paragraph before them.
        figures: data addresses by title, before the tables.
    """
    parts = [f"<h1>{html.escape(title)}</h1>", f"<p>{html.escape(about)}</p>"]
    for name, data in (figures or {}).items():
        said = html.escape(name)
        parts.append(f'<figure><img alt="{said}" src="{data}"><figcaption>{said}</figcaption></figure>')
    for table in shown:
        head = "".join(f"<th>{html.escape(cell)}</th>" for cell in table.columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>\n" for row in table.rows
        )
        parts.append(f"<table><caption>{html.escape(table.title)}</caption>\n<tr>{head}</tr>\n{body}</table>")
    page = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title><style>\n{STYLE}</style></head><body>\n" + "\n".join(parts)
        + "\n</body></html>\n"
    )  # fmt: skip
    write_text(path, page)
    return path
