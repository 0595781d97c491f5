"""Ends of a command that fails or is interrupted: one message and an exit code; after Ctrl-C at once."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from nextbar.cli.exit_codes import INTERRUPTED, MENDABLE
from nextbar.cli.garbage import look_as_usual
from nextbar.errors import NextbarError, TrainingInterrupted, printable

NOTHING_BEGUN = "interrupted; the same command starts again"
NOTHING_WRITTEN = "interrupted; nothing was written"


@contextmanager
def clean_exit(debug: bool = False, interrupted: str = NOTHING_BEGUN) -> Iterator[None]:
    """Turn an error that the user can mend, and Ctrl-C, into one message and an exit code.

    Args:
        debug: let such an error pass, with its traceback.
        interrupted: the message after Ctrl-C, where the library gives none.
    """
    try:
        yield
    except BrokenPipeError:
        raise  # the output is read no further (| head): typer ends quietly
    except (NextbarError, OSError) as error:
        if debug:
            raise
        if _after_interrupt(error):
            _leave(interrupted)
        typer.echo(printable(str(error)), err=True)
        raise typer.Exit(MENDABLE) from None
    except TrainingInterrupted as interruption:
        _leave(str(interruption))
    except KeyboardInterrupt:
        _leave(interrupted)


def _after_interrupt(error: BaseException | None) -> bool:
    """Whether an error came of cleaning up after Ctrl-C, such as from a lock of Optuna's journal just let go."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__context__
    return error is not None


@contextmanager
def immediate_interrupt(interrupted: str = NOTHING_BEGUN) -> Iterator[None]:
    """Have Ctrl-C end the process at once: as an exception it may get lost in a module that is being imported.

    What a command needs is there afterwards, and its own work begins.
    """
    before = signal.signal(signal.SIGINT, lambda *_: _leave(interrupted))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        look_as_usual()


def repeat_lost_interrupt(lost: sys.UnraisableHookArgs) -> None:
    """Repeat a Ctrl-C that came inside a finaliser or a callback of the garbage collector, where it gets lost.

    An ``unraisablehook``. JAX has such a callback, and it runs all the time while bars are read. Where a checkpoint
    cannot be read, its other arrays report that their event loop is closed; the error itself tells of the checkpoint,
    so these reports are dropped.
    """
    if lost.exc_type is KeyboardInterrupt:
        # a moment later: here it would be lost once more
        threading.Timer(0.01, signal.raise_signal, (signal.SIGINT,)).start()
    elif not (lost.exc_type is RuntimeError and str(lost.exc_value) == "Event loop is closed"):
        sys.__unraisablehook__(lost)


def _leave(message: str) -> NoReturn:
    """End at once: an ordinary exit would wait for compiled code that still runs in a thread."""
    typer.echo(printable(f"\n{message}"), err=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(INTERRUPTED)
