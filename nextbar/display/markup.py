"""HTML as nested calls; every child that is not :class:`Html` is escaped."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

_VOID = frozenset({"br", "hr"})


class Html(str):
    """Text that is markup and not escaped again."""

    __slots__ = ()


Child = str | float | None


def element(tag: str, /, *children: Child, **attributes: str | None) -> Html:
    """``element("p", "a < b", class_="note")`` is ``<p class="note">a &lt; b</p>``.

    A None is left out, child or attribute. A trailing underscore of an attribute is dropped, others become hyphens.
    """
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{html.escape(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Html(f"<{tag}{written}>" if tag in _VOID else f"<{tag}{written}>{join(children)}</{tag}>")


def join(children: Iterable[Child], separator: str = "") -> Html:
    """Children one after the other, escaped where they are plain text."""
    kept = (child for child in children if child is not None)
    return Html(separator.join(c if isinstance(c, Html) else html.escape(str(c), quote=False) for c in kept))


def facts(pairs: Iterable[tuple[str, Child]]) -> Html:
    """A list of names and values; pairs without a value are left out."""
    items = (element("div", element("dt", name), element("dd", value)) for name, value in pairs if value is not None)
    return element("dl", *items, class_="facts")


def table(
    head: Sequence[Child], rows: Iterable[Sequence[Child]], *, caption: str | None = None, text_columns: int = 1
) -> Html:
    """A table whose first ``text_columns`` columns are text and whose others are numbers, aligned as such.

    It scrolls sideways within its own box where the screen is narrow.
    """

    def row(cell: str, values: Sequence[Child]) -> Html:
        named = [element("th", values[0], scope="row") if cell == "td" else element("th", values[0], scope="col")]
        scope = "col" if cell == "th" else None
        for i, value in enumerate(values[1:], 1):
            named.append(element(cell, value, scope=scope, class_=None if i < text_columns else "number"))
        return element("tr", *named)

    body = element("tbody", *(row("td", values) for values in rows))
    title = element("caption", caption) if caption else None
    return element(
        "div", element("table", title, element("thead", row("th", head)), body), class_="scroll", tabindex="0",
        role="region", aria_label=caption or "table",
    )  # fmt: skip
