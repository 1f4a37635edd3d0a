"""One self-contained HTML page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sklar.evaluation import Record
from sklar.report.figures import completion_figure, dependence_figure, reliability_figure
from sklar.report.pages import STYLE
from sklar.report.tables import tables
from sklar.training.files import write_text

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>sklar demo</title><style>
{{ style }}</style></head><body>
<h1>sklar: handwritten digits with missing views</h1>
<p>Three modalities: the upper half, the lower half, and the sums of rows and columns. <b>Frozen</b>: encoders and
classifier trained on complete rows, then the missing embeddings are filled in by each arm. <b>End to end</b>: half of
all modality values removed at random in training. Every arm is calibrated alike on validation rows; test rows are seen
under every pattern. Settings: {{ settings }}.</p>
<h2>Completed digits</h2><figure><img alt="completed digits" src="{{ completions }}">
<figcaption>The truth, what was observed (the upper half), and draws of the lower half: given the upper half
(variational_copula), and from its own marginal (cm2_published).</figcaption></figure>
{% for table in tables %}<table><caption>{{ table.title }}</caption>
<tr>{% for name in table.columns %}<th>{{ name }}</th>{% endfor %}</tr>
{% for row in table.rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</table>{% endfor %}
<h2>Reliability, upper half alone, first seed</h2>
<figure><img alt="reliability curves" src="{{ reliability }}"></figure>
<h2>Fitted dependence between modalities, first seed</h2>
<figure><img alt="dependence per coordinate" src="{{ dependence }}"></figure>
</body></html>
"""


def write_report(path: Path, records: Sequence[Record], pictures: dict[str, Any], settings: dict[str, Any]) -> Path:
    """Write the page under a temporary name, then rename it; returns its path.

    Args:
        path: of the page.
        records: of all settings, models, patterns and seeds.
        pictures: reliability curves, completed digits and fitted correlations of the first seed.
        settings: shown on the page.
    """
    from jinja2 import Environment

    template = Environment(autoescape=True).from_string(PAGE)
    html = template.render(
        style=STYLE,
        tables=tables(records),
        settings=", ".join(f"{key} {value}" for key, value in settings.items() if key in ("seeds", "steps")),
        completions=completion_figure(pictures),
        reliability=reliability_figure(pictures["reliability"]),
        dependence=dependence_figure(pictures["correlation"], pictures["modalities"]),
    )
    write_text(path, html)
    return path
