"""The console that all tables, log lines and progress bars are written to; nothing in a text can steer it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from nextbar.errors import printable


class SafeConsole(Console):
    """Writes out what names and messages hold of escape sequences, square brackets or colons; styles and cursor
    movements are its own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(markup=False, emoji=False, **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of a table, a text or a progress bar, of which all are made."""
        for text, style, control in super().render(renderable, options):
            yield Segment(text if control else printable(text), style, control)
