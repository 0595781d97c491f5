"""Work and waits that end with Ctrl-C, or in a worker of a cluster when its work is not needed any more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from nextbar.errors import RunBusy
from nextbar.logger import get_logger

T = TypeVar("T")

HEARING = 0.1
"""seconds between two looks for a signal; on Windows a wait without limit hears none"""

_stopped: ContextVar[threading.Event | None] = ContextVar("stopped", default=None)
"""what interrupts the work of this thread beside Ctrl-C, which the main thread alone hears"""


def run_interruptible(work: Callable[[], T], cancel: Callable[[], None]) -> T:
    """Result of ``work()``, which runs in a thread. On KeyboardInterrupt it leaves at once, after ``cancel()``, which
    ends the work later."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="nextbar-epoch")
    future = pool.submit(work)
    try:
        while not wait([future], timeout=HEARING).done:
            hear()
        return future.result()
    except KeyboardInterrupt:
        cancel()
        raise
    finally:
        pool.shutdown(wait=False)


@contextmanager
def stopped_by(event: threading.Event) -> Iterator[None]:
    """Within the block and in this thread an event has the effect of Ctrl-C: KeyboardInterrupt in whatever hears it."""
    before = _stopped.set(event)
    try:
        yield
    finally:
        _stopped.reset(before)


def hear() -> None:
    """Let what takes long be interrupted between two of its parts.

    Raises:
        KeyboardInterrupt: the event of ``stopped_by``; Ctrl-C itself needs no such call.
    """
    event = _stopped.get()
    if event is not None and event.is_set():
        raise KeyboardInterrupt


def pause(seconds: float) -> None:
    """Wait.

    Raises:
        KeyboardInterrupt: Ctrl-C, or the event of ``stopped_by``.
    """
    hear()
    event = _stopped.get()
    if event is None:
        time.sleep(seconds)
    else:
        event.wait(seconds)
    hear()


def patiently(work: Callable[[], T]) -> T:
    """Do work in a run's folder; where another process is at it, wait for that one and go on from there.

    Raises:
        KeyboardInterrupt: see ``pause``.
    """
    warned = False
    while True:
        try:
            return work()
        except RunBusy as busy:
            if not warned:
                get_logger().warning("waiting: %s", busy)
            warned = True
            pause(1)
