"""Units of work on the workers of a Ray cluster."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any

from nextbar.errors import ConfigError, NextbarError, RunError, first_line
from nextbar.machine.units import LOOKS, Answer, Unit, UnitTerms, perform
from nextbar.machine.workforce import AGAIN, Workforce

RETRIES = 3
"""workers that may die over a unit before it is given up, beside the first"""

UNREAD = "The remote function failed to import"
"""beginning of what a worker says that cannot read a unit"""


class RayCluster:
    """A Ray cluster, joined through the Ray client server of its head.

    Args:
        address: ``HOST:PORT`` of that server.

    Raises:
        ConfigError: the package is not installed.
        RunError: no cluster answers.
    """

    def __init__(self, address: str) -> None:
        try:
            import ray
        except ImportError:
            raise ConfigError(
                f"ray://{address} takes the package ray: pip install 'ray[client]', here and on the workers"
            ) from None
        self.address, self._ray = f"ray://{address}", ray
        try:
            ray.init(self.address, log_to_driver=False, logging_level="ERROR")
        except (OSError, ValueError, RuntimeError) as error:
            raise RunError(
                f"no Ray cluster answers at {address} ({first_line(error)}). Is its head running (ray start --head), "
                "does its client server listen at this address, and is there a firewall between?"
            ) from None
        self._workforce = Workforce(self.address, self._count, "ray start --address HEAD:6379 --num-cpus N")

    @cached_property
    def workers(self) -> int:
        """See ``Cluster``; Ray starts a process for each CPU that is free."""
        return self._workforce.settled()

    def answers(self, terms: UnitTerms, units: Sequence[Unit]) -> Generator[tuple[int, Answer] | None, None, None]:
        """See ``Cluster``."""
        waiting: dict[Any, int] = {}
        try:
            with self._reached("the units"):
                remote = self._ray.remote(perform).options(max_retries=RETRIES, num_cpus=1)
                waiting |= {remote.remote(terms, unit): n for n, unit in enumerate(units)}
            while waiting:
                with self._reached("the units"):
                    done, _ = self._ray.wait(list(waiting), num_returns=1, timeout=LOOKS)
                for reference in done:
                    number = waiting.pop(reference)
                    yield number, self._result(reference, units[number])
                self._workforce.present()
                yield None
        finally:
            with suppress(ConnectionError):  # it has gone, and its units with it
                for reference in waiting:
                    self._ray.cancel(reference)

    def close(self) -> None:
        """See ``Cluster``."""
        self._ray.shutdown()

    def _result(self, reference: Any, unit: Unit) -> Answer:
        from ray.exceptions import NodeDiedError, OutOfMemoryError, RayError, RayTaskError, WorkerCrashedError

        with self._reached(unit.name):
            try:
                answer: Answer = self._ray.get(reference)
                return answer
            except RayTaskError as error:
                failure = error
            except (WorkerCrashedError, NodeDiedError, OutOfMemoryError) as error:
                raise RunError(
                    f"{unit.name}: {RETRIES + 1} workers died over it one after another ({first_line(error)}). Look "
                    f"into Ray's logs; the usual reason is too little memory. Then {AGAIN}"
                ) from None
            except RayError as error:
                raise RunError(
                    f"{unit.name}: Ray has given it up ({first_line(error)}). Look into Ray's logs; {AGAIN}"
                ) from None
        cause = failure.cause
        if isinstance(cause, ModuleNotFoundError) or str(cause).startswith(UNREAD):
            raise self._lacking(unit.name, cause)
        if isinstance(cause, NextbarError):
            raise cause from None
        raise cause from failure  # a fault of nextbar: the worker's traceback helps to find it

    @contextmanager
    def _reached(self, what: str) -> Iterator[None]:
        """Turn the errors of a cluster that has gone, or cannot read units, into one that says what to do."""
        try:
            yield
        except ConnectionError as error:
            raise RunError(f"the cluster {self.address} has gone ({first_line(error)}); start it, {AGAIN}") from None
        except ModuleNotFoundError as error:
            raise self._lacking(what, error) from None

    def _lacking(self, what: str, error: BaseException) -> RunError:
        return RunError(
            f"{what}: the head of {self.address} or a worker lacks a module ({first_line(error)}); install the same "
            f"nextbar, with the same extras, on all of them, then {AGAIN}"
        )

    def _count(self) -> int:
        """Processes that its CPUs are enough for.

        Raises:
            RunError: the cluster does not answer.
        """
        with self._reached("the workers"):
            return int(self._ray.cluster_resources().get("CPU", 0))
