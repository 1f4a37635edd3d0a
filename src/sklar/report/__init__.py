"""Tables, figures and the HTML page."""

from __future__ import annotations

from sklar.report.page import write_report
from sklar.report.tables import print_tables, tables

__all__ = ["print_tables", "tables", "write_report"]
