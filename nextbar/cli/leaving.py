"""How a command ends when it does not end well: one message, an exit code, and at once after Ctrl-C."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from nextbar.cli import INTERRUPTED
from nextbar.errors import NextbarError, TrainingInterrupted

NOTHING_BEGUN = "interrupted; the same command starts again"
NOTHING_WRITTEN = "interrupted; nothing was written"


@contextmanager
def told(debug: bool = False, interrupted: str = NOTHING_BEGUN) -> Iterator[None]:
    """Turn what a user can mend into one message and an exit code.

    Args:
        debug: leave the traceback.
        interrupted: what is left after Ctrl-C, where the library does not say it itself.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # the reader has left (| head): typer ends quietly
    except (NextbarError, OSError) as error:
        if debug:
            raise
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from None
    except TrainingInterrupted as interruption:
        _leave(str(interruption))
    except KeyboardInterrupt:
        _leave(interrupted)


@contextmanager
def at_once(interrupted: str = NOTHING_BEGUN) -> Iterator[None]:
    """Ctrl-C ends the process at once: as an exception it may get lost in a module that is being imported."""
    before = signal.signal(signal.SIGINT, lambda *_: _leave(interrupted))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def hear_again(swallowed: sys.UnraisableHookArgs) -> None:
    """Repeat a Ctrl-C that came inside a finaliser or a callback of the garbage collector, where it gets lost.

    JAX has such a callback, and it runs all the time while bars are read. Of a checkpoint that cannot be read the
    exception tells; that its other arrays then find nobody waiting for them is no news.
    """
    if swallowed.exc_type is KeyboardInterrupt:
        # a moment later: here it would be swallowed once more
        threading.Timer(0.01, signal.raise_signal, (signal.SIGINT,)).start()
    elif not (swallowed.exc_type is RuntimeError and str(swallowed.exc_value) == "Event loop is closed"):
        sys.__unraisablehook__(swallowed)


def _leave(message: str) -> NoReturn:
    """End at once: an ordinary exit would wait for compiled code that still runs in a thread."""
    typer.echo(f"\n{message}", err=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)
