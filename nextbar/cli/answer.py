"""What a command answers on standard output."""

from __future__ import annotations

import sys

import typer

from nextbar.errors import printable


def answer(text: object, nl: bool = True) -> None:
    """Write a text, exactly as it is for a file or another program, and without what steers a terminal for one."""
    typer.echo(printable(str(text)) if sys.stdout.isatty() else str(text), nl=nl)
