"""Statistical tests: a sentence of each, and its figures in a table that can be opened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nextbar.display.markup import Html, element, join, table
from nextbar.report.scores import minus
from nextbar.tables import figure


def finding_parts(findings: Mapping[str, Mapping[str, Any]]) -> list[Html]:
    """A part of a section for each finding of :func:`nextbar.metrics.findings.findings`."""
    return [_finding(finding) for finding in findings.values()]


def _finding(finding: Mapping[str, Any]) -> Html:
    rows = finding["figures"]
    parts = [element("h3", finding["title"]), element("p", finding["sentence"])]
    if rows:
        words = sum(isinstance(value, str) for value in rows[0].values())
        body = [[_cell(name, value) for name, value in row.items()] for row in rows]
        figures = table(list(rows[0]), body, caption=finding["title"], text_columns=max(words, 1))
        parts.append(element("details", element("summary", "Figures"), figures))
    return join(parts)


def _cell(name: str, value: str | float | None) -> str:
    return value if isinstance(value, str) else minus(figure(name, value))
