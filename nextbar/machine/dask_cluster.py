"""Units of work on the workers of a Dask scheduler."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Generator, Sequence
from concurrent.futures import CancelledError
from functools import cached_property
from typing import Any

from nextbar.errors import ConfigError, RunError, first_line
from nextbar.logger import get_logger
from nextbar.machine.units import LOOKS, Answer, Unit, UnitTerms, debugging, perform
from nextbar.machine.workforce import AGAIN, Workforce

CONNECT = 20.0
"""seconds to wait for the scheduler"""

UNREAD = "Error during deserialization"
"""beginning of what a scheduler says that cannot read a unit"""


class DaskCluster:
    """A Dask scheduler and its workers.

    Args:
        address: ``HOST:PORT`` of the scheduler.

    Raises:
        ConfigError: the package is not installed.
        RunError: no scheduler answers.
    """

    def __init__(self, address: str) -> None:
        try:
            from distributed import Client
        except ImportError:
            raise ConfigError(
                f"dask://{address} takes the package distributed: pip install 'nextbar[cluster]', here, for the "
                "scheduler and on the workers"
            ) from None
        self.address = f"dask://{address}"
        try:
            self._client: Any = Client(address, timeout=CONNECT, set_as_default=False)
        except (OSError, ValueError) as error:
            raise RunError(
                f"no Dask scheduler answers at {address}, tried for {CONNECT:g} s ({first_line(error)}). Is it running "
                "(dask scheduler), does it listen at this address, and is there a firewall between?"
            ) from None
        self._silenced = [] if debugging() else _silence()
        self._workforce = Workforce(self.address, self._count, f"dask worker {address} --nthreads 1")

    @cached_property
    def workers(self) -> int:
        """See ``Cluster``."""
        number = self._workforce.settled()
        threads = self._client.nthreads()
        if several := [worker for worker, number in threads.items() if number > 1]:
            get_logger().warning(
                "%d of the workers have several threads, such as %s; each process does one part of the work at a time, "
                "so start more of them with one thread: dask worker --nworkers N --nthreads 1",
                len(several),
                several[0],
            )
        return number

    def answers(self, terms: UnitTerms, units: Sequence[Unit]) -> Generator[tuple[int, Answer] | None, None, None]:
        """See ``Cluster``."""
        from distributed import wait

        prefix = f"nextbar-{uuid.uuid4().hex[:8]}"
        waiting = {
            self._client.submit(perform, terms, unit, key=f"{prefix}-{n}", pure=False, priority=-n): n
            for n, unit in enumerate(units)
        }
        try:
            while waiting:
                try:
                    with self._client.as_current():
                        done = wait(list(waiting), timeout=LOOKS, return_when="FIRST_COMPLETED").done
                except TimeoutError:
                    done = set()
                except CancelledError:
                    raise self._gone() from None
                for future in done:
                    yield waiting[future], self._result(future, units[waiting[future]])
                    del waiting[future]
                self._workforce.present()
                yield None
        finally:
            if waiting and self._client.status == "running":
                self._client.cancel(list(waiting))

    def close(self) -> None:
        """See ``Cluster``."""
        self._client.close()
        _unsilence(self._silenced)

    def _result(self, future: Any, unit: Unit) -> Answer:
        from distributed import KilledWorker

        lacking = f"install the same nextbar, with the same extras, for the scheduler and on all workers, then {AGAIN}"
        try:
            answer: Answer = future.result()
        except CancelledError:
            raise self._gone() from None
        except KilledWorker as killed:
            raise RunError(
                f"{unit.name}: {killed.allowed_failures + 1} workers died over it one after another, the last at "
                f"{killed.last_worker.address}. Look into their logs; the usual reason is too little memory (dask "
                f"worker --memory-limit). Then {AGAIN}"
            ) from None
        except ModuleNotFoundError as error:
            raise RunError(f"{unit.name}: a worker lacks a module ({error}); {lacking}") from None
        except RuntimeError as error:
            if not first_line(error).startswith(UNREAD):
                raise
            why = first_line(error.__cause__ or error)
            raise RunError(f"{unit.name}: the scheduler of {self.address} cannot read it ({why}); {lacking}") from None
        return answer

    def _count(self) -> int:
        """Processes that are there.

        Raises:
            RunError: the scheduler does not answer.
        """
        try:
            return len(self._client.nthreads())
        except (OSError, ValueError):
            raise self._gone() from None

    def _gone(self) -> RunError:
        return RunError(f"the scheduler of {self.address} has gone; start it and its workers, {AGAIN}")


def _silence() -> list[tuple[logging.Handler, int]]:
    """Have the package itself print nothing: errors are raised, and of a scheduler that has gone it prints many.

    Returns:
        Its handlers with their levels, for ``_unsilence``.
    """
    names = ("distributed", "distributed.client", "tornado.application")
    handlers = {handler for name in names for handler in logging.getLogger(name).handlers}
    levels = [(handler, handler.level) for handler in handlers]
    for handler in handlers:
        handler.setLevel(logging.CRITICAL + 1)
    return levels


def _unsilence(levels: list[tuple[logging.Handler, int]]) -> None:
    for handler, level in levels:
        handler.setLevel(level)
