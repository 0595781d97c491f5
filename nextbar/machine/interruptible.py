"""Work in a thread, so that the main thread hears Ctrl-C while compiled code runs."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TypeVar

T = TypeVar("T")

HEARING = 0.1
"""seconds between two looks for a signal; on Windows a wait without limit hears none"""


def run_interruptible(work: Callable[[], T], cancel: Callable[[], None]) -> T:
    """Result of ``work()``. On KeyboardInterrupt it leaves at once, after ``cancel()``, which ends the work later."""
    pool = ThreadPoolExecutor(1, thread_name_prefix="nextbar-epoch")
    future = pool.submit(work)
    try:
        while not wait([future], timeout=HEARING).done:
            pass
        return future.result()
    except KeyboardInterrupt:
        cancel()
        raise
    finally:
        pool.shutdown(wait=False)
