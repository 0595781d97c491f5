"""What a command answers on standard output."""

from __future__ import annotations

import sys

import typer

from nextbar.errors import printable


def answer(text: object, nl: bool = True) -> None:
    """Write a text, exactly as it is for a file or another program, and without what steers a terminal for one."""
    typer.echo(printable(str(text)) if sys.stdout.isatty() else str(text), nl=nl)


def answer_bytes(data: bytes, is_text: bool) -> None:
    """Write a file's content; what is text as :func:`answer` does."""
    if is_text:
        answer(data.decode(), nl=False)
    else:
        typer.echo(data, nl=False)
