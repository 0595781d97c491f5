"""Units of work on the workers of a Ray cluster."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from nextbar.errors import ConfigError, NextbarError, RunError, first_line
from nextbar.machine.units import Answer, Unit, UnitTerms, perform

LOOKS = 1.0
"""seconds between two looks at the units"""

RETRIES = 3
"""workers that may die over a unit before it is given up, beside the first"""

AGAIN = "the same command goes on from what is saved"


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

    def workers(self) -> int:
        """See ``Cluster``; Ray starts a process for each CPU that is free."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))

    def answers(self, terms: UnitTerms, units: Sequence[Unit]) -> Generator[tuple[int, Answer] | None, None, None]:
        """See ``Cluster``."""
        remote = self._ray.remote(perform).options(max_retries=RETRIES, num_cpus=1)
        waiting = {remote.remote(terms, unit): n for n, unit in enumerate(units)}
        try:
            while waiting:
                done, _ = self._ray.wait(list(waiting), num_returns=1, timeout=LOOKS)
                for reference in done:
                    number = waiting.pop(reference)
                    yield number, self._result(reference, units[number])
                yield None
        except ConnectionError as error:
            raise RunError(f"the cluster {self.address} has gone ({first_line(error)}); start it, {AGAIN}") from None
        finally:
            for reference in waiting:
                self._ray.cancel(reference)

    def close(self) -> None:
        """See ``Cluster``."""
        self._ray.shutdown()

    def _result(self, reference: Any, unit: Unit) -> Answer:
        from ray.exceptions import RayError, RayTaskError

        try:
            answer: Answer = self._ray.get(reference)
        except RayTaskError as error:
            if isinstance(error.cause, NextbarError):
                raise error.cause from None
            raise
        except RayError as error:
            raise RunError(
                f"{unit.name}: {RETRIES + 1} workers died over it one after another ({first_line(error)}). Look into "
                f"Ray's logs; the usual reason is too little memory. Then {AGAIN}"
            ) from None
        return answer
