"""A cluster of one worker, this process."""

from __future__ import annotations

from collections.abc import Generator, Sequence

from nextbar.machine.units import Answer, Unit, UnitTerms, perform


class ClusterHere:
    """Does the last unit first."""

    address = "here"
    workers = 1

    def __init__(self, address: str = "") -> None:
        self.closed = False

    def answers(self, terms: UnitTerms, units: Sequence[Unit]) -> Generator[tuple[int, Answer] | None, None, None]:
        try:
            for n in reversed(range(len(units))):
                yield None
                yield n, perform(terms, units[n])
        finally:
            self.closed = True

    def close(self) -> None:
        """There is nothing to leave."""
