"""The logger ``nextbar``: silent on import; ``get_logger`` shows it on standard error, unless the user set it up."""

from __future__ import annotations

import logging
import os
import sys
from functools import cache
from typing import TYPE_CHECKING

from nextbar.arguments import strict_arguments

if TYPE_CHECKING:
    from rich.console import Console

_LOGGER = logging.getLogger("nextbar")
_LOGGER.addHandler(logging.NullHandler())


@strict_arguments
def get_logger() -> logging.Logger:
    """Return the logger ``nextbar``, shown at INFO on standard error unless logging was configured before."""
    show_info()
    return _LOGGER


def show_info() -> None:
    """Show INFO lines on standard error.

    Does nothing where the user set up logging: the root logger or ``nextbar`` has a handler, or ``nextbar`` a level.
    """
    own = [handler for handler in _LOGGER.handlers if not isinstance(handler, logging.NullHandler)]
    if own or logging.getLogger().handlers or _LOGGER.level != logging.NOTSET:
        return
    handler = _ConsoleHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))
    _LOGGER.addHandler(handler)
    _LOGGER.setLevel(logging.INFO)


@cache
def console() -> Console:
    """Return the console on standard error that log lines, progress bars and tables share.

    Where its output is read no further (``2>&1 | head``) it falls silent, and the work goes on.
    """
    from nextbar.terminal import SafeConsole

    class SilencedByBrokenPipe(SafeConsole):
        def on_broken_pipe(self) -> None:  # rich's own ends the process
            self.quiet = True
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stderr.fileno())  # what is still in its buffer would make the exit code 120
            os.close(nowhere)

    return SilencedByBrokenPipe(stderr=True)


class _ConsoleHandler(logging.Handler):
    """Log lines above a progress bar, in full width where there is no terminal."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            style = "bold red" if record.levelno >= logging.ERROR else None
            console().print(
                self.format(record), style=style, soft_wrap=True, markup=False, highlight=False, emoji=False
            )
        except Exception:
            self.handleError(record)
