"""Sections, and the document that holds them with style sheet, data and script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from string import Template

from nextbar.display.colours import style_sheet
from nextbar.display.figure import Figure, script_json
from nextbar.display.markup import Child, Html, element, join
from nextbar.report.explorer import Explorer


@dataclass(frozen=True)
class Section:
    """A heading and the parts under it; the script draws figures and the explorer."""

    key: str
    title: str
    parts: Sequence[Child | Figure | Explorer | Sequence[Figure]]
    """text, tables, figures; a list of figures stands side by side"""
    folded: bool = False
    """shown as its heading alone until a click opens it"""

    @property
    def figures(self) -> list[Figure]:
        """All charts except the explorer."""
        return _figures(self.parts)

    @property
    def explorer(self) -> Explorer | None:
        """The explorer; None where the section has none."""
        return next((part for part in self.parts if isinstance(part, Explorer)), None)

    def html(self) -> Html:
        """Heading, which folds the section and unfolds it, and parts."""
        heading = element("summary", element("h2", self.title, id=self.key))
        return element(
            "section", element("details", heading, *map(_part, self.parts), open=None if self.folded else "")
        )


def page(title: str, opening: Sequence[Child | Figure], sections: Sequence[Section], footer: Child) -> str:
    """The whole HTML document.

    Args:
        title: of the document and its first heading.
        opening: what stands before the first section.
        sections: in order; those without parts are left out.
        footer: the last lines.
    """
    from plotly.offline import get_plotlyjs

    sections = [s for s in sections if any(part is not None and part != [] for part in s.parts)]
    links = (element("li", element("a", s.title, href=f"#{s.key}")) for s in sections)
    fold = element("button", "unfold all", type="button", data_fold="")
    nav = element("nav", element("ul", *links, element("li", fold)), aria_label="Sections")
    body = join(
        (
            element("header", element("h1", title), *map(_part, opening), nav),
            element("main", *(section.html() for section in sections)),
            element("footer", footer),
        ),
        "\n",
    )
    explorer = next((s.explorer for s in sections if s.explorer), None)
    data = {
        "figures": [figure.plain() for figure in (*_figures(opening), *(f for s in sections for f in s.figures))],
        "explorer": explorer.plain() if explorer else None,
    }
    return Template(_asset("page.html")).substitute(
        title=join((title,)),
        style=style_sheet() + _asset("report.css"),
        body=body,
        data=script_json(data),
        plotly=get_plotlyjs().replace("</script", "<\\/script"),
        script=_asset("charts.js") + _asset("explorer.js"),
    )


def _figures(parts: Sequence[Child | Figure | Explorer | Sequence[Figure]]) -> list[Figure]:
    """The charts among some parts, also those that stand side by side."""
    figures: list[Figure] = []
    for part in parts:
        if isinstance(part, Figure):
            figures.append(part)
        elif isinstance(part, (list, tuple)):
            figures += part
    return figures


def _part(part: Child | Figure | Explorer | Sequence[Figure]) -> Html:
    if isinstance(part, (list, tuple)):
        return element("div", *(figure.html() for figure in part), class_="figures") if part else Html("")
    if isinstance(part, (Figure, Explorer)):
        return element("div", part.html(), class_="figures")
    if part is None or isinstance(part, Html):
        return part or Html("")
    return element("p", part)  # type: ignore[arg-type]


def _asset(name: str) -> str:
    return (resources.files("nextbar.report") / "assets" / name).read_text(encoding="utf-8")
