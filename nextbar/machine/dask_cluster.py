"""Units of work on the workers of a Dask scheduler."""

from __future__ import annotations

import time
import uuid
from collections.abc import Generator, Sequence
from concurrent.futures import CancelledError
from typing import Any

from nextbar.errors import ConfigError, RunError, first_line
from nextbar.logger import get_logger
from nextbar.machine.units import Answer, Unit, UnitTerms, perform

CONNECT = 20.0
"""seconds to wait for the scheduler"""

LOOKS = 1.0
"""seconds between two looks at the units"""

ALONE = 300.0
"""seconds to wait for a worker where there is none: a launcher may be about to start some"""

AGAIN = "the same command goes on from what is saved"


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
                f"dask://{address} takes the package distributed: pip install 'nextbar[cluster]', here and on the "
                "workers"
            ) from None
        self.address = f"dask://{address}"
        try:
            self._client: Any = Client(address, timeout=CONNECT, set_as_default=False)
        except (OSError, ValueError) as error:
            raise RunError(
                f"no Dask scheduler answers at {address}, tried for {CONNECT:g} s ({first_line(error)}). Is it running "
                "(dask scheduler), does it listen at this address, and is there a firewall between?"
            ) from None

    def workers(self) -> int:
        """See ``Cluster``; waits for the first."""
        seen, told = time.monotonic(), False
        while not (threads := self._client.nthreads()):
            if not told:
                get_logger().info("%s has no worker yet: waiting for one", self.address)
            told = True
            time.sleep(LOOKS)
            self._require_workers(seen)
        if several := [worker for worker, number in threads.items() if number > 1]:
            get_logger().warning(
                "%d of the workers have several threads, such as %s; each process does one part of the work at a time, "
                "so start more of them with one thread: dask worker --nworkers N --nthreads 1",
                len(several),
                several[0],
            )
        return len(threads)

    def answers(self, terms: UnitTerms, units: Sequence[Unit]) -> Generator[tuple[int, Answer] | None, None, None]:
        """See ``Cluster``."""
        from distributed import wait

        prefix = f"nextbar-{uuid.uuid4().hex[:8]}"
        waiting = {
            self._client.submit(perform, terms, unit, key=f"{prefix}-{n}", pure=False, priority=-n): n
            for n, unit in enumerate(units)
        }
        seen = time.monotonic()
        try:
            while waiting:
                try:
                    with self._client.as_current():
                        done = wait(list(waiting), timeout=LOOKS, return_when="FIRST_COMPLETED").done
                except TimeoutError:
                    done = set()
                    seen = self._require_workers(seen)
                for future in done:
                    yield waiting[future], self._result(future, units[waiting[future]])
                    del waiting[future]
                yield None
        except CancelledError as error:
            raise RunError(
                f"the scheduler of {self.address} has gone ({first_line(error)}); start it and its workers, {AGAIN}"
            ) from None
        finally:
            if waiting and self._client.status == "running":
                self._client.cancel(list(waiting))

    def close(self) -> None:
        """See ``Cluster``."""
        self._client.close()

    def _result(self, future: Any, unit: Unit) -> Answer:
        from distributed import KilledWorker

        try:
            answer: Answer = future.result()
        except KilledWorker as killed:
            raise RunError(
                f"{unit.name}: {killed.allowed_failures + 1} workers died over it one after another, the last at "
                f"{killed.last_worker.address}. Look into their logs; the usual reason is too little memory (dask "
                f"worker --memory-limit). Then {AGAIN}"
            ) from None
        except ModuleNotFoundError as error:
            raise RunError(
                f"{unit.name}: a worker lacks a module ({error}); install the same nextbar, with the same extras, on "
                "all workers"
            ) from None
        return answer

    def _require_workers(self, seen: float) -> float:
        """When there was a worker last, by the monotonic clock.

        Raises:
            RunError: that is too long ago, or the scheduler does not answer.
        """
        try:
            if self._client.nthreads():
                return time.monotonic()
        except (OSError, ValueError) as error:
            raise RunError(
                f"the scheduler of {self.address} has gone ({first_line(error)}); start it and its workers, {AGAIN}"
            ) from None
        if time.monotonic() - seen > ALONE:
            raise RunError(
                f"{self.address} has had no worker for {ALONE:g} s; start some (dask worker "
                f"{self.address.removeprefix('dask://')} --nthreads 1), {AGAIN}"
            )
        return seen
