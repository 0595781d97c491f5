"""Charts as plain data for Plotly, in colours named by the page's style sheet.

A colour is written ``var(--model)``; the page's script looks it up in the style sheet, once in light and once in
dark. So no figure knows a colour, and none is built by Plotly's own classes, which take seconds to import.
"""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nextbar.display.alternative import alternative
from nextbar.display.markup import Html, element

Trace = dict[str, Any]

RIVAL = "var(--rival-2)"
MODEL, BASELINE, TRUTH, VALIDATION, FAINT = (
    f"var(--{name})" for name in ("model", "baseline", "ink", "second", "faint")
)

_DASHES = {"solid": "none", "dash": "7 5", "dot": "2 3"}


@dataclass(frozen=True)
class Drawing:
    """Traces and layout, as Plotly.react takes them; the script adds fonts, grids and margins."""

    data: list[Trace]
    layout: dict[str, Any]
    words: tuple[str, ...] = ()
    """sentences that say what is drawn; they stand above it"""

    def alternative(self, title: str) -> str:
        """What is read aloud in the place of the chart: its words, or else what its lines show."""
        if self.words:
            return f"{title}. {' '.join(self.words)}"
        traces = [{**trace, **{axis: unpacked(trace[axis]) for axis in "xy" if axis in trace}} for trace in self.data]
        return alternative(title, traces, self.layout)


@dataclass(frozen=True)
class Figure:
    """One chart of the page, or several of the same kind between which the reader chooses."""

    key: str
    """id in the page"""
    title: str
    drawings: Mapping[str, Drawing]
    """by the reader's choice (a ticker)"""
    caption: str = ""
    height: int = 320
    wide: bool = False
    """over the whole width of the page"""
    legend: bool = False
    """under the chart, as text that wraps: for more lines than Plotly's own legend has room for on a narrow screen"""

    def html(self) -> Html:
        """Heading, the box that the script draws into, and the caption."""
        choice = None
        if len(self.drawings) > 1:
            options = (element("option", name, value=str(i)) for i, name in enumerate(self.drawings))
            choice = element("label", "Series ", element("select", *options, data_choice=self.key), class_="pick")
        first = next(iter(self.drawings.values()))
        return element(
            "figure",
            element("h3", self.title),
            choice,
            self._words(),
            element("div", id=self.key, class_="plot", style=f"height:{self.height}px", role="img",
                    aria_label=first.alternative(self.title)),
            self._legend() if self.legend else None,
            element("figcaption", self.caption) if self.caption else None,
            class_="wide" if self.wide else None,
        )  # fmt: skip

    def _words(self) -> Html | None:
        """The sentences of each drawing; the script shows those of the chosen one."""
        if not any(drawing.words for drawing in self.drawings.values()):
            return None
        each = (
            element("div", *(element("p", sentence) for sentence in drawing.words), data_drawing=str(i),
                    hidden="" if i else None)
            for i, drawing in enumerate(self.drawings.values())
        )  # fmt: skip
        return element("div", *each, class_="words", data_words=self.key)

    def _legend(self) -> Html:
        """A button for each line of the first drawing, which hides it and shows it again."""
        traces = next(iter(self.drawings.values())).data
        items = (element("button", _sample(trace["line"]), Html(trace["name"]), type="button", aria_pressed="true")
                 for trace in traces)  # fmt: skip
        return element("div", *items, class_="legend", data_legend=self.key)

    def plain(self) -> dict[str, Any]:
        """Plain values for the script."""
        drawings = [{"data": d.data, "layout": d.layout} for d in self.drawings.values()]
        plain: dict[str, Any] = {"id": self.key, "drawings": drawings}
        if len(drawings) > 1:
            plain["alternatives"] = [drawing.alternative(self.title) for drawing in self.drawings.values()]
        return plain


def _sample(line: Mapping[str, Any]) -> Html:
    """A short piece of a line in its colour, width and dashes."""
    style = f"stroke:{line['color']};stroke-width:{line['width']};stroke-dasharray:{_DASHES[line['dash']]}"
    return element("svg", element("line", x1="0", y1="6", x2="26", y2="6", style=style), width="26", height="12",
                   aria_hidden="true")  # fmt: skip


def packed(values: Any, dtype: str = "f4") -> dict[str, str]:
    """An array as Plotly reads it from JSON: little-endian, base64; NaN is a gap.

    ``dtype`` is one of Plotly's short names: ``f4``, ``f8``, ``i4``, ``u1``.
    """
    raw = np.ascontiguousarray(np.asarray(values, dtype=f"<{dtype}")).tobytes()
    return {"dtype": dtype, "bdata": base64.b64encode(raw).decode()}


def unpacked(array: Any) -> Any:
    """What ``packed`` was given; a list as it is."""
    if not isinstance(array, Mapping):
        return array
    return np.frombuffer(base64.b64decode(array["bdata"]), f"<{array['dtype']}")


def milliseconds(time_N: np.ndarray) -> dict[str, str]:
    """Seconds since the epoch as positions on a date axis."""
    return packed(np.asarray(time_N, np.float64) * 1000, "f8")


def text(value: object) -> str:
    """A label's text, escaped: Plotly reads labels as markup."""
    return html.escape(str(value), quote=False)


def script_json(value: Any) -> Html:
    """JSON that may stand inside a script element: no string in it can end the element."""
    plain = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return Html(plain.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))
