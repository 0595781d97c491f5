"""``Shown``: display of a result in a shell and in a notebook."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

from nextbar.arguments import strict_arguments
from nextbar.display.figure import Figure
from nextbar.display.markup import Child, Html, element, table
from nextbar.display.plotly_figure import plotly_figure
from nextbar.display.sketch import sketch
from nextbar.errors import NextbarError, RunError, first_line, printable
from nextbar.folders import told_as_damage


class Shown(ABC):
    """A result that has a short ``repr``, a table and a sketch in a notebook, and a chart.

    Showing never raises: what cannot be read is said in the place of what it would have said.
    """

    @abstractmethod
    def _title(self) -> str:
        """What it is, and of which run."""

    @abstractmethod
    def _headline(self) -> str:
        """The main figure beside the strongest rival's; empty where there is none."""

    @abstractmethod
    def _scores(self) -> tuple[Sequence[str], Sequence[Sequence[Child]]]:
        """Head and rows of a small table; no rows where there are no scores."""

    @abstractmethod
    def _chart(self) -> Figure | None:
        """How it came to be: by epoch, by trial or by fold; None where there is nothing to draw."""

    @strict_arguments
    def plot(self) -> Any:
        """The chart of the ``history``, a ``plotly.graph_objects.Figure``.

        Raises:
            RunError: there is nothing to draw yet, or it cannot be read.
        """
        figure = self._chart()
        if figure is None:
            raise RunError(f"{self._title()}: there is nothing to draw yet")
        return plotly_figure(figure)

    def __repr__(self) -> str:
        lines = f"{type(self).__name__}: {self._title()}", self._read(self._headline)
        return "\n  ".join(printable(line) for line in lines if line)

    def _repr_html_(self) -> str:
        """For notebooks: the lines, a small table and a small chart, without script, style sheet or network."""
        title = element("div", element("strong", type(self).__name__), f": {self._title()}")
        parts = map(self._read, (self._headline, self._html_table, self._html_chart))
        seen = dict.fromkeys(part for part in parts if part)  # a reason why there is none is said once
        return element("div", title, *(part if isinstance(part, Html) else element("div", part) for part in seen))

    def _html_table(self) -> Html | None:
        head, rows = self._scores()
        return table(head, rows) if rows else None

    def _html_chart(self) -> Html | None:
        figure = self._chart()
        return None if figure is None else sketch(figure)

    def _read(self, part: Callable[[], str | None]) -> str | None:
        """A part, or why it cannot be had."""
        try:
            with told_as_damage(self._title()):
                return part()
        except (NextbarError, OSError) as error:
            return first_line(error)
