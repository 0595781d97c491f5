"""What results say of themselves: short, true, harmless, and never an error of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from page_text import Text

from nextbar.display.figure import Drawing, Figure
from nextbar.display.markup import Child
from nextbar.display.shown import Shown
from nextbar.errors import ArgumentError, RunError

HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m</td>&lt;"


def lines(name: str = "line") -> Figure:
    trace = {"type": "scatter", "mode": "lines", "name": name, "x": [1, 2], "y": [0.5, None],
             "line": {"color": "var(--model)", "width": 1}}  # fmt: skip
    return Figure("key", "Title", {"": Drawing([trace], {"xaxis": {"title": {"text": "epoch"}}})})


@dataclass(repr=False)
class Made(Shown):
    """Shows what it is given, and raises what is an error."""

    title: str = "runs/a"
    headline: Any = "nll 1 beside 2 of garch"
    rows: Any = (("metric", "model"), [("nll", "1")])
    chart: Any = None

    def _title(self) -> str:
        return self.title

    def _headline(self) -> str:
        return _said(self.headline)

    def _scores(self) -> tuple[Sequence[str], Sequence[Sequence[Child]]]:
        return _said(self.rows)

    def _chart(self) -> Figure | None:
        return _said(self.chart)


def _said(value: Any) -> Any:
    if isinstance(value, Exception):
        raise value
    return value


def test_a_line_says_what_it_is_and_another_how_good() -> None:
    assert repr(Made()) == "Made: runs/a\n  nll 1 beside 2 of garch"
    assert repr(Made(headline="")) == "Made: runs/a"


def test_a_notebook_sees_the_lines_a_table_and_a_sketch() -> None:
    page = Text(Made(chart=lines())._repr_html_())
    assert (
        "Made: runs/anll 1 beside 2 of garch" in page.said and page.tags.count("table") == page.tags.count("svg") == 1
    )
    assert "Title, by epoch" in page.said and "— line" in page.said
    assert not {"script", "link", "img", "style", "iframe"} & set(page.tags)


def test_a_name_is_text_in_a_shell_and_in_a_notebook() -> None:
    made = Made(HOSTILE, HOSTILE, ((HOSTILE, HOSTILE), [(HOSTILE, HOSTILE)]))
    page = Text(made._repr_html_())
    assert "img" not in page.tags and page.said.count(HOSTILE) == 6
    assert "\x1b" not in repr(made) and "\\x1b[31m" in repr(made)


@pytest.mark.parametrize("error", [RunError("the folder is gone"), OSError("the folder is gone"), KeyError("metrics")])
def test_what_cannot_be_read_is_said_once_and_raises_nothing(error: Exception) -> None:
    made = Made(headline=error, rows=error, chart=error)
    html = Text(made._repr_html_()).said
    reason = "metrics" if isinstance(error, KeyError) else "the folder is gone"
    assert reason in repr(made) and len(repr(made).splitlines()) == 2
    assert html.count(reason) == 1


def test_a_plot_of_nothing_is_an_error_in_words() -> None:
    with pytest.raises(RunError, match="runs/a: there is nothing to draw yet"):
        Made().plot()
    with pytest.raises(ArgumentError, match="kind"):
        Made(chart=lines()).plot(kind="fan")
